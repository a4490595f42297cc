"""What `init` says: each decision with its reason, and what the owner of the data should check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spline_lstm.core.cadences import describe
from spline_lstm.core.formatting import listed, plural
from spline_lstm.core.schema import Schema
from spline_lstm.scaffold.model_choices import describe as describe_choices
from spline_lstm.scaffold.propose import Found, Proposal, is_unsorted
from spline_lstm.scaffold.timestamp_columns import list_names
from spline_lstm.series.data_warnings import closed_line, on_closed_days

NO_KNOWN_FUTURE = (
    "no covariate is marked as known_future: mark those that are planned in advance in the schema"
)
LEARNED_VECTORS = "static covariates become learned vectors: see dim in the schema"
MARKS = {
    ",": "comma",
    ";": "semicolon",
    ".": "point",
    "\t": "tab",
    "|": "bar",
    "'": "apostrophe",
    " ": "blank",
    "\u00a0": "no-break space",
    "\u202f": "narrow no-break space",
}


@dataclass(frozen=True)
class Plan:
    """What `init` writes and says; the table that it was made from is not kept.

    Attributes
    ----------
    schema : content of the covariate schema
    values : dotted key of params.yaml -> value
    decisions : what -> what was decided, and why
    questions : what the owner of the data should check
    """

    schema: Mapping[str, Any]
    values: Mapping[str, Any]
    decisions: Mapping[str, str]
    questions: tuple[str, ...]

    @classmethod
    def of(cls, proposal: Proposal, more: Mapping[str, str]) -> "Plan":
        """The plan of a proposal, with `more` decisions."""
        said = {**decisions(proposal), **more}
        return cls(proposal.schema, proposal.values, said, questions(proposal))


def with_columns_of(schema: Schema, header: Sequence[str], plan: Plan) -> Plan:
    """The plan, saying of the columns of a table what a schema of the user makes of them."""
    dynamic = [each for each in schema.dynamic_covariates if each.name in header]
    static = [each.name for each in schema.static_covariates if each.name in header]
    named = {*schema.timestamp_cols, *schema.target_cols, schema.series_col}
    if schema.wide is not None:
        named |= {*schema.wide.columns}
    named |= {*static, *(each.name for each in dynamic)}
    said = {
        "covariates": ", ".join(repr(each.name) for each in dynamic) or "none",
        "static": ", ".join(map(repr, static)),
        "left out": ", ".join(
            f"{name!r} (not in the schema)" for name in header if name not in named
        ),
    }
    made: dict[str, str] = {}
    for what, text in plan.decisions.items():
        if what == "covariates":
            made |= {key: value for key, value in said.items() if value}
        elif what not in said:
            made[what] = text
    asked = [text for text in plan.questions if text not in (NO_KNOWN_FUTURE, LEARNED_VECTORS)]
    if dynamic and not any(each.known_future for each in dynamic):
        asked.append(NO_KNOWN_FUTURE)
    if static:
        asked.append(LEARNED_VECTORS)
    return replace(plan, decisions=made, questions=tuple(asked))


def decisions(proposal: Proposal) -> dict[str, str]:
    """What -> what was decided, and why."""
    found, values = proposal.found, proposal.values
    roles = found.roles
    made = {
        "table": _table(found),
        "timestamps": _timestamps(found),
        "series": _series(found),
        "targets": ", ".join(map(repr, roles.targets)),
        "covariates": ", ".join(
            f"{name!r} ({found.columns[name].kind})" for name in roles.covariates
        )
        or "none",
    }
    if roles.statics:
        made["static"] = ", ".join(map(repr, roles.statics))
    if roles.left_out:
        made["left out"] = ", ".join(f"{name!r} ({why})" for name, why in roles.left_out.items())
    made["clock"] = _clock(found, values)
    made["season"] = f"{plural(values['evaluate.season'], 'row')} ({found.season})"
    made["windows"] = (
        f"lookback {values['window.lookback']}, horizon {values['window.horizon']} rows "
        f"({found.horizon})"
    )
    return made | describe_choices(found.choices)


def questions(proposal: Proposal) -> tuple[str, ...]:
    """What the owner of the data should check."""
    found, values = proposal.found, proposal.values
    asked = [*_rows(found, values), *_clock_questions(found), *_lengths(found, values)]
    if found.roles.covariates:
        asked.append(NO_KNOWN_FUTURE)
    if found.roles.statics:
        asked.append(LEARNED_VECTORS)
    labels = any(
        not found.columns[name].is_number for name in found.roles.targets if not _wide(found)
    )
    if labels and values.get("train.loss") != "bce":
        asked.append(
            "a target contains only 0 and 1: the forecast is a number, not a class; for its "
            "probability set train.loss to bce, and `check` names what that needs"
        )
    return tuple(asked)


def _wide(found: Found) -> bool:
    return found.roles.wide is not None


def _table(found: Found) -> str:
    rows = plural(len(found.table.cells), "row")
    layout, marks = found.table.layout, found.table.marks
    if layout is None:
        return f"{rows} of Parquet, with its types"
    parts = [
        rows,
        f"separated by {MARKS.get(layout.separator, layout.separator)}",
        f"decimal {MARKS[marks.decimal or '.']}",
    ]
    if marks.thousands:
        parts.append(f"thousands {MARKS.get(marks.thousands, marks.thousands)}")
    if layout.encoding != "utf-8":
        parts.append(f"encoding {layout.encoding}")
    if layout.skip_lines:
        parts.append(f"{plural(layout.skip_lines, 'line')} before the header")
    if layout.unit_row:
        parts.append("a row of units below the header")
    parts.append(f"missing are {listed(['empty cells', *map(repr, found.markers)], 20)}")
    return ", ".join(parts)


def _timestamps(found: Found) -> str:
    clock = found.clock.clock
    first, last = (clock.text_of(each) for each in found.extent.span)
    if not found.roles.timestamps.columns:
        return f"none: the rows of a series are counted, {first} to {last}"
    found_in = found.roles.timestamps
    columns = " and ".join(map(repr, found_in.columns))
    zone = "" if clock.kind == "index" else f", time zone {found.roles.zone or 'UTC'}"
    return f"{columns} as {found_in.found.form}, {first} to {last}{zone}"


def _series(found: Found) -> str:
    roles = found.roles
    if roles.wide is not None:
        return f"a column for each: {list_names(roles.wide.columns)}"
    return f"{roles.series!r}, {len(roles.names)} series" if roles.series else "one"


def _clock(found: Found, values: Mapping[str, Any]) -> str:
    extent = found.extent
    text = str(values["preprocess.frequency"])
    described = describe(found.clock.clock)
    text = described if described.startswith(text) else text
    absences = found.clock.absences.text()
    note = found.clock.clock.note()
    return (
        f"{text} ({found.clock.reason}); {extent.absent:.1%} of {extent.grid_rows} grid rows "
        "without a target" + (f"; {absences}" if absences else "") + (f"; {note}" if note else "")
    )


def _rows(found: Found, values: Mapping[str, Any]) -> list[str]:
    asked = []
    policy = values["data.duplicates"]
    if found.repeats.copies:
        copies = plural(found.repeats.copies, "exact copy")
        asked.append(f"{copies} of an earlier row of the same series: data.duplicates is {policy}")
    if found.repeats.contradictions:
        count = plural(found.repeats.contradictions, "contradiction")
        asked.append(f"{count} of an earlier row of the same series: data.duplicates is {policy}")
    if is_unsorted(found.roles):
        sort = str(values["data.sort"]).lower()
        asked.append(f"rows are not in chronological order: data.sort is {sort}")
    if found.extent.absent > 0.25:
        asked.append(
            f"{found.extent.absent:.0%} of the grid is missing: preprocess.max_missing is "
            f"{values['preprocess.max_missing']}"
        )
    return asked


def _clock_questions(found: Found) -> list[str]:
    asked = []
    offsets = found.roles.timestamps.found.offsets
    if len(offsets) > 1 and found.roles.zone is None:
        asked.append(
            f"the timestamps have the offsets {' and '.join(offsets)}; their forecasts are in UTC "
            "unless you name the zone with --time-zone"
        )
    clock, instants = found.clock.clock, found.panel.instants
    closed = instants[on_closed_days(instants, clock)]
    if len(closed):
        asked.append(closed_line(len(closed), len(instants), int(closed[0]), clock))
    return asked


def _lengths(found: Found, values: Mapping[str, Any]) -> list[str]:
    """Series that are too short for a window, and those without a value."""
    if found.roles.series is None:
        return []
    needed = int(values["window.lookback"]) + int(values["window.horizon"])
    lengths = found.extent.lengths
    short = np.flatnonzero((lengths > 0) & (lengths < needed))
    empty = np.flatnonzero(lengths == 0)
    asked = []
    if len(short):
        names = list_names(f"{found.roles.names[key]} ({lengths[key]})" for key in short)
        asked.append(f"series with fewer rows than the {needed} of a window: {names}")
    if len(empty):
        names = list_names(found.roles.names[key] for key in empty)
        asked.append(f"series without values: {names}")
    return asked
