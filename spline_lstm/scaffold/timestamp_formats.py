"""How timestamps are written: every form with which the pipeline reads a whole column."""

import datetime
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pydantic
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
    *("%d. %b %Y", "%d. %B %Y", "%d/%b/%Y", "%d-%B-%Y", "%Y-%b-%d"),
)
# Months by their names, without a day: the first one.
MONTHS = tuple(
    form
    for name in ("%b", "%B")
    for gap in (" ", "-", "/")
    # 24-Jan is a day of a month, as spreadsheets show it.
    for form in (f"{name}{gap}%Y", f"{name}{gap}%y", f"%Y{gap}{name}")
)
TIMES = ("", "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%H.%M", "%H.%M.%S")
FORMS = [
    *(
        f"{date}{gap}{time}"
        for date, time, gap in itertools.product(DATES, TIMES, (" ", "T", ", "))
        if time
    ),
    *DATES,
    *MONTHS,
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
INDEX = "index"
DAY_NS = 86_400 * 10**9
OFFSET = r"(?:[tT :].*?)([zZ]|[+-]\d{2}(?::?\d{2})?)\s*$"


class TimestampForm(NamedTuple):
    """A value of table_format.timestamp_format, and the timestamps that it reads.

    Attributes
    ----------
    form : str
    timestamps : [rows] int64
        ns since 1970 UTC (of texts without an offset, as if the wall clock were UTC), or the whole
        numbers of an index.
    offsets : the different offsets from UTC of the texts; () without any
    zone : time zone that the column itself declares
    """

    form: str
    timestamps: Int[np.ndarray, " rows"]
    offsets: tuple[str, ...] = ()
    zone: str | None = None

    @property
    def is_index(self) -> bool:
        """True for whole numbers instead of instants."""
        return self.form == INDEX


def timestamp_forms(column: pd.Series, forms: Sequence[str] | None = None) -> list[TimestampForm]:
    """Forms that read every cell, each with different timestamps.

    More than one form means that day and month are ambiguous, or that whole numbers may be unix
    time or an index.

    Parameters
    ----------
    column : pd.Series
        Text, "" where empty; or timestamps.
    forms : sequence of str or None
        Those to try; None: all that look plausible.

    >>> [found.form for found in timestamp_forms(pd.Series(["03/04/2021", "03/05/2021"]))]
    ['%d/%m/%Y', '%m/%d/%Y']
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return _typed_form(column)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _forms_of_categories(column, forms)
    if not isinstance(column.dtype, pd.StringDtype):
        if not pd.api.types.is_integer_dtype(column) or (forms is None and not _may_be(column)):
            return []
        column = column.astype("str")
    found: list[TimestampForm] = []
    for form in _plausible(column) if forms is None else forms:
        read = _index(column) if form == INDEX else _instants(column, form)
        if read is not None and not any(
            np.array_equal(read.timestamps, each.timestamps) for each in found
        ):
            found.append(read)
    return found


def form_fault(form: str) -> str | None:
    """Why a value of table_format.timestamp_format is none; None if it is one.

    >>> form_fault("%Y-%m-%d"), form_fault("%Y %Y")
    (None, 'not a strftime pattern (it has a directive twice)')
    """
    try:
        TableFormat(timestamp_format=form)
    except pydantic.ValidationError as error:
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    except re.error:
        return "not a strftime pattern (it has a directive twice)"
    return None


def _forms_of_categories(column: pd.Series, forms: Sequence[str] | None) -> list[TimestampForm]:
    """Forms of texts that are stored once each."""
    texts = pd.Series(column.cat.categories.astype("str"), name=column.name)
    if forms is None and not _plausible(texts):
        return []
    return timestamp_forms(column.astype("str").fillna(""), forms)


def _may_be(column: pd.Series) -> bool:
    """Whether whole numbers may be timestamps: by their name, or because they increase."""
    return bool(NAME_HINT.search(str(column.name)) or column.is_monotonic_increasing)


def _typed_form(column: pd.Series) -> list[TimestampForm]:
    cells = parse_timestamps(column, TableFormat())
    if any_fault([cells.faults]):
        return []
    zone = getattr(column.dtype, "tz", None)
    offsets = () if zone is None else ("Z",)
    name = None if zone is None or str(zone) == "UTC" else str(zone)
    return [TimestampForm("ISO8601", cells.values, offsets, name)]


def _instants(column: pd.Series, form: str) -> TimestampForm | None:
    cells = parse_timestamps(column.mask(column == ""), TableFormat(timestamp_format=form))
    if any_fault([cells.faults]):
        return None
    offsets: tuple[str, ...] = ()
    if form in EPOCH_UNITS:
        offsets = ("Z",)
    elif form == "ISO8601" or "%z" in form:
        found = column.str.extract(OFFSET, expand=False).dropna().str.upper().unique()
        offsets = tuple(sorted(map(str, found)))
    return TimestampForm(form, cells.values, offsets)


def _index(column: pd.Series) -> TimestampForm | None:
    if not column.str.fullmatch(r"[+-]?\d{1,18}").all():
        return None
    return TimestampForm(INDEX, column.astype("int64").to_numpy())


def misfits(column: pd.Series, form: str) -> Int[np.ndarray, " bad"]:
    """Positions of the cells that a form does not read; column as in `timestamp_forms`."""
    texts = column.astype("str")
    if form == INDEX:
        return np.flatnonzero(~texts.str.fullmatch(r"\s*[+-]?\d+\s*"))
    cells = parse_timestamps(texts.mask(texts == ""), TableFormat(timestamp_format=form))
    return np.flatnonzero(np.any(list(cells.faults.values()), axis=0))


def first_unread(column: pd.Series) -> tuple[int, str] | None:
    """Position and text of the first cell that is not a timestamp, if most cells are; else None."""
    if not isinstance(column.dtype, pd.StringDtype):
        return None
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
    return isinstance(column.dtype, pd.StringDtype) and all(
        bool(some.str.fullmatch(CLOCK).all()) for some in (column.head(SAMPLE), column)
    )


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
    is_named = bool(NAME_HINT.search(str(column.name)))
    if not (is_named or rises):
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
    if is_named and all(re.fullmatch(r"(19|20)\d{2}", text) for text in texts):
        forms.append("%Y")
    # Without a name that tells, whole numbers in this range may as well count the rows.
    return forms if is_named or not forms else [*forms, INDEX]


def _may_read(text: str, form: str) -> bool:
    try:
        datetime.datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _reads(texts: list[str], form: str) -> bool:
    column = pd.Series(texts, dtype="str")
    return not any_fault([parse_timestamps(column, TableFormat(timestamp_format=form)).faults])
