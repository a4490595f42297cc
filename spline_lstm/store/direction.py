"""The scorer of task direction: one probability per symbol and day, by the members there are."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import TooLittleDataError, UsageError
from spline_lstm.core.formatting import listed
from spline_lstm.inference.direction import DirectionForecast, DirectionModel
from spline_lstm.market.preprocess import apply_bars, usable_bars
from spline_lstm.market.windows import DirectionWindows, windows_of_days
from spline_lstm.store.dates import end_of
from spline_lstm.store.explanation import Explanation
from spline_lstm.store.predictions import Scored, dates_of
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from spline_lstm.trees.reasons import reasons_text
from spline_lstm.windows.windows import Batch


@dataclass(frozen=True)
class DirectionScorer:
    """A loaded ensemble with a raw table of daily bars.

    Attributes
    ----------
    model : DirectionModel
    table : RawTable
    where : str
        Name of the table in messages.
    """

    model: DirectionModel
    table: RawTable
    where: str

    @property
    def model_id(self) -> str:
        """Run id of the ensemble."""
        return self.model.run_id

    @property
    def clock(self) -> Clock:
        """Of the preprocessor, with the dates of the table."""
        return self.model.preprocessor.clock.extended(self.table.timestamps)

    @property
    def instants(self) -> Int[np.ndarray, " rows"]:
        """Instant of each row of the table."""
        return self.table.timestamps

    @property
    def unseen_from(self) -> int:
        """Start of the test split."""
        return int(self.model.preprocessor.split_instants[1])

    @cached_property
    def windows(self) -> DirectionWindows:
        """A window for every day of every symbol with complete features.

        Features look back only, so those of a day are what they were on that day.
        """
        preprocessor, params = self.model.preprocessor, self.model.params
        return windows_of_days(apply_bars(self.table, preprocessor, params), preprocessor, params)

    @cached_property
    def batch(self) -> Batch:
        """All those windows."""
        return self.windows.gather_origins(self.windows.origins)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Name of each symbol by its index in `batch`."""
        bars = usable_bars(self.table, self.model.preprocessor, self.model.params)
        return tuple(each.symbol for each in bars)

    def score(self, end: int, absent: str) -> Scored:
        """The probability of each symbol at its last day before `end`.

        A symbol without a window by then is left out and named, as long as there are others.
        """
        rows, forecast, notes = self.last_days(end)
        return Scored(self._rows(rows, forecast), forecast.members, notes)

    def last_days(
        self, end: int
    ) -> tuple[Int[np.ndarray, " symbols"], DirectionForecast, tuple[str, ...]]:
        """Of each symbol the row of `batch` of its last day before `end`, its forecast, and notes.

        Raises
        ------
        TooLittleDataError
            No symbol has enough days.
        """
        rows = self._last_days(end)
        scored = {self.symbols[index] for index in self.batch.series[rows].tolist()}
        missing = [name for name in self.table.series_names if name not in scored]
        until = self._last_date(end)
        if not len(rows):
            raise TooLittleDataError(
                f"{self.where}: no symbol has enough days until {until}; give a later date"
            )
        left_out = [f"{listed(missing)}: too few days until {until}, so no score"]
        forecast = self.model.predict(self.batch.X[rows])
        return rows, forecast, (*self.model.notes, *(left_out if missing else ()))

    def errors(self, start: int) -> pd.DataFrame:
        """Squared distances of all probabilities to their labels, of days from `start` on."""
        labels = self.windows.labels(self.batch)[:, 0, 0]
        rows = np.flatnonzero((self.batch.origin_time >= start) & ~np.isnan(labels))
        probability = self.model.predict(self.batch.X[rows]).probability
        table = pd.DataFrame(
            {
                **self._keys(rows),
                "squared": (probability - labels[rows]) ** 2,
                "count": np.ones(len(rows)),
                "scale": np.ones(len(rows)),
            }
        )
        return table.set_index(["ts", "symbol", "target"])

    def explain(self, symbol: str, end: int) -> Explanation:
        """Why a symbol has its probability at its last day before `end`.

        Raises
        ------
        UsageError
            There is no such symbol.
        TooLittleDataError
            It has no window before `end`.
        """
        if symbol not in self.table.series_names:
            raise UsageError(
                f"{self.where} has no symbol {symbol!r}; it has {listed(self.table.series_names)}"
            )
        rows = self._last_days(end)
        names = [self.symbols[index] for index in self.batch.series[rows].tolist()]
        if symbol not in names:
            raise TooLittleDataError(
                f"{self.where}: {symbol} has too few days until {self._last_date(end)}; give a "
                "later date"
            )
        row = rows[[names.index(symbol)]]
        forecast = self.model.predict(self.batch.X[row])
        return Explanation(
            symbol=symbol,
            day=str(dates_of(self.batch.origin_time[row], self.clock)[0]),
            target=self.windows.target,
            horizon=self.model.params.direction.horizon,
            probability=float(forecast.probability[0]),
            word=forecast.words[0],
            weights=self.model.ensemble.used(forecast.by_member),
            by_member={name: float(p[0]) for name, p in forecast.by_member.items()},
            reasons=tuple(forecast.reasons[0]),
            model_id=self.model_id,
            notes=self.model.notes,
        )

    def _last_date(self, end: int) -> str:
        """The date of the last instant before `end`."""
        return str(dates_of(np.array([end - 1], dtype=np.int64), self.clock)[0])

    def _last_days(self, end: int) -> Int[np.ndarray, " symbols"]:
        """Of each symbol the row of `batch` of its last day before an instant."""
        known = np.flatnonzero(self.batch.origin_time < end)
        series = self.batch.series[known]
        # Rows of a symbol are in order of time.
        last = np.append(series[1:] != series[:-1], True)[: len(series)]
        return known[last]

    def _keys(self, rows: Int[np.ndarray, " rows"]) -> dict[str, np.ndarray]:
        names = np.array(self.symbols, dtype=object)[self.batch.series[rows]]
        target = np.full(len(rows), self.windows.target, dtype=object)
        return {"ts": self.batch.origin_time[rows], "symbol": names, "target": target}

    def _rows(self, rows: Int[np.ndarray, " rows"], forecast: DirectionForecast) -> pd.DataFrame:
        horizon, clock = self.model.params.direction.horizon, self.clock
        days = clock.nearest(self.batch.origin_time[rows])
        return pd.DataFrame(
            {
                **self._keys(rows),
                "step": np.full(len(rows), horizon),
                "timestamp": clock.timestamps_of(days + horizon),
                "score": forecast.probability,
                **{f"score_{name}": p for name, p in forecast.by_member.items()},
                "word": np.array(forecast.words, dtype=object),
                "reasons": np.array(
                    [reasons_text(reasons) for reasons in forecast.reasons], dtype=object
                ),
            }
        )


def direction_scorer(folder: Path, source: bytes, where: str) -> DirectionScorer:
    """Part `scorer` of the task: the ensemble of a folder with a raw table.

    Parameters
    ----------
    folder : Path
        Of a registered model, or a pipeline folder.
    source : bytes
        The raw table, CSV text or Parquet.
    where : str
        Name of the table in messages.
    """
    model = DirectionModel.load(folder)
    preprocessor = model.preprocessor
    table = read_raw_table(
        source, preprocessor.source_schema, where=where, reading=preprocessor.reading
    )
    return DirectionScorer(model, table, where)


def explain_direction(
    folder: Path, source: bytes, where: str, symbol: str, date: str
) -> Explanation:
    """Part `explain` of the task: one probability of the end of a date, with its reasons."""
    scorer = direction_scorer(folder, source, where)
    return scorer.explain(symbol, end_of(date, scorer.clock))
