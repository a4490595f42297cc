"""Which column, or columns together, contain the timestamps of an unknown table.

A date beside an hour is one timestamp, not a series per hour: an hour column partitions the
timestamps, each of which has one hour, while a series key repeats them.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spline_lstm.core.errors import UsageError, shorten
from spline_lstm.core.formatting import plural
from spline_lstm.scaffold.column_types import Column
from spline_lstm.scaffold.composed_timestamps import (
    Composition,
    compositions,
    forms_of_parts,
    is_year,
    join,
)
from spline_lstm.scaffold.options import NO_TIMESTAMP, Options
from spline_lstm.scaffold.timestamp_doubts import (
    check_day_order,
    check_form,
    check_month_days,
    check_month_numbers,
    check_parts,
    end_of_day,
    month_text,
    period_text,
)
from spline_lstm.scaffold.timestamp_formats import (
    INDEX,
    TimestampForm,
    first_unread,
    misfits,
    timestamp_forms,
)

MAX_LISTED = 12
SEVERAL = (
    "; if this is several columns, write the file with commas, semicolons, tabs, bars or blanks "
    "between them"
)
# Names of columns that count the rows or the periods.
COUNTER = re.compile(
    r"|index|idx|id|no|nr|n|t|k|i|ds|row|rownum|record|step|time|time_?idx|period|unnamed.*",
    re.IGNORECASE,
)
FEWEST_COUNTED = 10
# Spreadsheets count days from 1899-12-30 on: 1954 to 2119.
DAY_NUMBERS = (20_000, 80_000)
MONTHLY = re.compile(r"month|monat|mois|mes|date|datum|time|zeit|day|tag", re.IGNORECASE)
DATED = re.compile(r"date|datum|day|tag|time|zeit|fecha", re.IGNORECASE)


@dataclass(frozen=True)
class Timestamps:
    """The timestamps of a table.

    Attributes
    ----------
    columns : one name, several of a composed timestamp, or none: rows are counted
    found : form and values; of counted rows these are the numbers of the rows in the file
    others : other columns that contain timestamps
    """

    columns: tuple[str, ...]
    found: TimestampForm
    others: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The columns in messages and as the value of --timestamp."""
        return "+".join(self.columns) or NO_TIMESTAMP


def find_timestamps(
    columns: Mapping[str, Column], options: Options, where: str, place_of: Callable[[int], str]
) -> Timestamps:
    """The column or columns of the timestamps, and how they are written.

    `place_of` names a row in messages, as `Table.place_of`.

    Raises
    ------
    UsageError
        More than one column fits, or none; the message names the candidates and the option to give.
    """
    if options.timestamp == NO_TIMESTAMP:
        return Timestamps((), _row_numbers(columns))
    if options.timestamp is not None:
        names = _named(options.timestamp, columns, where)
        check_parts(names, columns, options, where)
        return Timestamps(names, _form_of(names, columns, options, where, place_of))
    found = {
        name: forms for name, column in columns.items() if (forms := timestamp_forms(column.cells))
    }
    composed = compositions(columns, found)
    if len(composed) == 1 and composed[0].is_sure:
        names = composed[0].columns
        rest = tuple(name for name in found if name not in names)
        return Timestamps(names, _form_of(names, columns, options, where, place_of), rest)
    if composed:
        raise UsageError(f"{where}: {_choice_of_compositions(composed)}")
    if all(is_year(forms) for forms in found.values()):
        check_parts((), columns, options, where)
    if not found:
        found = {name: [counter] for name in columns if (counter := _counter(columns[name]))}
        _check_day_numbers(found, options, where)
    if len(found) != 1:
        raise UsageError(_no_single_column(columns, found, where, place_of))
    name = next(iter(found))
    return Timestamps((name,), _form_of((name,), columns, options, where, place_of))


