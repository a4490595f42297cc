"""The data contract, cell by cell: pandera checks the frame against the faults that parsing found.

Loaded only if a cell breaks a rule: pandera takes a second to import, and most tables are valid.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pandera.pandas as pa
from jaxtyping import Bool, Int
from pandera.errors import SchemaErrors

from spline_lstm.core.errors import shorten
from spline_lstm.core.table_format import TableFormat
from spline_lstm.tables.contract import MAX_ROWS, RULES, Violation
from spline_lstm.tables.number_marks import fitting_marks
from spline_lstm.tables.parsing import Faults, cell_texts

# Cells by which a decimal mark is told.
TOLD_BY = 5000
# Share of the timestamps up to which those that cannot be read are mistakes of single cells.
RARE = 0.25
WHOLE_NUMBER = re.compile(r"[+-]?\d+")
ANY_FORM = TableFormat().timestamp_format
WHOLE_ADVICE = "; for whole numbers that count declare index, for seconds since 1970 unix_s"


def check_cells(
    frame: pd.DataFrame,
    faults: Mapping[str, Faults],
    lines: Int[np.ndarray, " rows"],
    forms: Mapping[str, str],
    table_format: TableFormat,
) -> list[Violation]:
    """Violations of single cells.

    Parameters
    ----------
    frame : the table as read
    faults : column -> rule -> [rows] bool
    lines : [rows] line of the file of each row
    forms : column of a timestamp -> what its cells must be; any column without the others
    table_format : the declared format
    """
    units = _unit_row(frame, faults, forms, table_format)
    if units is not None:
        faults = {name: _below_first(rules) for name, rules in faults.items()}
    faults = {name: _one_reason(frame[name], rules) for name, rules in faults.items()}
    found = [
        violation
        for name, rule in _broken(frame, faults)
        for violation in _violations(
            frame[name], rule, faults[name][rule], lines, forms.get(name, ""), table_format
        )
    ]
    if units is None:
        return found
    text = (
        f"the cells {units} look like units or a second header, not data; set "
        "table_format.unit_row: true in the schema, or remove the row"
    )
    return [Violation("unit_row", "", (int(lines[0]),), 1, text), *found]


def _broken(frame: pd.DataFrame, faults: Mapping[str, Faults]) -> list[tuple[str, str]]:
    """Column and rule of the checks that fail."""
    columns = {
        name: pa.Column(checks=[_check(rule, mask) for rule, mask in rules.items()], nullable=True)
        for name, rules in faults.items()
    }
    try:
        pa.DataFrameSchema(columns).validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases[["column", "check"]].drop_duplicates()
        return [(str(column), str(rule)) for column, rule in cases.itertuples(index=False)]
    return []


def _check(rule: str, mask: np.ndarray) -> pa.Check:
    return pa.Check(
        lambda column: pd.Series(~mask, index=column.index),
        name=rule,
        error=rule,
        n_failure_cases=1,
        ignore_na=False,
    )


def _unit_row(
    frame: pd.DataFrame,
    faults: Mapping[str, Faults],
    forms: Mapping[str, str],
    table_format: TableFormat,
) -> str | None:
    """Cells of the first row, if it has words where the rows below have timestamps and numbers."""
    if len(frame) < 2 or not any(mask[0] for rules in faults.values() for mask in rules.values()):
        return None
    head = {name: cell_texts(frame[name].iloc[:2], table_format).tolist() for name in faults}
    numbers = [name for name, rules in faults.items() if "number" in rules]
    words = [head[name][0] for name in numbers if not pd.isna(head[name][0])]
    if not words or any(fitting_marks([word], table_format) for word in words):
        return None
    if not all(faults[name]["number"][0] or pd.isna(head[name][0]) for name in numbers):
        return None
    times = [head[name] for name in forms if name in head]
    if any(_has_digit(first) or not _has_digit(second) for first, second in times):
        return None
    if not times and not any(_has_digit(head[name][1]) for name in numbers):
        return None
    shown = [first for first, _ in times if not pd.isna(first)] + words
    return ", ".join(shorten(word, 40) for word in shown[:5])


def _has_digit(cell: object) -> bool:
    return isinstance(cell, str) and any(character.isdigit() for character in cell)


def _one_reason(column: pd.Series, rules: Faults) -> Faults:
    """The rules, with whole numbers that are not timestamps named only once.

    0, 10 and 4990 are one mistake: they are an index.
    """
    unread, outside = rules.get("timestamp"), rules.get("timestamp_range")
    if unread is None or outside is None or not (unread.any() and outside.any()):
        return rules
    whole = column.astype("str").str.strip().str.fullmatch(WHOLE_NUMBER.pattern)
    if not whole.to_numpy(dtype=bool)[unread | outside].all():
        return rules
    return rules | {"timestamp": unread | outside, "timestamp_range": np.zeros_like(outside)}


def _below_first(rules: Faults) -> Faults:
    below = {rule: mask.copy() for rule, mask in rules.items()}
    for mask in below.values():
        mask[0] = False
    return below


def _violations(
    column: pd.Series,
    rule: str,
    mask: Bool[np.ndarray, " rows"],
    lines: Int[np.ndarray, " rows"],
    form: str,
    table_format: TableFormat,
) -> Iterator[Violation]:
    """The violation of a rule; numbers that other marks read are one of their own."""
    if rule == "number":
        settings, readable = _other_marks(column, mask, table_format)
        if readable.any():
            yield _violation(column, "marks", readable, lines, settings)
            mask = mask & ~readable
    if mask.any():
        yield _violation(column, rule, mask, lines, form)


def _other_marks(
    column: pd.Series, mask: Bool[np.ndarray, " rows"], table_format: TableFormat
) -> tuple[str, Bool[np.ndarray, " rows"]]:
    """Settings that read the faulty cells with a digit, and which cells these are."""
    texts = cell_texts(column, table_format)
    shown = [text for text in texts[mask].iloc[:TOLD_BY].tolist() if _has_digit(text)]
    others = texts[~mask].dropna().iloc[:TOLD_BY].tolist()
    marks = fitting_marks([*shown, *others], table_format) if shown else []
    if not marks:
        return "", np.zeros(len(mask), dtype=bool)
    readable = mask & texts.str.contains(r"\d", regex=True, na=False).to_numpy(dtype=bool)
    each = [item.settings(table_format) for item in marks]
    if len(each) > 1:
        # The cells can be read in several ways: only the user knows which one is meant.
        each = [
            f"{settings} (then it is {item.value(shown[0]):.12g})"
            for item, settings in zip(marks, each, strict=True)
        ]
    return " or ".join(each), readable


def _violation(
    column: pd.Series, rule: str, mask: np.ndarray, lines: np.ndarray, form: str
) -> Violation:
    rows = np.flatnonzero(mask)
    cell = str(column.iloc[rows[0]])
    # Who declared a form needs other words.
    is_declared = rule == "timestamp" and form != ANY_FORM
    # One bad cell among many good ones is a mistake of the cell, not of the form.
    is_rare = rule == "timestamp" and not is_declared and len(rows) <= RARE * len(column)
    words = RULES["declared" if is_declared else "timestamp_once" if is_rare else rule]
    text = words.format(column=column.name, cell=shorten(cell), form=form)
    if rule == "timestamp" and not is_rare and WHOLE_NUMBER.fullmatch(cell.strip()):
        text += WHOLE_ADVICE
    # A row of a wide table is a row of each series.
    numbers = np.unique(lines[rows])
    return Violation(rule, str(column.name), tuple(numbers[:MAX_ROWS].tolist()), len(numbers), text)
