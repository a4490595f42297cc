"""How much the targets have changed lately, as known at each forecast origin.

The recent change is the mean of the absolute changes from row to row of the lookback, in which the
weight of a change halves with every horizon that lies between it and the origin (an exponentially
weighted mean, as J. P. Morgan/Reuters 1996, "RiskMetrics - Technical Document", section 5.2, has it
for the volatility of prices). It is divided by its median over the training windows of its series,
so that 1 means: as usual.

It is computed from the lookback in data units, row by row in float64, so that every way to a
forecast (pipeline, exported file, Forecaster) finds the same bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.windows.gather import gather_targets
from spline_lstm.windows.windows import Windows

# A median needs no more windows.
REFERENCE_WINDOWS, WINDOWS_PER_BATCH = 20_000, 8192
# A series with fewer training windows takes the median of all.
MIN_WINDOWS = 30

PerWindow = Float[np.ndarray, "windows targets"]


def mean_change(history: Float[np.ndarray, "windows lookback targets"], decay: float) -> PerWindow:
    """Weighted mean of the absolute changes from row to row; the last one has the weight 1.

    A lookback of one row has no change: 0.

    >>> mean_change(np.array([[[1.0], [3.0], [4.0]]]), 0.5).round(3).tolist()
    [[1.333]]
    """
    changes = np.abs(history[:, 1:] - history[:, :-1])
    if len(history) == 1:
        # Of one window the same sum, number by number: calls on arrays take ten times as long.
        sums = [_weighted_sum(column, decay) for column in changes[0].T.tolist()]
        total = np.array([sums], dtype=np.float64)
    else:
        total = np.zeros((len(history), history.shape[2]))
        # Row by row: a sum over an axis adds up in another order for other numbers of windows.
        for change in changes.swapaxes(0, 1):
            total *= decay
            total += change
    weight = _weighted_sum([1.0] * changes.shape[1], decay)
    return total / max(weight, 1.0)


def _weighted_sum(values: Sequence[float], decay: float) -> float:
    """The sum of values whose weight decays from the last one, which has the weight 1."""
    total = 0.0
    for value in values:
        total = total * decay + value
    return total


@dataclass(frozen=True)
class RecentChange:
    """The recent change of a window relative to the usual one of its series.

    Attributes
    ----------
    decay : float
        Weight of a change relative to that of the next row.
    usual : [series + 1, targets] float64, data units
        Median over the training windows of each series, in the order of preprocessor.json; the last
        row is that of all series. 0: the target hardly ever changed, and there is nothing to
        compare with.
    """

    decay: float
    usual: Float[np.ndarray, "rows targets"]

    def relative(
        self,
        history: Float[np.ndarray, "windows lookback targets"],
        series: Int[np.ndarray, " windows"],
    ) -> PerWindow:
        """Recent change / usual change; 1 if there is nothing to compare with.

        `series` is the row of each window's series in `usual`.
        """
        return self.compare(mean_change(history, self.decay), series)

    def compare(self, found: PerWindow, series: Int[np.ndarray, " windows"]) -> PerWindow:
        """`relative` of changes in data units."""
        usual = self.usual[series]
        return np.divide(found, usual, out=np.ones_like(found), where=usual > 0.0)

    def to_json(self) -> dict[str, Any]:
        """Plain content; `usual` [series][target]."""
        return {"decay": self.decay, "usual": self.usual.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the content that `to_json` wrote; KeyError or ValueError if it is damaged."""
        return cls(float(content["decay"]), np.array(content["usual"], dtype=np.float64))


def fit_recent_change(windows: Windows) -> RecentChange:
    """Half-life and usual changes of a pipeline, from (at most 20,000) training windows."""
    # Rounded: the last digits of a root depend on the library that takes it.
    decay = round(0.5 ** (1.0 / windows.horizon), 6)
    origins = windows.splits["train"]
    origins = origins[evenly_spaced(len(origins), REFERENCE_WINDOWS)]
    series = np.searchsorted(windows.arrays.series_offsets, origins, side="right") - 1
    found = changes_at(windows, origins, decay)
    overall = _usual(found)
    # Origins come series by series.
    bounds = np.searchsorted(series, np.arange(1, len(windows.arrays.series_offsets) - 1))
    rows = np.split(found, bounds)
    usual = [overall if len(part) < MIN_WINDOWS else _usual(part) for part in rows]
    return RecentChange(decay, np.stack([*usual, overall]))


def changes_at(windows: Windows, origins: Int[np.ndarray, " windows"], decay: float) -> PerWindow:
    """`mean_change` of the windows at these origins (rows), in batches."""
    parts = [
        mean_change(gather_targets(windows.arrays, batch, windows.lookback), decay)
        for batch in np.split(origins, range(WINDOWS_PER_BATCH, len(origins), WINDOWS_PER_BATCH))
    ]
    return np.concatenate(parts)


def _usual(found: PerWindow) -> Float[np.ndarray, " targets"]:
    """The median; of a target that mostly stays as it is the mean."""
    if not len(found):
        return np.zeros(found.shape[1])
    median = np.median(found, axis=0)
    return np.where(median > 0.0, median, found.mean(axis=0))
