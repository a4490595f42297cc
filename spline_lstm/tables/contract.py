"""The data contract: what is wrong with a raw table, all of it, with row numbers.

Every broken rule of a column becomes one line. Row numbers are lines of the file. Single cells are
checked in `spline_lstm.tables.cell_checks`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from spline_lstm.core.errors import DataContractError, MissingCovariateError, shorten
from spline_lstm.core.schema import Schema

MAX_VIOLATIONS = 20
MAX_ROWS = 20
ROWS_IN_LINE = 5
# Numbers are kept as float32 after scaling, and squared before it.
LARGEST_VALUE = 1e30
# Share of the rows after a step back whose timestamps were there before it, from which on they are
# taken for those of another series.
SAME_AGAIN = 0.5
SERIES_ADVICE = (
    "The same timestamps come again, as those of another series do: name the column that tells the "
    "series apart as series_col in the schema"
)
SEPARATOR_ADVICE = "fix the schema or table_format.separator"
SKIP_ADVICE = "row {} has it: set table_format.skip_lines of the schema to {}"

# Rule -> what is wrong and what to do; `{column}`, `{cell}` and `{form}` are filled in.
RULES = {
    "timestamp_missing": "the timestamp is missing; each row needs a timestamp",
    "zone": "timestamps with and without a time zone are mixed; write all of them in one form",
    "timestamp": "timestamp {cell} does not have the form {form}; declare the form in "
    "table_format.timestamp_format of the schema",
    "timestamp_once": "timestamp {cell} does not have the form {form}, which most others have; fix "
    "the cell or remove the row",
    "declared": "timestamp {cell} does not have the form {form}, which "
    "table_format.timestamp_format of the schema declares; fix the cell, or the declaration",
    "timestamp_range": "timestamp {cell} is out of range; timestamps must be between the years "
    "1678 and 2261",
    "epoch": "the timestamp is not a number of the declared unix time; fix it",
    "series": "the series key {column!r} is missing; add it",
    "index": "the timestamp {cell} is not a whole number; table_format.timestamp_format index "
    "counts with whole numbers, fix it",
    "part": "column {column!r} contains {cell}, which is not {form}; fix the cell, or declare "
    "table_format.timestamp_format, a pattern for the columns of the timestamp together",
    "month_end": "column {column!r} contains {cell}, a day that its month does not have; fix it",
    "number": "column {column!r} contains {cell}, which is not a number; "
    "fix the cell, or declare the text in table_format.missing_markers of the schema",
    "marks": "column {column!r} contains {cell}, which is not a number; set {form}",
    "finite": "column {column!r} is infinite; values must be finite or missing",
    "whole": "column {column!r} contains {cell}, which is not a whole number; fix the cell or "
    "declare the dtype float",
    "boolean": "column {column!r} contains {cell}, which is not a boolean (0, 1, true, false); fix "
    "the cell, or declare the dtype, or the text in table_format.missing_markers of the schema",
    "static": "static covariate {column!r} is {cell}, unlike earlier in its series; it must not "
    "change within a series. If it tells series apart, name it as series_col in the schema",
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


def needed_columns(schema: Schema) -> list[str]:
    """Columns without which a table of the schema cannot be read: timestamps, series, targets."""
    if schema.wide is not None:
        return [*schema.timestamp_cols, *schema.wide.columns]
    series = [schema.series_col] if schema.series_col else []
    return [*schema.timestamp_cols, *schema.target_cols, *series]


def check_header(
    names: Sequence[str],
    schema: Schema,
    where: str,
    advice: str = SEPARATOR_ADVICE,
) -> None:
    """Check that all columns that the schema needs are there, and none appears twice.

    A column that is missing is reported with the `advice`.

    Raises
    ------
    MissingCovariateError
        A required covariate is missing.
    DataContractError
        Another column is missing or appears twice.
    """
    present = shorten(", ".join(names), 400).strip("'")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    found = [
        Violation("twice", name, (1,), 1, f"column {name!r} appears twice; remove or rename one")
        for name in twice
    ]
    needed, there = needed_columns(schema), {*names}
    found += [
        Violation(
            "absent",
            name,
            (),
            1,
            f"column {name!r} of the schema is not in the table (columns: {present}); {advice}",
        )
        for name in needed
        if name not in there
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
    text_of: Callable[[int], str],
    *,
    has_series: bool,
) -> list[Violation]:
    """Check that timestamps do not decrease within a series.

    Parameters
    ----------
    timestamps, keys : [rows] int64, timestamp and series of each row, rows of a series together
    lines_of : lines of the file of some rows
    text_of : a timestamp as text
    has_series : the schema names the column of the series
    """
    # Compared, not subtracted: three centuries in nanoseconds do not fit an int64.
    backwards = np.flatnonzero((np.diff(keys) == 0) & (timestamps[1:] < timestamps[:-1])) + 1
    if not len(backwards):
        return []
    at = backwards[0]
    # Timestamps that begin anew are those of another series; to sort them would mix the two.
    sorts = has_series or np.isin(timestamps[at:], timestamps[:at]).mean() < SAME_AGAIN
    text = (
        f"timestamp {text_of(int(timestamps[at]))} is earlier than "
        f"{text_of(int(timestamps[at - 1]))} before it; timestamps must increase within a series. "
        + ("Sort the file or set data.sort: true" if sorts else SERIES_ADVICE)
    )
    lines = tuple(lines_of(backwards[:MAX_ROWS]).tolist())
    return [Violation("order", "", lines, len(backwards), text)]
