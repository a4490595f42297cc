"""Which column is what: timestamps, series key, targets, covariates.

What the file leaves open is an error that names the candidates and the option to give.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.errors import UsageError, shorten
from spline_lstm.scaffold.column_types import Column
from spline_lstm.scaffold.read_text import TextTable
from spline_lstm.scaffold.series_keys import FEW, repeated, series_candidates
from spline_lstm.scaffold.timestamp_formats import (
    TimestampForm,
    first_unread,
    is_clock,
    timestamp_forms,
)

MAX_CATEGORIES = 50
MAX_LISTED = 12
CONSTANT = "never changes"
ROW_NUMBER_NAMES = ("", "index", "id", "no", "nr", "row", "rownum", "record")


@dataclass(frozen=True)
class Options:
    """What the user said; None and () leave it to the file.

    Attributes
    ----------
    timestamp, series : names of columns
    targets : names of columns
    frequency : a fixed duration, as in pandas
    timestamp_format : ISO8601, a strftime pattern, unix_s or unix_ms
    separator, decimal : one character each
    missing : texts that mean "missing"
    """

    timestamp: str | None = None
    targets: tuple[str, ...] = ()
    series: str | None = None
    frequency: str | None = None
    timestamp_format: str | None = None
    separator: str | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roles:
    """The role of each column.

    Attributes
    ----------
    timestamp, form : column of the timestamps, and how they are written
    timestamps : [rows] int64 ns
    series : column of the series key, or None
    keys : [rows] index of the series
    targets : columns to forecast
    covariates : columns that change over time
    statics : columns that are the same in all rows of a series
    left_out : column -> why it is not used
    """

    timestamp: str
    form: str
    timestamps: Int[np.ndarray, " rows"]
    series: str | None
    keys: Int[np.ndarray, " rows"]
    targets: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    statics: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def choose_roles(
    table: TextTable, columns: Mapping[str, Column], options: Options, where: str
) -> Roles:
    """Give each column its role.

    Raises
    ------
    UsageError
        More than one column fits a role, or none; the message names them and the option to give.
    """
    for name in (options.timestamp, options.series, *options.targets):
        if name is not None and name not in columns:
            raise UsageError(f"{where} has no column {name!r}; its columns: {_list(columns)}")
    timestamp, form, others = _timestamp_column(table, options, where)
    left_out = dict.fromkeys(others, "also contains timestamps")
    left_out |= {name: why for name, column in columns.items() if (why := _useless(column))}
    used = (timestamp, options.series, *options.targets)
    free = [name for name in columns if name not in left_out and name not in used]
    series, keys = _series(table, columns, form.timestamps, free, options, where)
    free = [name for name in free if name != series]
    constant = [name for name, why in left_out.items() if why == CONSTANT and name not in used]
    targets = options.targets or (_target(columns, free, constant, where),)
    for name in targets:
        _check_target(columns[name], where)
    free = [name for name in free if name not in targets]
    statics = [name for name in free if series and _is_static(table.cells[name], keys)]
    covariates = [name for name in free if name not in statics]
    for name in [*covariates, *statics]:
        if columns[name].kind == "text" and columns[name].distinct > MAX_CATEGORIES:
            left_out[name] = f"{columns[name].distinct} different texts"
    return Roles(
        timestamp,
        form.form,
        form.timestamps,
        series,
        keys,
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


def _list(names: Iterable[str]) -> str:
    listed = [shorten(name) for name in names]
    more = [f"{len(listed) - MAX_LISTED} more"] if len(listed) > MAX_LISTED else []
    return ", ".join(listed[:MAX_LISTED] + more)


def _useless(column: Column) -> str | None:
    if column.kind == "empty":
        return "has no values"
    if column.distinct == 1:
        return CONSTANT
    name = column.name.lower()
    if (name in ROW_NUMBER_NAMES or name.startswith("unnamed")) and column.kind == "int":
        return "counts the rows" if np.all(np.diff(column.numbers) == 1) else None
    return None


def _timestamp_column(
    table: TextTable, options: Options, where: str
) -> tuple[str, TimestampForm, list[str]]:
    """Column, form, and the other columns with timestamps."""
    found = {
        str(name): forms for name in table.cells if (forms := timestamp_forms(table.cells[name]))
    }
    if options.timestamp is None and len(found) != 1:
        raise UsageError(_no_single_timestamp_column(table, found, where))
    name = options.timestamp or next(iter(found))
    if name.startswith("Unnamed:"):
        raise UsageError(
            f"{where}: the column of the timestamps has no name; name it in line 1, such as "
            "timestamp"
        )
    others = [each for each in found if each != name]
    if options.timestamp_format:
        return name, _declared_form(table.cells[name], options.timestamp_format, where), others
    forms = found.get(name, [])
    if len(forms) == 1:
        _check_clock(table, name, forms[0], where)
        return name, forms[0], others
    if forms:
        raise UsageError(
            f"{where}: the timestamps in {name!r}, such as {table.cells[name].iloc[0]!r}, read as "
            f"{' or as '.join(each.form for each in forms)}; choose one with --timestamp-format"
        )
    raise UsageError(f"{where}: {_unread(table.cells[name], name)}")


def _no_single_timestamp_column(
    table: TextTable, found: Mapping[str, list[TimestampForm]], where: str
) -> str:
    if found:
        return f"{where}: {_list(found)} contain timestamps; choose one with --timestamp"
    broken = next((str(name) for name in table.cells if first_unread(table.cells[name])), None)
    if broken is not None:
        return f"{where}: {_unread(table.cells[broken], broken)}"
    return (
        f"{where}: no column contains timestamps of a known form (columns: "
        f"{_list(map(str, table.cells))}); give them with --timestamp and --timestamp-format"
    )


def _unread(column: pd.Series, name: str) -> str:
    bad = first_unread(column)
    if bad is None:
        return (
            f"column {name!r} contains {column.iloc[0]!r}, not a timestamp of a known form; give "
            "the form with --timestamp-format"
        )
    row, text = bad
    what = f"{text!r}, which is not a timestamp like the others" if text else "no timestamp"
    return f"column {name!r} has in data row {row + 1} {what}; fix or remove the row"


def _declared_form(column: pd.Series, form: str, where: str) -> TimestampForm:
    found = timestamp_forms(column, (form,))
    if not found:
        name = str(column.name)
        raise UsageError(
            f"{where}: not every timestamp in {name!r} has the form {form}; change "
            "--timestamp-format"
        )
    return found[0]


def _check_clock(table: TextTable, name: str, form: TimestampForm, where: str) -> None:
    """A date beside a time of day: the reader takes one column of timestamps."""
    clocks = [str(other) for other in table.cells if is_clock(table.cells[other])]
    if clocks and repeated(form.timestamps) and np.all(form.timestamps % (86_400 * 10**9) == 0):
        raise UsageError(
            f"{where}: the date is in {name!r} and the time of day in {clocks[0]!r}; write both "
            "into one column"
        )


def _series(
    table: TextTable,
    columns: Mapping[str, Column],
    timestamps: np.ndarray,
    free: Sequence[str],
    options: Options,
    where: str,
) -> tuple[str | None, np.ndarray]:
    if options.series is not None:
        if (table.cells[options.series] == "").any():
            raise UsageError(
                f"{where}: rows without a series key in {options.series!r}; fill them in"
            )
        return options.series, pd.factorize(table.cells[options.series], sort=True)[0]
    none = np.zeros(len(timestamps), dtype=np.int64)
    again = repeated(timestamps)
    if not again:
        return None, none
    keyed = [
        name
        for name in free
        if columns[name].kind in ("text", "int", "boolean") and not columns[name].missing
    ]
    single, pairs = series_candidates(
        timestamps, {name: table.cells[name] for name in keyed if name not in options.targets}
    )
    if len(single) == 1:
        return single[0], pd.factorize(table.cells[single[0]], sort=True)[0]
    if single:
        raise UsageError(
            f"{where}: {_list(single)} could identify the series; choose one with --series"
        )
    if again <= FEW * len(timestamps):
        return None, none
    if pairs:
        one, two = pairs[0]
        raise UsageError(
            f"{where}: {one!r} and {two!r} together identify a series; write both into one column "
            "and give it as --series"
        )
    raise UsageError(
        f"{where}: {again} of {len(timestamps)} rows repeat a timestamp, and no column identifies "
        "the series; name the key with --series or remove the rows"
    )


def _target(
    columns: Mapping[str, Column], free: Sequence[str], constant: Sequence[str], where: str
) -> str:
    candidates = [name for name in free if columns[name].is_number]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise UsageError(
            f"{where}: {_list(candidates)} contain numbers; choose what to forecast with --target"
        )
    constants = [name for name in constant if columns[name].is_number]
    if constants:
        raise UsageError(
            f"{where}: the numbers in {_list(constants)} are constant, so there is nothing to "
            "forecast; give a file with a column whose numbers change"
        )
    raise UsageError(
        f"{where}: no column contains numbers to forecast (columns: {_list(columns)}); name one "
        "with --target"
    )


def _check_target(column: Column, where: str) -> None:
    if column.kind in ("text", "empty") or (
        column.kind == "boolean" and np.isnan(column.numbers).all()
    ):
        raise UsageError(
            f"{where}: the target {column.name!r} contains {column.kind}, not numbers; name "
            "another --target"
        )
    if column.distinct < 2:
        raise UsageError(
            f"{where}: the target {column.name!r} never changes; there is nothing to forecast"
        )


def _is_static(column: pd.Series, keys: np.ndarray) -> bool:
    return int(column.groupby(keys).nunique().max()) == 1
