"""What errors are measured by: scales of MASE, floors of percentages, standard deviations.

All are of the training split. Passes over all rows go by blocks (`mapped.passing`), so that their
memory does not grow with the rows; a panel of one block gives the bits of a pass over all at once.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Float

from spline_lstm.evaluation.metrics import seasonal_naive_scale
from spline_lstm.windows.mapped import passing, release
from spline_lstm.windows.origins import BLOCK_ROWS
from spline_lstm.windows.windows import Windows

# Floor of the robust MAPE: this share of the mean absolute observed training target.
EPSILON_SHARE = 0.01

Values = Float[np.ndarray, "rows targets"]
Counted = Bool[np.ndarray, "rows targets"]


def training_of_series(windows: Windows, index: int) -> tuple[Values, Counted]:
    """Targets of the training rows of a series, data units, and where they count."""
    arrays = windows.arrays
    start, end = arrays.series_offsets[index : index + 2]
    train = start + np.flatnonzero(arrays.timestamps[start:end] < arrays.split_instants[0])
    return arrays.raw_target[train], arrays.counted_at(train)


def _training_of_each(
    windows: Windows, series: Iterable[int] | None = None
) -> Iterator[tuple[Values, Counted]]:
    """`training_of_series` of some series, or of all; pages of mapped arrays are given back."""
    seen, offsets = 0, windows.arrays.series_offsets
    for index in range(len(offsets) - 1) if series is None else series:
        yield training_of_series(windows, index)
        seen += int(offsets[index + 1] - offsets[index])
        if seen >= BLOCK_ROWS:
            release(windows.arrays)
            seen = 0


def season_scales(
    windows: Windows, season: int, series: Iterable[int] | None = None
) -> Float[np.ndarray, "series targets"]:
    """Scale of MASE: error of the seasonal naive forecast on the training split of each series.

    `series` are the indices of some of them; all without it.
    """
    scales = []
    for values, counted in _training_of_each(windows, series):
        columns = zip(values.T, counted.T, strict=True)
        scales.append([seasonal_naive_scale(column, seen, season) for column, seen in columns])
    return np.array(scales)


def percentage_floor(windows: Windows) -> Float[np.ndarray, "series targets"]:
    """Floor of the robust MAPE, data units: of each series, if each has its own scale."""
    total, count = np.zeros(len(windows.target_names)), np.zeros(len(windows.target_names))
    for values, counted in _training_blocks(windows):
        total += np.abs(np.where(counted, values, 0.0)).sum(axis=0)
        count += counted.sum(axis=0)
    overall = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    mean = np.tile(overall, (len(windows.arrays.series_offsets) - 1, 1))
    if windows.target_scaler.per_series:
        for index, (values, counted) in enumerate(_training_of_each(windows)):
            known = counted.any(axis=0)
            own = np.where(counted, np.abs(values), np.nan)[:, known]
            mean[index, known] = np.nanmean(own, axis=0)
    return EPSILON_SHARE * np.where(mean > 0, mean, 1.0)


def error_scales(windows: Windows) -> Values:
    """What errors are divided by to be z-scores: one row, or one per series if each has its own."""
    scaler = windows.target_scaler.plain
    return scaler.scale[:-1] if scaler.per_series else scaler.scale[None]


def training_std_of(windows: Windows) -> Float[np.ndarray, " targets"]:
    """What an error of each target is measured by beside other targets, data units, above 0.

    The standard deviation of what was observed in the training split, of all series together; of a
    constant target its absolute value, or 1 if that is 0.
    """
    found = [_Spread() for _ in windows.target_names]
    for values, counted in _training_blocks(windows):
        for spread, column, seen in zip(found, values.T, counted.T, strict=True):
            spread.add(column[seen])
    return np.array([spread.unit for spread in found])


class _Spread:
    """Count, mean, sum of squared deviations and extremes of values that come in blocks."""

    def __init__(self) -> None:
        self._count, self._mean, self._deviation = 0, 0.0, 0.0
        self._low, self._high = np.inf, -np.inf

    def add(self, values: Float[np.ndarray, " n"]) -> None:
        """Take in a block; Chan, Golub and LeVeque (1983), The American Statistician 37."""
        if not len(values):
            return
        mean = float(values.mean())
        deviation = float(np.square(values - mean).sum())
        total = self._count + len(values)
        if self._count:
            step, share = mean - self._mean, len(values) / total
            deviation += self._deviation + step**2 * self._count * share
            mean = self._mean + step * share
        self._count, self._mean, self._deviation = total, mean, deviation
        self._low, self._high = min(self._low, values.min()), max(self._high, values.max())

    @property
    def unit(self) -> float:
        """The standard deviation; of a constant its absolute value, or 1."""
        if self._high > self._low:
            return float(np.sqrt(self._deviation / self._count))
        return abs(float(self._low)) or 1.0 if self._count else 1.0


def _training_blocks(windows: Windows) -> Iterator[tuple[Values, Counted]]:
    """Targets of the training rows, block by block, data units, and where they count."""
    arrays = windows.arrays
    for rows in passing(arrays):
        train = arrays.timestamps[rows] < arrays.split_instants[0]
        yield arrays.raw_target[rows][train], arrays.counted_at(rows)[train]
