"""The sections of a report on the data and on where the model comes from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from spline_lstm.core.formatting import listed, plain
from spline_lstm.evaluation.data_plots import course_figure, folds_figure, missing_figure
from spline_lstm.reporting.document import (
    Block,
    Bullets,
    Facts,
    Picture,
    Section,
    Table,
    Text,
)

# Tables of steps, series or columns have at most this many rows.
MAX_ROWS = 24
MODEL_FACTS = (
    "model_type",
    "hidden",
    "blocks",
    "width",
    "dropout",
    "normalization",
    "n_params",
)
DRIFT = {
    "mean_shift": "mean shift",
    "std_ratio": "standard deviation ratio",
    "psi": "PSI",
    "ks": "KS distance",
}


def splits_section(scores: Mapping[str, Any]) -> Section:
    """Windows and time span of the training, validation and test split."""
    rows = [values_of(row, ("split", "windows", "first", "last")) for row in scores["splits"]]
    note = (
        "In order of time; between two splits rows are left out, so that no label of one is an "
        "input of another."
    )
    header = ["split", "windows", "first forecast row", "last forecast row"]
    return Section("Splits", [Text(note), Table("Windows", header, rows)])


def repair_section(
    course: pd.DataFrame, missing: pd.DataFrame, backtest: Mapping[str, Any]
) -> Section:
    """What was done to the data: the repaired series, the missing cells, the folds of the backtest.

    Arguments are the attributes of `StageOutputs`.
    """
    names = [name for name in course["series"].dropna().unique() if name]
    of_series = f", of the series {listed(names)} with the most filled rows" if names else ""
    caption = (
        f"Each target over time{of_series}: raw observations, fills, replaced outliers, smoothed "
        "values and rows that were left missing, on the colours of the splits"
    )
    blocks: list[Block] = [
        Text(
            "Means of short intervals. Fills look both ways here; a model sees one only once it is "
            "known, and labels are always raw observations."
        ),
        Picture(caption, course_figure(course), "course"),
        Picture(
            "Share of the rows without a value, each column of the table over time",
            missing_figure(missing),
            "missing",
            is_drawn=True,
        ),
    ]
    folds = backtest.get("folds", [])
    if folds:
        caption = "Training, validation and test rows of each fold of the backtest over time"
        blocks.append(Picture(caption, folds_figure(folds), "folds"))
    return Section("What was done to the data", blocks)


def quality_section(quality: Mapping[str, Any]) -> Section:
    """What metrics/data.json says of the table, its columns and its series; drift has a section."""
    facts = {
        name: value
        for name, value in quality.items()
        # The note of the clock is in the section on what was forecast.
        if name != "clock_note" and not isinstance(value, Mapping | list)
    }
    blocks: list[Block] = [Facts(facts | {"unknown columns": quality.get("unknown_columns", [])})]
    blocks += _warnings(quality, drift=False)
    for key, title in (("columns", "Columns"), ("per_series", "Series")):
        records = quality.get(key, [])
        if records:
            blocks.append(_records_table(title, records))
    return Section("Data quality", blocks)


def _records_table(title: str, records: Sequence[Mapping[str, Any]]) -> Table:
    missing = list(records[0]).index("missing_share")
    rows = [list(row.values()) for row in records]
    name, shown = shortened(title, rows, lambda row: -row[missing])
    return Table(name, [plain(key) for key in records[0]], shown)


def drift_section(quality: Mapping[str, Any], limits: Mapping[str, Any]) -> Section:
    """How far each column of the later splits moved; `limits` are those of params.yaml."""
    rows = [
        [f"{column}, {split}", *values_of(statistics, DRIFT)]
        for split, columns in quality.get("drift", {}).items()
        for column, statistics in columns.items()
    ]
    if not rows:
        return Section("Drift", [])
    header = ["column, split", *DRIFT.values()]
    blocks = [
        Text("How far the values of the later splits have moved from those of the training split."),
        *_warnings(quality, drift=True),
        Table("Against the training split", header, [*rows, ["limit", *values_of(limits, DRIFT)]]),
    ]
    return Section("Drift", blocks)


def _warnings(quality: Mapping[str, Any], *, drift: bool) -> list[Block]:
    texts = [text for text in quality.get("warnings", []) if is_drift(text) == drift]
    return [Bullets([f"Warning: {text}" for text in texts])] if texts else []


def is_drift(warning: str) -> bool:
    """Whether a warning of metrics/data.json is about drift: then it names a statistic of drift."""
    return any(f": {statistic} " in warning for statistic in DRIFT)


def provenance_section(
    model: Mapping[str, Any],
    ingest: Mapping[str, Any],
    train: Mapping[str, Any],
    params: Mapping[str, Mapping[str, Any]],
    versions: Mapping[str, str],
) -> Section:
    """Data, model, params and packages; arguments as the attributes of `StageOutputs`."""
    facts = {
        "source": ingest["source"],
        "rows": ingest["rows"],
        "SHA-256 of the data": ingest["sha256"],
        "model run id": model["run_id"],
        "preprocessor run id": model["preprocessor_run_id"],
        **{plain(name): model[name] for name in MODEL_FACTS if name in model},
        "seed": train["seed"],
        "device": train["device"],
        "packages": [f"{name} {version}" for name, version in versions.items()],
    }
    rows = [[key, value] for key, value in flat(params)]
    return Section("Provenance", [Facts(facts), Table("Params", ["key", "value"], rows)])


def flat(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Dotted keys and values of nested mappings.

    >>> flat({"a": 1, "b": {"c": 2}})
    [('a', 1), ('b.c', 2)]
    """
    return [
        (f"{key}.{inner}" if inner else key, item)
        for key, value in content.items()
        for inner, item in (flat(value) if isinstance(value, Mapping) else [("", value)])
    ]


def values_of(row: Mapping[str, Any], keys: Sequence[str] | Mapping[str, Any]) -> list[Any]:
    """The values of some keys; None for a key that is absent."""
    return [row.get(key) for key in keys]


def shortened(
    title: str, rows: list[list[Any]], badness: Callable[[list[Any]], Any]
) -> tuple[str, list[list[Any]]]:
    """Title and rows of a table; if it has more than `MAX_ROWS`, those first by `badness`."""
    if len(rows) <= MAX_ROWS:
        return title, rows
    return f"{title}: the {MAX_ROWS} worst of {len(rows)}", sorted(rows, key=badness)[:MAX_ROWS]
