"""How timestamps are written: every form with which the pipeline reads a whole column."""

import datetime
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.schema import TableFormat
from spline_lstm.tables.parsing import EPOCH_UNITS, any_fault, parse_timestamps

ISO = re.compile(
    r"\d{4}-\d{2}(-\d{2}([T ]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)?)?)?\s*(Z|z|[+-]\d{2}(:?\d{2})?)?"
)
DATES = (
    *(
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%d.%m.%Y",
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%Y.%m.%d",
    ),
    *("%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d.%m.%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y"),
)
TIMES = ("", "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%H.%M", "%H.%M.%S")
FORMS = [
    *(
        f"{date}{gap}{time}"
        for date, time, gap in itertools.product(DATES, TIMES, (" ", "T", ", "))
        if time
    ),
    *DATES,
]
COMPACT = (
    "%Y%m%d",
    "%Y%m%d%H",
    "%Y%m%d%H%M",
    "%Y%m%d%H%M%S",
    "%Y%m%d %H:%M",
    "%Y%m%d %H:%M:%S",
    "%Y%m%dT%H%M%S",
)
CLOCK = re.compile(r"\d{1,2}[:.]\d{2}([:.]\d{2})?( ?[AaPp][Mm])?")
NAME_HINT = re.compile(
    r"time|date|timestamp|epoch|unix|^ts$|^dt$|^t$|^ds$|datum|zeit|year|day", re.IGNORECASE
)
# 1980 to 2100: numbers of other columns are seldom in this range.
EPOCH_RANGE = (315_532_800, 4_102_444_800)
SAMPLE = 500


class TimestampForm(NamedTuple):
    """A value of table_format.timestamp_format, and the timestamps it reads, ns since 1970 UTC."""

    form: str
    timestamps: Int[np.ndarray, " rows"]


def timestamp_forms(column: pd.Series, forms: Sequence[str] | None = None) -> list[TimestampForm]:
    """Forms that read every cell, each with different timestamps.

    More than one form means that day and month are ambiguous.

    Parameters
    ----------
    column : pd.Series
        Text, "" where empty.
    forms : sequence of str or None
        Those to try; None: all that look plausible.

    >>> [found.form for found in timestamp_forms(pd.Series(["03/04/2021", "03/05/2021"]))]
    ['%d/%m/%Y', '%m/%d/%Y']
    """
    found: list[TimestampForm] = []
    for form in _plausible(column) if forms is None else forms:
        cells = parse_timestamps(column.mask(column == ""), TableFormat(timestamp_format=form))
        if not any_fault([cells]) and not any(
            np.array_equal(cells.values, each.timestamps) for each in found
        ):
            found.append(TimestampForm(form, cells.values))
    return found


def first_unread(column: pd.Series) -> tuple[int, str] | None:
    """Position and text of the first cell that is not a timestamp, if most cells are; else None."""
    filled = column[column != ""]
    for form in _plausible(filled.head(1)) if len(filled) else ():
        cells = parse_timestamps(column.mask(column == ""), TableFormat(timestamp_format=form))
        bad = np.any(list(cells.faults.values()), axis=0)
        if 0 < bad.mean() <= 0.5:
            position = int(np.argmax(bad))
            return position, str(column.iloc[position])
    return None


def is_clock(column: pd.Series) -> bool:
    """True if every cell is a time of day without a date."""
    return bool(column.str.fullmatch(CLOCK).all())


def _plausible(column: pd.Series) -> list[str]:
    """Forms that read a sample of the column, likely ones first."""
    texts = [text for text in column.unique()[:SAMPLE] if text]
    if not texts:
        return []
    if all(ISO.fullmatch(text) for text in texts):
        return ["ISO8601"]
    if all(re.fullmatch(r"\d+(\.\d+)?", text) for text in texts):
        return _numeric_forms(column, texts)
    if not any(character.isdigit() for character in texts[0]):
        return []
    # One text rules out nearly all forms, and the standard library is ten times as fast at that.
    forms = [form for form in (*FORMS, *COMPACT) if _may_read(texts[0], form)]
    return [form for form in forms if _reads(texts, form)]


def _numeric_forms(column: pd.Series, texts: list[str]) -> list[str]:
    """Unix time or digits such as 20240131, if name or order say that these are timestamps."""
    numbers = np.array([float(text) for text in texts])
    rises = (
        len(column) > 2
        and bool(np.all(np.diff(pd.to_numeric(column, errors="coerce")) >= 0))
        and len(texts) > 2
    )
    if not (NAME_HINT.search(str(column.name)) or rises):
        return []
    low, high = EPOCH_RANGE
    forms = [
        name
        for name, unit in EPOCH_UNITS.items()
        if np.all((numbers * unit / 10**9 >= low) & (numbers * unit / 10**9 <= high))
    ]
    lengths = {len(text) for text in texts}
    digits = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
    if len(lengths) == 1 and "19" <= texts[0][:2] <= "20" and (form := digits.get(lengths.pop())):
        forms += [form] if _reads(texts, form) else []
    if NAME_HINT.search(str(column.name)) and all(
        re.fullmatch(r"(19|20)\d{2}", text) for text in texts
    ):
        forms.append("%Y")
    return forms


def _may_read(text: str, form: str) -> bool:
    try:
        datetime.datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _reads(texts: list[str], form: str) -> bool:
    return not any_fault(
        [parse_timestamps(pd.Series(texts, dtype="str"), TableFormat(timestamp_format=form))]
    )
