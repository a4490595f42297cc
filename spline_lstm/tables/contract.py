"""The data contract: what is wrong with a raw table, all of it, with row numbers.

Every broken rule of a column becomes one line. Row numbers are lines of the file. Single cells are
checked in `spline_lstm.tables.cell_checks`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.errors import DataContractError, MissingCovariateError, shorten
from spline_lstm.core.schema import Schema

MAX_VIOLATIONS = 20
MAX_ROWS = 20
ROWS_IN_LINE = 5

# Rule -> what is wrong and what to do; `{column}`, `{cell}` and `{form}` are filled in.
RULES = {
    "timestamp_missing": "the timestamp is missing; each row needs a timestamp",
    "zone": "timestamps with and without a time zone are mixed; write all of them in one form",
    "timestamp": "timestamp {cell} does not have the form {form}; declare the form in "
    "table_format.timestamp_format of the schema",
    "timestamp_range": "timestamp {cell} is out of range; timestamps must be between the years "
    "1678 and 2261",
    "epoch": "the timestamp is not a number of the declared unix time; fix it",
    "series": "the series key {column!r} is missing; add it",
    "number": "column {column!r} contains {cell}, which is not a number; "
    "fix the cell, or declare the text in table_format.missing_markers of the schema",
    "finite": "column {column!r} is infinite; values must be finite or missing",
    "whole": "column {column!r} contains {cell}, which is not a whole number; fix the cell or "
    "declare the dtype float",
    "boolean": "column {column!r} contains {cell}, which is not a boolean (0, 1, true, false); fix "
    "the cell, or declare the dtype, or the text in table_format.missing_markers of the schema",
    "static": "static covariate {column!r} is {cell}, unlike earlier in its series; it must not "
    "change within a series",
}


@dataclass(frozen=True)
class Violation:
    """One broken rule.

    Attributes
    ----------
    rule : name of the rule
    column : name of the column, or "" for the table
    rows : first lines of the file that break it
    count : number of all such lines
    text : what is wrong, and what to do
    """

    rule: str
    column: str
    rows: tuple[int, ...]
    count: int
    text: str

    def line(self, where: str) -> str:
        """The whole message: file, row, rule, and what to do."""
        row = f"{where} row {self.rows[0]}" if self.rows else where
        others = ", ".join(map(str, self.rows[1:ROWS_IN_LINE]))
        more = ", ..." if self.count > ROWS_IN_LINE else ""
        return f"{row}: {self.text}" + (
            f" ({self.count} rows: also {others}{more})" if others else ""
        )

    def to_json(self) -> dict[str, Any]:
        """Content for metrics/data.json."""
        return {
            "rule": self.rule,
            "column": self.column,
            "rows": list(self.rows),
            "count": self.count,
            "text": self.text,
        }


def raise_violations(
    violations: Sequence[Violation], where: str, quality: Mapping[str, Any]
) -> None:
    """Raise DataContractError if there are violations; at most `MAX_VIOLATIONS` are listed."""
    if not violations:
        return
    listed = violations[:MAX_VIOLATIONS]
    report = {
        "violation_count": len(violations),
        "violations": [item.to_json() for item in listed],
        **quality,
    }
    raise DataContractError(*(item.line(where) for item in listed), quality=report)


def check_header(names: Sequence[str], schema: Schema, where: str) -> None:
    """Check that all columns that the schema needs are there, and none appears twice.

    Raises
    ------
    MissingCovariateError
        A required covariate is missing.
    DataContractError
        Another column is missing or appears twice.
    """
    present = shorten(", ".join(names), 400).strip("'")
    twice = sorted({name for name in names if names.count(name) > 1})
    found = [
        Violation("twice", name, (1,), 1, f"column {name!r} appears twice; remove or rename one")
        for name in twice
    ]
    needed = [
        schema.timestamp_col,
        *schema.target_cols,
        *([schema.series_col] if schema.series_col else []),
    ]
    found += [
        Violation(
            "absent",
            name,
            (),
            1,
            f"column {name!r} of the schema is not in the table (columns: {present}); "
            "fix the schema or table_format.separator",
        )
        for name in needed
        if name not in names
    ]
    raise_violations(found, where, {})
    covariates = [*schema.dynamic_covariates, *schema.static_covariates]
    missing = [item.name for item in covariates if item.required and item.name not in names]
    if missing:
        raise MissingCovariateError(
            f"{where}: required covariate {', '.join(map(repr, missing))} is not in the table "
            f"(columns: {present}); add the column or set required to false in the schema"
        )


def check_order(
    timestamps: Int[np.ndarray, " rows"],
    keys: Int[np.ndarray, " rows"],
    lines_of: Callable[[Int[np.ndarray, " some"]], Int[np.ndarray, " some"]],
    *,
    duplicates_allowed: bool,
) -> list[Violation]:
    """Check that timestamps increase within a series, and none repeats unless that is allowed.

    Parameters
    ----------
    timestamps, keys : [rows] ns and series of each row, rows of a series together
    lines_of : lines of the file of some rows
    """
    same_series = np.diff(keys) == 0
    # Compared, not subtracted: three centuries in nanoseconds do not fit an int64.
    backwards = np.flatnonzero(same_series & (timestamps[1:] < timestamps[:-1])) + 1
    twice = np.flatnonzero(same_series & (timestamps[1:] == timestamps[:-1])) + 1
    found = []
    if len(backwards):
        at = backwards[0]
        text = (
            f"timestamp {_text(int(timestamps[at]))} is earlier than "
            f"{_text(int(timestamps[at - 1]))} before it; timestamps must increase within a "
            "series. Sort the file or set data.sort: true"
        )
        found.append(
            Violation(
                "order", "", tuple(lines_of(backwards[:MAX_ROWS]).tolist()), len(backwards), text
            )
        )
    if len(twice) and not duplicates_allowed:
        text = (
            f"timestamp {_text(int(timestamps[twice[0]]))} appears twice in its series; "
            "remove a row or set data.duplicates to first, last or mean"
        )
        found.append(
            Violation("twice", "", tuple(lines_of(twice[:MAX_ROWS]).tolist()), len(twice), text)
        )
    return found


def _text(timestamp: int) -> str:
    return re.sub(r"(:\d\d)\.?0*$", r"\1", str(pd.Timestamp(int(timestamp))))
