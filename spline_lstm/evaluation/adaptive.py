"""Adaptive conformal inference: intervals whose level follows the hits and misses so far.

Gibbs and Candès 2021, "Adaptive Conformal Inference Under Distribution Shift", Advances in Neural
Information Processing Systems 34. For each series, step and target the rate of misses that the
intervals are made for moves with every label::

    a <- a + rate * (1 - level - missed)

so that intervals become wider after misses and narrower after hits, and the coverage comes to its
level in the long run, whatever drifts. Nothing looks ahead: the label of step h counts from the
first origin on that lies after its row, h rows later at the earliest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.inference.interval_score import interval_score
from spline_lstm.inference.intervals import Intervals, Values, level_name, window_scales
from spline_lstm.windows.limits import ForecastLimits

if TYPE_CHECKING:
    # Only named: who adds the sums of folds up needs no model.
    from spline_lstm.evaluation.forecast_batches import TestBatch
    from spline_lstm.inference.calibration import Calibration

# Of ranks: (n + 1) * level must not be above a whole number by rounding only.
SLACK = 1e-9


@dataclass(frozen=True)
class AdaptiveSums:
    """Sums over test windows with adaptive intervals.

    Attributes
    ----------
    count : number of observed values
    inside, width, score : [levels] float64
        Values inside, and sums of widths and interval scores, data units.
    """

    count: int
    inside: Float[np.ndarray, " levels"]
    width: Float[np.ndarray, " levels"]
    score: Float[np.ndarray, " levels"]

    def __add__(self, other: Self) -> "AdaptiveSums":
        return AdaptiveSums(
            self.count + other.count,
            self.inside + other.inside,
            self.width + other.width,
            self.score + other.score,
        )

    def content(self, levels: Sequence[float]) -> dict[str, float]:
        """`adaptive_coverage_80` (percent), `adaptive_width_80`, `adaptive_winkler_80`, ..."""
        found = {}
        for index, level in enumerate(levels):
            parts = (100 * self.inside[index], self.width[index], self.score[index])
            for name, total in zip(("coverage", "width", "winkler"), parts, strict=True):
                share = float(total) / self.count if self.count else np.nan
                found[f"adaptive_{name}_{level_name(level)}"] = share
        return found


@dataclass(frozen=True)
class Stream:
    """What the adaptive intervals of some test windows depend on.

    Attributes
    ----------
    point, truth : [windows, horizon, targets] data units; `truth` is NaN if not observed
    scales : [windows, 1, targets]
        What half widths are multiplied by; 0 if the forecast is the constant of its series.
    series : [windows] int64, index of the series
    """

    point: Values
    truth: Values
    scales: Float[np.ndarray, "windows 1 targets"]
    series: Int[np.ndarray, " windows"]

    @classmethod
    def of(cls, batch: "TestBatch", intervals: Intervals, limits: ForecastLimits) -> Self:
        """Of a batch of test windows."""
        scales = window_scales(intervals, batch.series, batch.history)[..., 0]
        held = limits.held(batch.history, batch.series)[:, None]
        scales = np.where(held, 0.0, scales)
        return cls(batch.forecast.point, batch.y_true, scales, batch.series)

    def __add__(self, later: Self) -> "Stream":
        pairs = zip(vars(self).values(), vars(later).values(), strict=True)
        return Stream(*(np.concatenate(pair) for pair in pairs))

    @property
    def size(self) -> Values:
        """Absolute errors in the unit of the residuals, NaN if there is none."""
        error = np.abs(self.truth - self.point)
        known = np.broadcast_to(self.scales > 0.0, error.shape)
        return np.divide(error, self.scales, out=np.full_like(error, np.nan), where=known)


def adaptive_sums(
    stream: Stream,
    origins: Int[np.ndarray, " windows"],
    calibration: "Calibration",
    limits: ForecastLimits,
    rate: float,
) -> AdaptiveSums:
    """Coverage, width and score of adaptive intervals on all test windows.

    Parameters
    ----------
    stream : Stream
        All test windows, in the order of the origins.
    origins : [windows] int64
        Rows of the origins, increasing.
    calibration : Calibration
        Of conformal intervals.
    limits : ForecastLimits
    rate : float
        How far one label moves the level, in (0, 1).
    """
    size, mask = stream.size, ~np.isnan(stream.truth)
    ranked, levels = Ranked.of(calibration.residuals), calibration.intervals.levels
    of_series = [stream.series == one for one in np.unique(stream.series)]
    sums = np.empty((3, len(levels)))
    for index, level in enumerate(levels):
        half = [adaptive_widths(size[own], origins[own], ranked, level, rate) for own in of_series]
        # Without any residual the width is infinite; that of a constant is 0 even so.
        width, scaled = np.concatenate(half), np.zeros_like(stream.point)
        np.multiply(width, stream.scales, out=scaled, where=stream.scales > 0.0)
        lower, upper = (limits.clip(stream.point + side * scaled) for side in (-1.0, 1.0))
        inside = (lower <= stream.truth) & (stream.truth <= upper)
        score = interval_score(stream.truth, lower, upper, level)
        sums[:, index] = [part[mask].sum() for part in (inside, upper - lower, score)]
    return AdaptiveSums(int(mask.sum()), *sums)


@dataclass(frozen=True)
class Ranked:
    """Absolute residuals of the validation split in order, from which widths are taken.

    Attributes
    ----------
    size : [residuals, horizon, targets] float64, increasing, NaN after the last one
    count : [horizon, targets] int64, how many there are
    """

    size: Float[np.ndarray, "residuals horizon targets"]
    count: Int[np.ndarray, "horizon targets"]

    @classmethod
    def of(cls, residuals: Values) -> Self:
        """Of residuals with NaN where nothing was observed."""
        return cls(np.sort(np.abs(residuals), axis=0), np.isfinite(residuals).sum(axis=0))

    def widths(
        self, misses: Float[np.ndarray, "horizon targets"]
    ) -> Float[np.ndarray, "horizon targets"]:
        """Half widths for rates of misses: rank ``ceil((n + 1) (1 - misses))``, from 1 to n.

        Where the rank is above n, the largest residual stands for an infinite width; without any
        residual the width is infinite.
        """
        rank = np.ceil((self.count + 1) * (1.0 - misses) - SLACK).astype(np.int64)
        rows = np.clip(rank, 1, np.maximum(self.count, 1)) - 1
        if not len(self.size):
            return np.full(misses.shape, np.inf)
        found = np.take_along_axis(self.size, rows[None], axis=0)[0]
        return np.where(self.count > 0, found, np.inf)


def adaptive_widths(
    size: Values,
    origins: Int[np.ndarray, " windows"],
    ranked: Ranked,
    level: float,
    rate: float,
) -> Values:
    """Half widths of the windows of one series, in the unit of the residuals.

    Parameters
    ----------
    size : [windows, horizon, targets] absolute errors, NaN if not observed
    origins : [windows] rows, increasing
    ranked : Ranked
    level : percent
    rate : as in `adaptive_sums`
    """
    wanted = 1.0 - level / 100.0
    misses = np.full(size.shape[1:], wanted)
    widths = np.empty_like(size)
    # Windows whose label of this step has counted already.
    seen = np.zeros(size.shape[1], dtype=np.int64)
    for index, origin in enumerate(origins.tolist()):
        for step in range(size.shape[1]):
            known = int(np.searchsorted(origins, origin - step, side="left"))
            for past in range(int(seen[step]), known):
                missed = size[past, step] > widths[past, step]
                moved = misses[step] + rate * (wanted - missed)
                misses[step] = np.where(np.isnan(size[past, step]), misses[step], moved)
            seen[step] = known
        widths[index] = ranked.widths(misses)
    return widths
