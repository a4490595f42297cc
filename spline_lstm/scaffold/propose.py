"""From the content of a file to a schema and params, each decision with its reason."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.core.calendars import YEAR_NS
from spline_lstm.core.errors import UsageError, shorten
from spline_lstm.core.time_zones import DAY_NS
from spline_lstm.scaffold.clocks import FoundClock, find_clock
from spline_lstm.scaffold.column_roles import Panel, Roles, choose_roles, panel_of
from spline_lstm.scaffold.column_types import Column, examine_all
from spline_lstm.scaffold.extent import Extent, find_extent, find_season, with_index_season
from spline_lstm.scaffold.model_choices import Choice, choose
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.repeats import Repeats, find_repeats
from spline_lstm.scaffold.table import Table
from spline_lstm.scaffold.timestamp_formats import INDEX

MIN_GRID_ROWS = 40
TRAINING_SHARE = 0.7
MAX_ONE_HOT = 8
# More than this share of the grid without a value needs the word of the owner.
MOST_MISSING = 0.5
DEFAULT_HORIZON, LONGEST_HORIZON = 12, 52
# The reason of what the user gave.
GIVEN = "as in the params"
CALENDAR = {
    "day": ("hour_sin", "hour_cos"),
    "week": ("dow_sin", "dow_cos"),
    "year": ("doy_sin", "doy_cos"),
}


@dataclass(frozen=True)
class Proposal:
    """What `init` writes.

    Attributes
    ----------
    schema : content of the covariate schema
    values : dotted key of params.yaml -> value
    found : what both were made from
    """

    schema: Mapping[str, Any]
    values: Mapping[str, Any]
    found: "Found"


@dataclass(frozen=True)
class Found:
    """What is known about a table.

    Attributes
    ----------
    table : its columns and text
    columns : name -> content of the column
    roles : which column is what
    repeats : rows that repeat a timestamp
    clock : the clock and how it was found
    extent : how much data there is
    panel : the targets of all series
    season, horizon : why they are what they are
    choices : settings of the model
    """

    table: Table
    columns: Mapping[str, Column]
    roles: Roles
    repeats: Repeats
    clock: FoundClock
    extent: Extent
    panel: Panel
    season: str
    horizon: str = ""
    choices: tuple[Choice, ...] = ()

    @property
    def used(self) -> dict[str, Column]:
        """Columns of targets and covariates."""
        targets = self.roles.wide.columns if self.roles.wide else self.roles.targets
        return {name: self.columns[name] for name in (*targets, *self.roles.covariates)}

    @property
    def markers(self) -> list[str]:
        """Texts that mean "missing" in columns that are used."""
        return sorted({text for column in self.used.values() for text in column.markers})


def propose(
    table: Table, where: str, options: Options, overlay: Mapping[str, Any] = MappingProxyType({})
) -> Proposal:
    """Look at a table and propose a schema and params; the `overlay` replaces proposed values.

    Raises
    ------
    UsageError
        The file leaves something open; the message names the candidates and the option to give.
    """
    columns = examine_all(table, options.missing)
    roles = choose_roles(table, columns, options, where)
    repeats = find_repeats(table, columns, roles, options, where)
    panel = panel_of(roles, columns)
    if not any(panel.observed(name).any() for name in panel.targets):
        raise UsageError(f"{where}: the targets have no values; name others with --target")
    clock = find_clock(roles, panel, options, where)
    extent = find_extent(panel, clock.clock)
    if clock.clock.kind == "index":
        training = math.floor(TRAINING_SHARE * extent.longest)
        clock = replace(clock, clock=with_index_season(panel, clock.clock, training))
        extent = replace(extent, clock=clock.clock)
    found = Found(table, columns, roles, repeats, clock, extent, panel, "")
    _check_values(found.used, where)
    _check_extent(extent, options, where)
    season, reason = find_season(panel, clock.clock, math.floor(TRAINING_SHARE * extent.longest))
    values = _values(found, season, options)
    horizon = values["window.horizon"]
    choices = choose(panel, extent, horizon, TRAINING_SHARE, overlay)
    values |= {choice.key: choice.value for choice in choices} | dict(overlay)
    reason = GIVEN if "evaluate.season" in overlay else reason
    why = _horizon_reason(values) if "window.horizon" not in overlay else GIVEN
    found = replace(found, season=reason, horizon=why, choices=tuple(choices))
    return Proposal(_schema(found), values, found)


def _check_values(used: Mapping[str, Column], where: str) -> None:
    """Ask about texts and numbers that may mean "missing" instead of guessing."""
    for name, column in used.items():
        doubtful = column.oddities or column.sentinels
        if doubtful:
            kind = "is not a number" if column.oddities else "is far from all other numbers"
            flags = " ".join(f"--missing={shlex.quote(text)}" for text in doubtful[:3])
            remedy = f"add {flags} if it means missing"
            remedy += (
                ", or fix the cells" if column.oddities else ", or --missing= if it is a value"
            )
            raise UsageError(
                f"{where}: column {name!r} contains {shorten(doubtful[0])}, which {kind}; {remedy}"
            )


def _check_extent(extent: Extent, options: Options, where: str) -> None:
    if extent.longest < MIN_GRID_ROWS:
        raise UsageError(
            f"{where}: {extent.longest} rows of {extent.clock.frequency} from first to last "
            f"timestamp; training, validation and test need at least {MIN_GRID_ROWS}: bring more "
            "data or a shorter --frequency"
        )
    if extent.absent > MOST_MISSING and options.max_missing is None:
        raise UsageError(
            f"{where}: {extent.absent:.0%} of the {extent.grid_rows} rows of the grid "
            f"{extent.clock.frequency} have no target, so it may be the wrong grid; give another "
            f"--frequency, or accept it with --max-missing {_missing_limit(extent.absent)}"
        )


def _schema(found: Found) -> dict[str, Any]:
    roles = found.roles
    names = roles.timestamps.columns
    content: dict[str, Any] = {
        "version": 1,
        "timestamp_col": names[0] if len(names) == 1 else list(names) or None,
    }
    if roles.series is not None:
        content["series_col"] = roles.series
    content["target_cols"] = list(roles.targets)
    if roles.wide is not None:
        content["wide"] = {
            "columns": list(roles.wide.columns),
            "value": roles.wide.value,
            "series": roles.wide.series,
        }
    content["dynamic_covariates"] = [_covariate(found.columns[name]) for name in roles.covariates]
    calendar = _calendar(found.extent)
    content["calendar_features"] = {"enabled": bool(calendar), "features": calendar}
    content["static_covariates"] = [
        {
            "name": name,
            "dtype": "categorical",
            "encoding": "embedding",
            "dim": _dim(found.columns[name]),
            "required": True,
        }
        for name in roles.statics
    ]
    form = roles.timestamps.found.form
    content["table_format"] = found.table.format_content() | {
        "missing_markers": found.markers,
        "timestamp_format": form if names else INDEX,
    }
    return content


def _covariate(column: Column) -> dict[str, Any]:
    dtype = "categorical" if column.kind == "text" else column.kind
    content: dict[str, Any] = {"name": column.name, "dtype": dtype}
    if dtype == "categorical":
        few = column.distinct <= MAX_ONE_HOT
        content |= (
            {"encoding": "one_hot"} if few else {"encoding": "embedding", "dim": _dim(column)}
        )
    return content | {"required": True, "known_future": False}


def _dim(column: Column) -> int:
    return min(8, max(2, math.ceil(column.distinct / 2)))


def _calendar(extent: Extent) -> list[str]:
    """Calendar phases that change from row to row and complete at least two cycles in the data."""
    if extent.clock.kind == "index":
        return []
    span = extent.span[1] - extent.span[0] + extent.clock.nominal
    periods = {"day": DAY_NS, "week": 7 * DAY_NS, "year": YEAR_NS}
    return [
        name
        for key, length in periods.items()
        if 2 * extent.clock.nominal <= length <= span / 2
        for name in CALENDAR[key]
    ]


def _values(found: Found, season: int, options: Options) -> dict[str, Any]:
    horizon = _horizon(season, found.extent.longest)
    limit = _missing_limit(found.extent.absent)
    # Written only where they say more than their defaults.
    optional = {
        "data.time_zone": found.roles.zone,
        "data.ambiguous_hour": options.ambiguous_hour,
        "preprocess.holidays": list(found.clock.holidays),
        "preprocess.week_mask": found.clock.week_mask,
        "preprocess.season": found.clock.clock.index_season,
        # Series of very different size would share one scale, in which small ones vanish.
        "preprocess.scaler_scope": "auto" if len(found.panel.names) > 1 else None,
    }
    return {
        "data.sort": is_unsorted(found.roles),
        "data.duplicates": found.repeats.policy(options),
        "preprocess.feature_mode": "multivariate" if found.roles.covariates else "univariate",
        "preprocess.frequency": found.clock.clock.frequency,
        "preprocess.snap": "auto",
        "preprocess.max_missing": limit if options.max_missing is None else options.max_missing,
        "preprocess.min_rows": max(1, _rounded_down(found.extent.rows // 2)),
        "window.horizon": horizon,
        "evaluate.season": season,
        "evaluate.moving_average": horizon,
    } | {key: value for key, value in optional.items() if value}


def _horizon(season: int, longest: int) -> int:
    """A season, as far as the splits have the rows."""
    horizon = season if 4 <= season <= LONGEST_HORIZON else DEFAULT_HORIZON
    # The validation split loses one horizon to the embargo and one to the labels; two are left, so
    # that choices do not rest on one moment.
    return max(1, min(horizon, math.floor(0.15 * longest / 4)))


def _horizon_reason(values: Mapping[str, Any]) -> str:
    is_season = values["window.horizon"] == values["evaluate.season"]
    return "a season" if is_season else "change it to what you need"


def is_unsorted(roles: Roles) -> bool:
    """True if the timestamps of a series do not increase in the order of the file."""
    change = np.diff(roles.keys)
    if (change >= 0).all():
        return bool(((np.diff(roles.instants) < 0) & (change == 0)).any())
    steps = pd.Series(roles.instants).groupby(roles.keys).diff()
    return bool(steps.lt(0).any())


def _missing_limit(absent: float) -> float:
    """The default 0.3, or a step above the share in the file."""
    return 0.3 if absent <= 0.25 else min(1.0, round(math.floor(20 * absent + 2) / 20, 2))


def _rounded_down(count: int) -> int:
    size = 10 ** max(0, len(str(count)) - 2)
    return count // size * size
