"""Probabilities of days of the test split (task direction), from data/predictions.parquet."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from spline_lstm.page.reading import parquet_columns, parquet_rows, version_of

# Columns that are not probabilities.
GIVEN = ("symbol", "day", "label", "forward_return")
# The probability that counts, as far as the file has it, is drawn and named first.
FIRST = ("ensemble", "model")


@dataclass(frozen=True, eq=False)
class DayView:
    """The probabilities of each symbol.

    Attributes
    ----------
    tables : symbol -> DataFrame
        One row per day: `day`, `label` (what came), `forward_return` and a column per forecast.
    forecasts : tuple of str
        Names of the columns with probabilities.
    """

    tables: Mapping[str, pd.DataFrame]
    forecasts: tuple[str, ...]

    def long(self, symbol: str, chosen: tuple[str, ...]) -> pd.DataFrame:
        """Some forecasts of a symbol for a chart: columns day, forecast and probability."""
        table = self.tables[symbol]
        return table.melt("day", [*chosen], var_name="forecast", value_name="probability")


def day_view(path: Path) -> DayView:
    """The rows of a file.

    Raises
    ------
    ArtifactError
        It is damaged.
    """
    return _read(path, version_of(path))


@lru_cache(maxsize=2)
def _read(path: Path, _version: tuple[int, int]) -> DayView:
    columns = parquet_columns(path)
    rows = parquet_rows(path, columns)
    days = pd.DatetimeIndex(rows["day"]).tz_localize(None)
    rows = rows.assign(day=days, symbol=rows["symbol"].astype(str)).sort_values("day")
    names = [name for name in columns if name not in GIVEN and rows[name].dtype.kind == "f"]
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    # What came, and why it was expected, before the probabilities.
    first = [name for name in columns if name not in names and name != "symbol"]
    tables = {
        str(symbol): part[[*first, *names]].reset_index(drop=True)
        for symbol, part in rows.groupby("symbol", sort=True)
    }
    return DayView(tables, tuple(names))