def _check_day_numbers(
    found: Mapping[str, list[TimestampForm]], options: Options, where: str
) -> None:
    """Ask about whole numbers that may be the days of a spreadsheet."""
    for name, (form, *_) in found.items():
        numbers = form.timestamps
        low, high = DAY_NUMBERS
        is_dated = DATED.search(name) and low <= numbers.min() and numbers.max() <= high
        if is_dated and options.timestamp_format is None:
            day = pd.Timestamp("1899-12-30") + pd.Timedelta(days=int(numbers[0]))
            raise UsageError(
                f"{where}: {name!r} counts from {numbers[0]}, which may be an index or the days of "
                f"a spreadsheet ({day.date()}); give --timestamp-format index, or write dates into "
                "the file"
            )


def list_names(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    listed = [shorten(name) for name in names]
    more = [f"{len(listed) - MAX_LISTED} more"] if len(listed) > MAX_LISTED else []
    return ", ".join(listed[:MAX_LISTED] + more)


def _row_numbers(columns: Mapping[str, Column]) -> TimestampForm:
    rows = len(next(iter(columns.values())).cells)
    return TimestampForm(INDEX, np.arange(rows, dtype=np.int64))


def _named(text: str, columns: Mapping[str, Column], where: str) -> tuple[str, ...]:
    names = (text,) if text in columns else tuple(text.split("+"))
    for name in names:
        if name not in columns:
            raise UsageError(f"{where} has no column {name!r}; its columns: {list_names(columns)}")
    return names


def _form_of(
    names: Sequence[str],
    columns: Mapping[str, Column],
    options: Options,
    where: str,
    place_of: Callable[[int], str],
) -> TimestampForm:
    """The one form that reads the columns together."""
    if names[0].startswith("Unnamed:"):
        raise UsageError(
            f"{where}: the column of the timestamps has no name; name it in the header, such as "
            "timestamp"
        )
    cells = join([columns[name].cells for name in names])
    label = "+".join(names)
    if options.timestamp_format:
        check_form(options.timestamp_format)
        if pd.api.types.is_datetime64_any_dtype(cells) and options.timestamp_format != "ISO8601":
            raise UsageError(
                f"{where}: {label!r} has timestamps, not text of the form "
                f"{options.timestamp_format}; leave out --timestamp-format"
            )
        forms = timestamp_forms(cells, (options.timestamp_format,))
        if not forms:
            raise UsageError(
                f"{where}: {_misfit(cells, label, options.timestamp_format, place_of)}"
            )
        return forms[0]
    if len(names) > 1:
        forms = timestamp_forms(cells, forms_of_parts([columns[name] for name in names]))
    else:
        forms = timestamp_forms(cells)
        if not forms and (counter := _index_of(columns[names[0]])) is not None:
            check_month_numbers(columns[names[0]], where)
            forms = [counter]
    if len(forms) == 1:
        check_day_order(forms[0], cells, where, place_of)
        check_month_days(forms[0], cells, where)
        return forms[0]
    if forms:
        raise UsageError(
            f"{where}: the timestamps in {label!r}, such as {str(cells.iloc[0])!r}, read as "
            f"{' or as '.join(_example(form) for form in forms)}; choose one with "
            "--timestamp-format"
        )
    raise UsageError(f"{where}: {_unread(cells, label, place_of)}")


def _misfit(cells: pd.Series, label: str, form: str, place_of: Callable[[int], str]) -> str:
    """The first cell that a form does not read, where it is, and how many there are."""
    rows = misfits(cells, form)
    if not len(rows):
        return f"the timestamps in {label!r} are not of the form {form}; change --timestamp-format"
    text = str(cells.iloc[rows[0]])
    more = f", and {plural(len(rows) - 1, 'more row')} like it" if len(rows) > 1 else ""
    advice = (
        "change --timestamp-format"
        if len(rows) == len(cells)
        else "change --timestamp-format, or fix or remove the rows"
    )
    return (
        f"not every timestamp in {label!r} has the form {form}: {place_of(int(rows[0]))} has "
        f"{text!r}{more}; {advice}"
    )


def _example(form: TimestampForm) -> str:
    if form.is_index:
        return f"{form.form} (counted from {form.timestamps[0]})"
    return f"{form.form} ({str(pd.Timestamp(int(form.timestamps[0])))[:16]})"


def _index_of(column: Column) -> TimestampForm | None:
    whole = column.whole
    return None if whole is None else TimestampForm(INDEX, whole)


def _counter(column: Column) -> TimestampForm | None:
    """Whole numbers that count rows or periods: by their name, or by equal steps."""
    numbers = column.whole
    if numbers is None or column.kind == "boolean" or len(numbers) < FEWEST_COUNTED:
        return None
    steps = np.diff(numbers)
    values, counts = np.unique(steps[steps != 0], return_counts=True)
    if not len(values):
        return None
    mode = int(values[np.argmax(counts)])
    is_counted = mode > 0 and np.mean(steps == mode) >= 0.9
    # Series of a panel, one below the other or row by row, repeat the numbers.
    is_rising = mode > 0 and counts.max() >= 0.5 * counts.sum()
    if is_counted or (is_rising and COUNTER.fullmatch(column.name)):
        return TimestampForm(INDEX, numbers)
    return None


def _choice_of_compositions(composed: Sequence[Composition]) -> str:
    """Each way to read the columns, with the option that chooses it."""
    ways = [f"--timestamp {shlex.quote('+'.join(each.columns))}" for each in composed]
    if len(composed) > 1:
        return f"the timestamps may be composed in several ways; give {' or '.join(ways)}"
    date, part = composed[0].columns
    low, high = composed[0].numbers
    keyed = (
        f"--timestamp {shlex.quote(date)} --series {shlex.quote(part)} (one series for each "
        f"{part!r})"
    )
    if (low, high) == (0, 23):
        return (
            f"{date!r} has dates and {part!r} has the numbers 0 to 23, which may be hours or names "
            f"of series; give {ways[0]} (one timestamp) or {keyed}"
        )
    return (
        f"{date!r} has dates and {part!r} has the numbers {low} to {high}, which may be parts of a "
        f"day or names of series; write dates with their time of day into the file, or give {keyed}"
    )


def _no_single_column(
    columns: Mapping[str, Column],
    found: Mapping[str, list[TimestampForm]],
    where: str,
    place_of: Callable[[int], str],
) -> str:
    if found:
        return f"{where}: {list_names(found)} contain timestamps; choose one with --timestamp"
    for column in columns.values():
        check_month_numbers(column, where)
        period = period_text(column.cells, column.name)
        if period is not None:
            return f"{where}: {period}"
    for name, column in columns.items():
        month = month_text(column.cells, name) if MONTHLY.search(name) else None
        if month is not None:
            return f"{where}: {month}"
    broken = next((name for name in columns if first_unread(columns[name].cells)), None)
    if broken is not None:
        return f"{where}: {_unread(columns[broken].cells, broken, place_of)}"
    alone = "" if len(columns) > 1 else SEVERAL
    return (
        f"{where}: no column contains timestamps of a known form (columns: {list_names(columns)}); "
        "give them with --timestamp and --timestamp-format, or --timestamp none if the rows are in "
        "order and equally far apart, or --task tabular if each row is a case of its own"
        f"{alone}"
    )


def _unread(column: pd.Series, name: str, place_of: Callable[[int], str]) -> str:
    known = (
        end_of_day(column, name, place_of) or period_text(column, name) or month_text(column, name)
    )
    if known is not None:
        return known
    bad = first_unread(column)
    if bad is None:
        return (
            f"column {name!r} contains {str(column.iloc[0])!r}, not a timestamp of a known form; "
            "give the form with --timestamp-format"
        )
    row, text = bad
    what = f"{text!r}, which is not a timestamp like the others" if text else "no timestamp"
    return f"column {name!r} has in {place_of(row)} {what}; fix or remove the row"
