"""Which column is what: timestamps, series key, targets, covariates.

What the file leaves open is an error that names the candidates and the option to give.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.errors import UsageError, shorten
from spline_lstm.core.time_zones import WallClockProblem, find_repeated_hour
from spline_lstm.scaffold.column_types import Column
from spline_lstm.scaffold.instants import instants_of, wall_clock_error
from spline_lstm.scaffold.layouts import FEWEST_SERIES, Wide, wide_layout
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.series_keys import FEW, blocks, repeated, series_candidates
from spline_lstm.scaffold.table import Table
from spline_lstm.scaffold.timestamp_columns import (
    Timestamps,
    find_timestamps,
    list_names,
)
from spline_lstm.tables.timestamp_columns import numbered_within

MAX_CATEGORIES = 50
CONSTANT = "never changes"
COUNTS = "counts the rows"
ROW_NUMBER_NAMES = ("", "index", "id", "no", "nr", "row", "rownum", "record")
# Cells, in quotes, of digits and a mark: one that may be of decimals, and several of thousands.
ONE_MARK = re.compile(r"'[+-]?\d+([.,])\d+'")
MANY_MARKS = re.compile(r"'[+-]?\d{1,3}([.,])\d{3}(?:\1\d{3})+'")
PLAIN = "write plain numbers without units and signs of currency"


@dataclass(frozen=True)
class Roles:
    """The role of each column.

    Attributes
    ----------
    timestamps : the columns of the timestamps, and how they are written
    zone : time zone of the dates, as far as it is known
    instants : [rows] ns since 1970 UTC, or whole numbers of an index
    series : column of the series key, or None
    keys : [rows] index of the series
    names : names of the series
    wide : the columns that are series, or None
    targets : columns to forecast
    covariates : columns that change over time
    statics : columns that are the same in all rows of a series
    left_out : column -> why it is not used
    """

    timestamps: Timestamps
    zone: str | None
    instants: Int[np.ndarray, " rows"]
    series: str | None
    keys: Int[np.ndarray, " rows"]
    names: tuple[str, ...]
    wide: Wide | None = None
    targets: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    statics: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """The targets of all series: one row per series and timestamp, as the stages see them.

    Attributes
    ----------
    instants : [rows] ns since 1970 UTC, or whole numbers of an index
    keys : [rows] index of the series
    names : names of the series
    targets : name -> [rows] values, NaN where missing
    """

    instants: Int[np.ndarray, " rows"]
    keys: Int[np.ndarray, " rows"]
    names: tuple[str, ...]
    targets: Mapping[str, Float[np.ndarray, " rows"]]

    def observed(self, name: str) -> Bool[np.ndarray, " rows"]:
        """Rows with a value of a target."""
        return ~np.isnan(self.targets[name])


def choose_roles(
    table: Table, columns: Mapping[str, Column], options: Options, where: str
) -> Roles:
    """Give each column its role.

    Raises
    ------
    UsageError
        More than one column fits a role, or none; the message names them and the option to give.
    """
    for name in (options.series, *options.targets):
        if name is not None and name not in columns:
            raise UsageError(f"{where} has no column {name!r}; its columns: {list_names(columns)}")
    timestamps = find_timestamps(columns, options, where, table.place_of)
    left_out = dict.fromkeys(timestamps.others, "also contains timestamps")
    left_out |= {name: why for name, column in columns.items() if (why := _useless(column))}
    used = (*timestamps.columns, options.series, *options.targets)
    free = [name for name in columns if name not in left_out and name not in used]
    if options.layout == "wide":
        return _wide_roles(table, columns, timestamps, options, where)
    series, keys, names = _series(table, columns, timestamps, free, options, where)
    instants, zone = instants_of(timestamps, keys, table, options, where)
    free = [name for name in free if name != series]
    counters = [name for name in free if counts_rows(columns[name])]
    if options.targets or any(columns[name].is_number for name in set(free) - set(counters)):
        left_out |= dict.fromkeys(counters, COUNTS)
        free = [name for name in free if name not in counters]
    constant = [name for name, why in left_out.items() if why == CONSTANT and name not in used]
    targets = options.targets or (
        _target(columns, free, constant, where, may_be_wide=series is None and not options.layout),
    )
    for name in targets:
        _check_target(columns[name], where)
    free = [name for name in free if name not in targets]
    statics = [name for name in free if series and _is_static(columns[name].codes, keys)]
    covariates = [name for name in free if name not in statics]
    left_out |= {
        name: f"{columns[name].distinct} different texts"
        for name in (*covariates, *statics)
        if columns[name].kind == "text" and columns[name].distinct > MAX_CATEGORIES
    }
    return Roles(
        timestamps,
        zone,
        instants if timestamps.columns else numbered_within(keys),
        series,
        keys,
        names,
        None,
        tuple(targets),
        tuple(name for name in covariates if name not in left_out),
        tuple(name for name in statics if name not in left_out and columns[name].kind == "text"),
        {name: why for name, why in left_out.items() if name not in used and name != series}
        | {
            name: "the same number in all rows of a series"
            for name in statics
            if columns[name].kind != "text"
        },
    )


def panel_of(roles: Roles, columns: Mapping[str, Column]) -> Panel:
    """The targets as one row per series and timestamp, a wide table one column after the other."""
    if roles.wide is None:
        targets = {name: _numbers(columns[name]) for name in roles.targets}
        return Panel(roles.instants, roles.keys, roles.names, targets)
    names = roles.wide.columns
    values = np.concatenate([_numbers(columns[name]) for name in names])
    keys = np.repeat(np.arange(len(names)), len(roles.instants))
    kept = ~np.isnan(values)
    instants = np.tile(roles.instants, len(names))
    return Panel(instants[kept], keys[kept], names, {roles.wide.value: values[kept]})


def _numbers(column: Column) -> np.ndarray:
    """Numbers of a target; of texts such as true and false, a value for each cell."""
    if column.kind == "boolean" and np.isnan(column.numbers).all():
        return np.where(column.cells == "", np.nan, 0.0)
    return column.numbers


def _useless(column: Column) -> str | None:
    if column.kind == "empty":
        return "has no values"
    if column.distinct == 1:
        return CONSTANT
    name = column.name.lower()
    is_named = name in ROW_NUMBER_NAMES or name.startswith("unnamed")
    return COUNTS if is_named and counts_rows(column) else None


def counts_rows(column: Column) -> bool:
    """True for whole numbers that increase by one from row to row."""
    return column.kind == "int" and bool(np.all(np.diff(column.numbers) == 1))


def _wide_roles(
    table: Table,
    columns: Mapping[str, Column],
    timestamps: Timestamps,
    options: Options,
    where: str,
) -> Roles:
    if options.series is not None:
        raise UsageError(
            f"--series {options.series} names a column of keys, but with --layout wide each column "
            "is a series; leave one of them out"
        )
    wide, left_out = wide_layout(columns, timestamps, options, where)
    single = np.zeros(len(table.cells), dtype=np.int64)
    instants, zone = instants_of(timestamps, single, table, options, where)
    return Roles(
        timestamps,
        zone,
        instants,
        wide.series,
        single,
        wide.columns,
        wide,
        (wide.value,),
        left_out=left_out,
    )


def _series(
    table: Table,
    columns: Mapping[str, Column],
    timestamps: Timestamps,
    free: Sequence[str],
    options: Options,
    where: str,
) -> tuple[str | None, np.ndarray, tuple[str, ...]]:
    """Column of the key, series of each row, and names of the series."""
    if options.series is not None:
        return _keyed(columns[options.series], where)
    instants = timestamps.found.timestamps
    one = (None, np.zeros(len(instants), dtype=np.int64), ("",))
    again = repeated(instants)
    keyed = {
        name: columns[name]
        for name in free
        if columns[name].kind in ("text", "int", "boolean")
        and not columns[name].missing
        and name not in options.targets
    }
    if not again:
        _check_blocks(blocks(instants, keyed), where)
        return one
    single, pairs = series_candidates(instants, keyed)
    if len(single) == 1:
        return _keyed(columns[single[0]], where)
    if single:
        raise UsageError(
            f"{where}: {list_names(single)} could identify the series; choose one with --series"
        )
    if again <= FEW * len(instants) or options.duplicates or options.time_zone:
        return one
    hour = _repeated_hour(timestamps, options)
    if hour is not None:
        raise wall_clock_error(hour, table, where)
    if pairs:
        first, second = pairs[0]
        raise UsageError(
            f"{where}: {first!r} and {second!r} together identify a series; write both into one "
            "column and give it as --series"
        )
    raise UsageError(
        f"{where}: {again} of {len(instants)} rows repeat a timestamp, and no column identifies "
        "the series; name the key with --series, remove the rows, or say what becomes of them with "
        "--duplicates"
    )


def _check_blocks(names: Sequence[str], where: str) -> None:
    """Ask about series that have no timestamp in common."""
    if names:
        ways = " or ".join(f"--series {shlex.quote(name)}" for name in names)
        raise UsageError(
            f"{where}: within each {names[0]!r} the timestamps increase, over the file they do "
            f"not, so its rows may be series one below the other; give {ways}, or sort the rows by "
            "time if they are one series"
        )


def _repeated_hour(timestamps: Timestamps, options: Options) -> WallClockProblem | None:
    found = timestamps.found
    if options.time_zone or found.offsets or found.is_index:
        return None
    return find_repeated_hour(found.timestamps)


def _keyed(column: Column, where: str) -> tuple[str, np.ndarray, tuple[str, ...]]:
    if (column.cells == "").any() or column.cells.isna().any():
        raise UsageError(f"{where}: rows without a series key in {column.name!r}; fill them in")
    return column.name, column.codes, column.values


def _target(
    columns: Mapping[str, Column],
    free: Sequence[str],
    constant: Sequence[str],
    where: str,
    *,
    may_be_wide: bool,
) -> str:
    candidates = [name for name in free if columns[name].is_number]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        first, second = map(shlex.quote, candidates[:2])
        ways = f"--target {first} (one column; the others are covariates)"
        if may_be_wide and len(candidates) >= FEWEST_SERIES:
            ways += f", --target {first} --target {second} ... (several of one series) or --layout "
            ways += "wide (each column is a series)"
        raise UsageError(
            f"{where}: {list_names(candidates)} contain numbers; choose what to forecast: {ways}"
        )
    constants = [name for name in constant if columns[name].is_number]
    if constants:
        raise UsageError(
            f"{where}: the numbers in {list_names(constants)} are constant, so there is nothing to "
            "forecast; give a file with a column whose numbers change"
        )
    texts = {name: text for name in free if (text := _with_digits(columns[name])) is not None}
    if texts:
        name, text = next(iter(texts.items()))
        raise UsageError(
            f"{where}: no column contains numbers to forecast: {name!r} contains {text}, which is "
            f"not read as a number; {_marks_advice(text) or PLAIN}"
        )
    raise UsageError(
        f"{where}: no column contains numbers to forecast (columns: {list_names(columns)}); name "
        "one with --target"
    )


def _with_digits(column: Column) -> str | None:
    """The first text with a digit, such as 12% or $5; None without any."""
    if column.kind != "text" or not isinstance(column.cells.dtype, pd.StringDtype):
        return None
    has_digits = column.cells.str.contains(r"\d", regex=True).to_numpy(dtype=bool, na_value=False)
    if not has_digits.any():
        return None
    return shorten(column.cells.iloc[int(np.argmax(has_digits))])


def _marks_advice(text: str) -> str:
    """What to do about a cell that is a number but for its marks; "" for another one.

    >>> _marks_advice("'100,134'")
    'give --thousands , if it separates thousands, or --decimal , if it is the decimal mark'
    >>> [_marks_advice(text) for text in ("'1.234.567'", "'01.02.2024'")]
    ['give --thousands . if it separates thousands', '']
    """
    if found := MANY_MARKS.fullmatch(text):
        return f"give --thousands {found[1]} if it separates thousands"
    if (found := ONE_MARK.fullmatch(text)) is None:
        return ""
    mark = found[1]
    return (
        f"give --thousands {mark} if it separates thousands, or --decimal {mark} if it is the "
        "decimal mark"
    )


def _check_target(column: Column, where: str) -> None:
    if column.kind in ("text", "empty") or (
        column.kind == "boolean" and np.isnan(column.numbers).all()
    ):
        text = _with_digits(column)
        such = "" if text is None else f", such as {text}"
        advice = _marks_advice(text or "") or "name another --target"
        raise UsageError(
            f"{where}: the target {column.name!r} contains {column.kind}{such}, not numbers; "
            f"{advice}"
        )
    if column.distinct < 2:
        raise UsageError(
            f"{where}: the target {column.name!r} never changes; there is nothing to forecast"
        )


def _is_static(codes: np.ndarray, keys: np.ndarray) -> bool:
    """True if all rows of each series have one value."""
    first = np.zeros(keys.max() + 1, dtype=np.int64)
    first[keys[::-1]] = codes[::-1]
    return bool((codes == first[keys]).all())
