"""Daily bars of each symbol: prices adjusted, holes filled from the past, checked.

All prices of a day are multiplied by adjusted close / close, so that splits and dividends make no
jump. What is made of them uses ratios of prices only, never their levels: an adjusted price of the
past changes with every later dividend, ratios do not.

A row without a close is left out. A missing open, high or low is the close, a missing volume
that of the day before (0 on the first day): both are known on the day itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params_direction import ColumnsParams
from spline_lstm.core.time_zones import DAY_NS, local_times
from spline_lstm.tables.raw_table import RawTable

Days = Float[np.ndarray, " days"]
MAX_SHOWN = 8


@dataclass(frozen=True)
class Bars:
    """The trading days of one symbol.

    Attributes
    ----------
    symbol : str
    timestamps : [days] int64, instants, increasing
    dates : [days] datetime64[D], on the wall clock
    open, high, low, close : [days] float64, adjusted prices, above 0
    volume : [days] float64, at least 0
    """

    symbol: str
    timestamps: Int[np.ndarray, " days"]
    dates: np.ndarray
    open: Days
    high: Days
    low: Days
    close: Days
    volume: Days

    def __len__(self) -> int:
        return len(self.close)


def bars_of(table: RawTable, columns: ColumnsParams, zone: str | None = None) -> tuple[Bars, ...]:
    """The bars of each symbol of a checked table, in the order of its series.

    Parameters
    ----------
    table : RawTable
    columns : ColumnsParams
    zone : str, optional
        Time zone of the dates; None: UTC.
    """
    return tuple(_bars(table, columns, zone, *part) for part in _parts(table))


def _parts(table: RawTable) -> Iterator[tuple[str, slice]]:
    for name, (start, end) in zip(
        table.series_names, pairwise(table.series_offsets.tolist()), strict=True
    ):
        yield name, slice(start, end)


def _bars(
    table: RawTable, columns: ColumnsParams, zone: str | None, symbol: str, rows: slice
) -> Bars:
    def column(name: str) -> Days:
        return table.values[rows, table.columns.index(name)]

    close = column(columns.close)
    adjusted = close if columns.adjusted_close is None else column(columns.adjusted_close)
    traded = ~np.isnan(close) & ~np.isnan(adjusted)
    close, adjusted = close[traded], adjusted[traded]
    factor = adjusted / close
    open_, high, low = (
        np.where(np.isnan(values), close, values) * factor
        for values in (column(name)[traded] for name in (columns.open, columns.high, columns.low))
    )
    timestamps = table.timestamps[rows][traded]
    dates = (local_times(timestamps, zone) // DAY_NS).astype("datetime64[D]")
    volume = held(column(columns.volume)[traded])
    return Bars(symbol, timestamps, dates, open_, high, low, adjusted, volume)


def held(values: Days) -> Days:
    """Values with NaN replaced by the last one before, or 0.

    >>> held(np.array([np.nan, 3.0, np.nan])).tolist()
    [0.0, 3.0, 3.0]
    """
    known = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return np.where(last < 0, 0.0, values[np.maximum(last, 0)])


def missing_cells(table: RawTable, columns: ColumnsParams) -> dict[str, int]:
    """Missing cells of each column of the bars that has some."""
    counts = {
        name: int(np.isnan(table.values[:, table.columns.index(name)]).sum())
        for name in columns.names
    }
    return {name: count for name, count in counts.items() if count}


def check_bars(table: RawTable, columns: ColumnsParams, where: str) -> None:
    """Check that prices and volumes are possible.

    Raises
    ------
    DataContractError
        A column is missing, a price is not above 0, the low of a day is above its high, its open or
        close outside of both, or a volume is negative; the first rows of each kind.
    """
    absent = [name for name in columns.names if name not in table.columns]
    if absent:
        raise DataContractError(
            f"{where}: no column {', '.join(absent)} among {', '.join(table.columns)}; name the "
            "columns of the bars in direction.columns and in the schema"
        )
    values = {
        role: table.values[:, table.columns.index(name)] for role, name in columns.roles.items()
    }
    faults = [(rule, rows) for rule, rows in _faults(values).items() if rows.any()]
    if faults:
        found = ", ".join(_fault_text(table, rule, rows) for rule, rows in faults)
        raise DataContractError(f"{where}: {found}; correct the rows or leave them out")


def _faults(values: dict[str, Days]) -> dict[str, Bool[np.ndarray, " rows"]]:
    """Rule that is broken -> its rows; comparisons with a missing value are kept."""
    prices = [values[name] for name in values if name != "volume"]
    high, low = values["high"], values["low"]
    inside = [(price < low) | (price > high) for price in (values["open"], values["close"])]
    return {
        "a price must be above 0": np.logical_or.reduce([price <= 0 for price in prices]),
        "the low must not be above the high": low > high,
        "open and close must lie between low and high": np.logical_or.reduce(inside)
        & ~(low > high),
        "a volume must not be negative": values["volume"] < 0,
    }


def _fault_text(table: RawTable, rule: str, rows: Bool[np.ndarray, " rows"]) -> str:
    found = np.flatnonzero(rows)
    series = table.series[found[:MAX_SHOWN]]
    dates = table.timestamps[found[:MAX_SHOWN]].view("datetime64[ns]").astype("datetime64[D]")
    shown = ", ".join(
        f"{table.series_names[number]} {date}".strip()
        for number, date in zip(series.tolist(), dates.astype(str).tolist(), strict=True)
    )
    more = f" and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
    return f"{rule}, but is not so on {shown}{more}"
