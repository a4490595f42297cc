"""The quality of the data: metrics/data.json, metrics/ingest.json and plots/missing.csv."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page.reading import csv_if_made, json_if_made, numbers_of

MISSING = ("timestamp", "column", "missing", "rows")
# Keys of metrics/data.json that have a place of their own.
SHOWN = ("violations", "warnings", "columns", "per_series", "drift")
STATISTICS = ("mean_shift", "std_ratio", "psi", "ks")


@dataclass(frozen=True, eq=False)
class QualityView:
    """What is shown of the data.

    Attributes
    ----------
    source : what metrics/ingest.json says of the raw table
    facts : single values of metrics/data.json
    violations : broken rules of the table, the reason why no later stage has run
    warnings : list of str
    columns, per_series : DataFrame
        Missing values, gaps and outliers of each.
    drift : DataFrame
        Columns split, column, statistic, value, limit and beyond (True or False).
    missing : DataFrame
        Share of missing values over time: time, column, missing.
    details : name -> DataFrame
        Tables of metrics/data.json that only some tasks write, such as the days of each symbol.
    """

    source: Mapping[str, Any]
    facts: Mapping[str, Any]
    violations: pd.DataFrame
    warnings: list[str]
    columns: pd.DataFrame
    per_series: pd.DataFrame
    drift: pd.DataFrame
    missing: pd.DataFrame
    details: Mapping[str, pd.DataFrame]


def quality_view(pipeline: Pipeline, limits: Mapping[str, float]) -> QualityView | None:
    """The quality report of a pipeline; None if neither ingest nor preprocess has run.

    Parameters
    ----------
    pipeline : Pipeline
    limits : statistic of drift -> its limit in params.yaml

    Raises
    ------
    ArtifactError
        A file is damaged.
    """
    ingest = json_if_made(pipeline.metrics("ingest"))
    quality = json_if_made(pipeline.metrics("data"))
    if not ingest and not quality:
        return None
    violations = [*ingest.get("violations", []), *quality.get("violations", [])]
    missing = csv_if_made(pipeline.plots / "missing.csv", MISSING, ["column"])
    return QualityView(
        source={key: value for key, value in ingest.items() if key != "violations"},
        facts=numbers_of(quality),
        violations=pd.DataFrame([_violation(each) for each in violations]),
        warnings=[_text(warning) for warning in quality.get("warnings", [])],
        columns=pd.DataFrame(quality.get("columns", [])),
        per_series=pd.DataFrame(quality.get("per_series", [])),
        drift=drift_frame(quality.get("drift", {}), limits),
        missing=_missing(missing),
        details={
            name: frame
            for name, value in quality.items()
            if name not in SHOWN and (frame := details_frame(value)) is not None
        },
    )


def details_frame(value: Any) -> pd.DataFrame | None:
    """Records, also by their names, as a table; None for anything else.

    >>> details_frame({"AAPL": {"days": 3270}}).to_dict("records")
    [{'name': 'AAPL', 'days': 3270}]
    """
    if isinstance(value, Mapping):
        rows = list(value.values())
        names = [{"name": name} for name in value]
    else:
        rows = list(value) if isinstance(value, list) else []
        names = [{} for _ in rows]
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        return None
    return pd.DataFrame([name | dict(row) for name, row in zip(names, rows, strict=True)])


def drift_frame(drift: Mapping[str, Any], limits: Mapping[str, float]) -> pd.DataFrame:
    """One row per split, column and statistic, and whether it is beyond its limit."""
    rows = [
        {
            "split": split,
            "column": column,
            "statistic": name,
            "value": values[name],
            "limit": limits[name],
            "beyond": is_beyond(name, values[name], limits[name]),
        }
        for split, columns in drift.items()
        for column, values in columns.items()
        for name in STATISTICS
        if values.get(name) is not None
    ]
    names = ["split", "column", "statistic", "value", "limit", "beyond"]
    return pd.DataFrame(rows, columns=names)


def is_beyond(statistic: str, value: float, limit: float) -> bool:
    """Whether a statistic of drift is beyond its limit; a shift or ratio may be so either way."""
    if statistic == "std_ratio":
        return not 1 / limit <= value <= limit
    return abs(value) > limit


def _text(warning: Any) -> str:
    """A warning; those of tables of rows have more keys than their text."""
    return str(warning.get("text", warning) if isinstance(warning, Mapping) else warning)


def _violation(content: Any) -> dict[str, Any]:
    """A broken rule as a row; the line of a message, if that is all that is known."""
    if not isinstance(content, Mapping):
        return {"what": str(content)}
    rows = ", ".join(map(str, content.get("rows", [])))
    return {
        "what": content.get("text", ""),
        "column": content.get("column", ""),
        "lines of the file": rows,
        "count": content.get("count"),
    }


def _missing(table: pd.DataFrame) -> pd.DataFrame:
    """Wall times, or whole numbers of an index."""
    column = table["timestamp"]
    is_number = pd.api.types.is_numeric_dtype(column)
    time = column if is_number else pd.to_datetime(column, errors="coerce")
    return pd.DataFrame({"time": time, "column": table["column"], "missing": table["missing"]})
