"""What a reader of a forecast must know about its history: fills, odd values, drift."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.formatting import plural
from spline_lstm.inference.forecast import ModelInputs
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.preprocessor import Preprocessor

# Deviations from the training mean beyond which a value of a scaler without a range is remarkable.
FAR = 6.0
# Observed values that a statistic of drift needs.
FEWEST = 30

Counts = Int[np.ndarray, " series"]


def remarks(
    table: RawTable,
    inputs: ModelInputs,
    preprocessor: Preprocessor,
    lookback: int,
    names: Sequence[str],
    *,
    is_whole: bool = False,
) -> list[str]:
    """One line per series and kind.

    Parameters
    ----------
    table : RawTable
        The history as it was given.
    inputs : ModelInputs
        Of all or some of its series.
    preprocessor : Preprocessor
    lookback : int
    names : [windows] what each window is called; "": nothing, it is the only one
    is_whole : bool
        Every row of each window was observed.
    """
    columns = _columns(table, preprocessor)
    if is_whole and not any(column.is_odd.any() for column in columns):
        return []
    position = {name: index for index, name in enumerate(table.series_names)}
    # Series without a forecast have no window; otherwise windows are in the order of the series.
    whole = len(inputs.series) == len(table.series_names)
    series = range(len(names)) if whole else [position[name] for name in inputs.series]
    missing = _missing(table, inputs, preprocessor, lookback, np.array(series))
    is_odd = np.logical_or.reduce([missing > 0, *(column.is_odd for column in columns)])
    found: list[str] = []
    for index, name in zip(series, names, strict=True):
        if is_odd[index]:
            prefix = f"series {name!r}: " if name else ""
            texts = [*_fills(int(missing[index]), lookback)]
            for column in columns:
                texts += column.texts(index, preprocessor)
            found += [prefix + text for text in texts]
    return found


def _missing(
    table: RawTable,
    inputs: ModelInputs,
    preprocessor: Preprocessor,
    lookback: int,
    series: Int[np.ndarray, " windows"],
) -> Counts:
    """Cells of the lookback of each series that were not observed; 0 without a window."""
    clock = preprocessor.clock.extended(table.timestamps)
    origins = np.zeros(len(table.series_names), dtype=np.int64)
    origins[series] = clock.locate(inputs.timestamps[:, 0])[0]
    of_row = table.series
    ahead = clock.nearest(table.timestamps) - origins[of_row]
    inside = (ahead < 0) & (ahead >= -lookback)
    missing = np.zeros(len(table.series_names), dtype=np.int64)
    missing[series] = lookback * len(preprocessor.targets)
    for column in table.values.T[: len(preprocessor.targets)]:
        rows = np.flatnonzero(inside & ~np.isnan(column))
        # Of several observations near one row of the clock one counts.
        is_first = np.ones(len(rows), dtype=bool)
        is_first[1:] = (np.diff(ahead[rows]) != 0) | (np.diff(of_row[rows]) != 0)
        missing -= np.bincount(of_row[rows[is_first]], minlength=len(missing))
    return missing


def _fills(missing: int, lookback: int) -> Iterator[str]:
    if missing > 0:
        yield (
            f"{plural(missing, 'value')} of the {lookback} rows before the forecast "
            f"{'was' if missing == 1 else 'were'} missing and filled"
        )


@dataclass(frozen=True)
class _Column:
    """A target of all series as scores.

    Attributes
    ----------
    name : str
    outside : [series] int64
        Values outside of the training range.
    mean, deviation : [series] float64
        Of the known scores; NaN where they are too few to tell drift.
    is_odd : [series] bool
        There is something to say.
    """

    name: str
    outside: Counts
    mean: Float[np.ndarray, " series"]
    deviation: Float[np.ndarray, " series"]
    is_odd: Bool[np.ndarray, " series"]

    def texts(self, series: int, preprocessor: Preprocessor) -> Iterator[str]:
        """What there is to say about one series."""
        if count := int(self.outside[series]):
            beyond = (
                "outside of the training range"
                if preprocessor.target_scaler.kind == "minmax"
                else f"more than {FAR:g} scales away from the training center"
            )
            yield f"{plural(count, 'value')} of {self.name!r} {beyond}"
        limits = preprocessor.params.drift
        if abs(self.mean[series]) > limits.mean_shift:
            yield (
                f"drift: the mean of {self.name!r} is {self.mean[series]:.3g} training deviations "
                f"from that of the training, which exceeds the limit {limits.mean_shift:g}"
            )
        if self.deviation[series] > limits.std_ratio:
            yield (
                f"drift: the deviation of {self.name!r} is {self.deviation[series]:.3g} times that "
                f"of the training, which exceeds the limit {limits.std_ratio:g}"
            )


def _columns(table: RawTable, preprocessor: Preprocessor) -> list[_Column]:
    """Each target as scores; none if it is not scaled, for then nothing is known about its range.

    Sums run over each series by itself, so that other series of the table do not change a bit.
    """
    scaler, names = preprocessor.target_scaler, preprocessor.targets
    if scaler.kind == "none":
        return []
    begins, lengths = table.series_offsets[:-1], np.diff(table.series_offsets)
    of_row = table.series if scaler.per_series else None
    rows = None if of_row is None else preprocessor.scaler_rows(table.series_names)[of_row]
    low, high = (0.0, 1.0) if scaler.kind == "minmax" else (-FAR, FAR)
    limits = preprocessor.params.drift
    found = []
    scores = scaler.transform(table.values[:, : len(names)], rows)
    for name, column in zip(names, scores.T, strict=True):
        outside = _sums((column < low) | (column > high), begins, np.int64)
        mean, deviation = _moments(column, begins, lengths, told=scaler.kind == "standard")
        is_odd = (outside > 0) | (np.abs(mean) > limits.mean_shift) | (deviation > limits.std_ratio)
        found.append(_Column(name, outside, mean, deviation, is_odd))
    return found


def _moments(
    scores: Float[np.ndarray, " rows"], begins: Counts, lengths: Counts, *, told: bool
) -> tuple[Float[np.ndarray, " series"], Float[np.ndarray, " series"]]:
    """Mean and deviation of the known scores of each series; NaN of too few, or if not `told`."""
    empty = np.isnan(scores)
    has_gaps = bool(empty.any())
    count = lengths - _sums(empty, begins, np.int64) if has_gaps else lengths
    divisor = np.where((count >= FEWEST) & told, count, np.nan)
    mean = _sums(np.where(empty, 0.0, scores) if has_gaps else scores, begins) / divisor
    distance = scores - (mean if len(mean) == 1 else np.repeat(mean, lengths))
    if has_gaps:
        distance[empty] = 0.0
    return mean, np.sqrt(_sums(distance * distance, begins) / divisor)


def _sums(values: np.ndarray, begins: Counts, dtype: type = np.float64) -> np.ndarray:
    """The sum of each series, whatever other series there are."""
    return np.add.reduceat(values, begins, dtype=dtype)
