"""Prediction intervals: split-conformal half widths, or quantiles of the network.

Split conformal (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, "Distribution-Free Predictive
Inference for Regression", Journal of the American Statistical Association 113, 1094-1111): of n
absolute residuals of windows that the training did not fit, the half width at level a is the one of
rank ``ceil((n + 1) a)``, separately for each step and target. A new value from the same
distribution then lies in ``p -+ half width`` with a probability of at least a. This guarantee
requires that validation and test split are exchangeable: drift breaks it, so the coverage on the
test split is measured and reported.

The validation split is a short time, which may be an easy one. The training split is longer,
but the model was fitted to it. Errors of either may be too small, for reasons of their own, so no
half width is below the one of the same rank among the training residuals.

Several series are not exchangeable if one is harder than another. Their residuals are divided by
the mean absolute error of each series in training, and half widths are multiplied by it (ibid.,
section 5.2).

Within a series, calm and volatile times differ as well: half widths may follow the recent changes
of the window (`spline_lstm.inference.local_width`). Residuals are then divided by the factor of
their window, and the rank rule holds as before, for the factor is known at the origin.

Levels are in percent everywhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.errors import ArtifactError
from spline_lstm.inference.local_width import LocalWidth

CONFORMAL, QUANTILES, NONE = "split conformal", "quantiles", "none"

# Middles of ten equal parts of (0, 100): the levels that stand for a whole distribution.
DISTRIBUTION = tuple(float(level) for level in range(5, 100, 10))

Values = Float[np.ndarray, "windows horizon targets"]
# Lower or upper bound of each level, data units.
Bound = Float[np.ndarray, "windows horizon targets levels"]


def _none() -> Float[np.ndarray, "0 0 0"]:
    return np.empty((0, 0, 0))


@dataclass(frozen=True)
class Intervals:
    """How prediction intervals are made.

    Attributes
    ----------
    method : str
        ``split conformal`` (forecast -+ half width), ``quantiles`` (of the network) or ``none``.
    levels : tuple of float
        Percent, increasing.
    half_widths : [levels, horizon, targets] float64, data units, or multiples of `scales`
        inf if there are too few residuals for the level; no levels unless split conformal. They
        are multiplied by the factors of `local` too.
    count : [horizon, targets] int64
        Residuals that the half widths are computed from.
    scales : [series + 1, targets] float64, data units
        Factors of the half widths, series in the order of preprocessor.json; the last row is for
        a series that training did not see. None: half widths are in data units.
    local : LocalWidth
        Factors of the half widths of a window; None: the same for all windows of a series.
    distribution : [10, horizon, targets] float64, as `half_widths`
        Half widths at the levels `DISTRIBUTION`; the largest residual if there are too few.
    """

    method: str
    levels: tuple[float, ...]
    half_widths: Float[np.ndarray, "levels horizon targets"]
    count: Int[np.ndarray, "horizon targets"]
    scales: Float[np.ndarray, "rows targets"] | None = None
    local: LocalWidth | None = None
    distribution: Float[np.ndarray, "ten horizon targets"] = field(default_factory=_none)

    @cached_property
    def note(self) -> str:
        """`unbounded_note`."""
        return unbounded_note(self)

    def to_json(self) -> dict[str, Any]:
        """Plain content for models/intervals.json.

        `half_widths` and `distribution` [level][step][target], null if infinite; `scales`
        [series][target] and `local` if present.
        """
        widths = self.half_widths.astype(object)
        widths[~np.isfinite(self.half_widths)] = None
        content = {
            "method": self.method,
            "levels": list(self.levels),
            "half_widths": widths.tolist(),
            "n": self.count.tolist(),
        }
        if self.distribution.size:
            content["distribution"] = self.distribution.tolist()
        if self.scales is not None:
            content["scales"] = self.scales.tolist()
        return content if self.local is None else {**content, "local": self.local.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Intervals":
        """Read the content that `to_json` wrote; ArtifactError if a key is missing."""
        try:
            widths = np.array(content["half_widths"], dtype=np.float64)
            scales = np.array(content["scales"], dtype=np.float64) if "scales" in content else None
            return cls(
                method=content["method"],
                levels=tuple(float(level) for level in content["levels"]),
                half_widths=np.where(np.isnan(widths), np.inf, widths),
                count=np.array(content["n"], dtype=np.int64),
                scales=scales,
                local=LocalWidth.from_json(content["local"]) if "local" in content else None,
                distribution=np.array(content.get("distribution", _none()), dtype=np.float64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"models/intervals.json lacks {error} or has a wrong value there; run `dvc repro`"
            ) from None


def load_intervals(path: Path, model_run_id: str) -> Intervals | None:
    """models/intervals.json of a pipeline folder; None if the file does not exist.

    Raises
    ------
    ArtifactError
        The file is damaged, or was measured on another model.
    """
    if not path.is_file():
        return None
    content = read_json(path)
    if content.get("run_id") != model_run_id:
        raise ArtifactError(
            f"{path} was measured on model {content.get('run_id')}, but the model is "
            f"{model_run_id}; use the files of one run"
        )
    return Intervals.from_json(content)


def conformal_intervals(
    residuals: Values, levels: Sequence[float], fitted: Values | None = None
) -> Intervals:
    """Half widths for each level, step and target.

    Parameters
    ----------
    residuals : np.ndarray
        [windows, horizon, targets] forecast - observed on windows that the training did not fit,
        data units or multiples of them, NaN if not observed.
    levels : sequence of float
        Percent, above 0 and below 100.
    fitted : np.ndarray, optional
        [windows, horizon, targets] of windows that the training did fit, in the same unit. No half
        width is below the one that they give.

    >>> residuals = np.arange(1.0, 10.0).reshape(9, 1, 1)
    >>> conformal_intervals(residuals, [50, 90, 95]).half_widths.ravel().tolist()
    [5.0, 9.0, inf]
    >>> conformal_intervals(residuals, [50, 90, 95], 2 * residuals).half_widths.ravel().tolist()
    [10.0, 18.0, inf]
    """
    width, count = half_widths(residuals, (*levels, *DISTRIBUTION))
    largest = np.max(np.abs(residuals), axis=0, initial=0.0, where=np.isfinite(residuals))
    if fitted is not None:
        least, _ = half_widths(fitted, (*levels, *DISTRIBUTION))
        least = np.where(np.isfinite(least), least, 0.0)
        # The largest residual takes the place of infinite widths of the distribution, see below.
        width, largest = np.maximum(width, least), np.maximum(largest, least[len(levels) :])
    return Intervals(
        method=CONFORMAL,
        levels=tuple(float(level) for level in levels),
        half_widths=width[: len(levels)],
        count=count,
        distribution=np.minimum(width[len(levels) :], largest),
    )


def half_widths(
    residuals: Values, levels: Sequence[float]
) -> tuple[Float[np.ndarray, "levels horizon targets"], Int[np.ndarray, "horizon targets"]]:
    """Absolute residuals of rank `conformal_rank`, inf if there are too few; how many there are."""
    # np.sort puts NaN after all numbers.
    size = np.sort(np.abs(residuals), axis=0)
    count = np.isfinite(residuals).sum(axis=0)
    width = np.full((len(levels), *count.shape), np.inf)
    for index, level in enumerate(levels):
        for step_and_target in np.ndindex(*count.shape):
            rank = conformal_rank(int(count[step_and_target]), level)
            if rank <= count[step_and_target]:
                width[(index, *step_and_target)] = size[(rank - 1, *step_and_target)]
    return width, count


def conformal_rank(count: int, level: float) -> int:
    """Rank ``ceil((n + 1) level)`` of the residual that is the half width; above n: it is infinite.

    >>> [conformal_rank(n, 80) for n in (3, 4, 9, 99)]
    [4, 4, 8, 80]
    """
    # As a fraction: 0.1 x 30 as a float is above 3, and its ceiling 4.
    return math.ceil(Fraction(str(level)) * (count + 1) / 100)


def residuals_needed(level: float) -> int:
    """Fewest residuals that give the level a finite half width.

    >>> [residuals_needed(level) for level in (80, 90, 95)]
    [4, 9, 19]
    """
    share = Fraction(str(level)) / 100
    return math.ceil(share / (1 - share))


def unbounded_note(intervals: Intervals) -> str:
    """What to say of levels with infinite half widths, and what to do; empty without any."""
    widths = zip(intervals.levels, intervals.half_widths, strict=False)
    levels = [level for level, width in widths if np.isinf(width).any()]
    if not levels:
        return ""
    finite = [level for level in intervals.levels if level not in levels]
    fewest = int(intervals.count.min())
    # The highest level whose rank is at most the number of residuals.
    most = math.floor(100 * fewest / (fewest + 1))
    rest = f", that of {_percents(finite)} is finite" if finite else ""
    lower = f", or levels of at most {most} % (evaluate.interval_levels)" if most else ""
    return (
        f"the interval of {_percents(levels)} is infinite{rest}: it takes "
        f"{residuals_needed(max(levels))} residuals of each step in the validation split, and "
        f"there are {fewest}; take a longer one (preprocess.split.validation){lower}"
    )


def _percents(levels: Sequence[float]) -> str:
    return " and ".join(f"{level_name(level)} %" for level in levels)


def no_intervals(horizon: int, targets: int) -> Intervals:
    """For a network that forecasts a probability: its residuals do not give an interval."""
    return Intervals(NONE, (), np.empty((0, horizon, targets)), _no_count(horizon, targets))


def quantile_intervals(quantiles: Sequence[float], horizon: int, targets: int) -> Intervals:
    """The levels that a network's quantiles give: one of each pair that is symmetric around 0.5."""
    levels = tuple(level for _, _, level in quantile_pairs(quantiles))
    return Intervals(
        QUANTILES, levels, np.empty((0, horizon, targets)), _no_count(horizon, targets)
    )


def _no_count(horizon: int, targets: int) -> Int[np.ndarray, "horizon targets"]:
    return np.zeros((horizon, targets), dtype=np.int64)


def quantile_pairs(quantiles: Sequence[float]) -> list[tuple[int, int, float]]:
    """Positions of the lower and the upper quantile of each interval, and its level in percent.

    >>> quantile_pairs([0.025, 0.1, 0.5, 0.9, 0.975])
    [(1, 3, 80.0), (0, 4, 95.0)]
    """
    pairs = [
        (low, high, round(100 * (quantiles[high] - quantiles[low]), 6))
        for low in range(len(quantiles))
        for high in range(low + 1, len(quantiles))
        if math.isclose(quantiles[low] + quantiles[high], 1.0, abs_tol=1e-9)
    ]
    return sorted(pairs, key=lambda pair: pair[2])


def conformal_bounds(
    point: Values,
    intervals: Intervals,
    scale_rows: Int[np.ndarray, " windows"],
    history: Float[np.ndarray, "windows lookback targets"],
) -> tuple[Bound, Bound]:
    """Lower and upper bounds ``forecast -+ half width``, data units.

    `scale_rows` is the row of each window's series in `Intervals.scales`, `history` its targets as
    known before the origin, data units.
    """
    # In memory a level lies in one piece, as all who read one want it.
    scales = window_scales(intervals, scale_rows, history)[..., 0]
    width = intervals.half_widths[:, None] * scales
    return np.moveaxis(point - width, 0, -1), np.moveaxis(point + width, 0, -1)


def window_scales(
    intervals: Intervals,
    scale_rows: Int[np.ndarray, " windows"],
    history: Float[np.ndarray, "windows lookback targets"],
) -> Float[np.ndarray, "windows 1 targets 1"]:
    """What the half widths of each window are multiplied by, see `conformal_bounds`."""
    scales = None if intervals.scales is None else intervals.scales[scale_rows]
    if intervals.local is not None:
        factors = intervals.local.factors(history, scale_rows)
        scales = factors if scales is None else scales * factors
    if scales is None:
        scales = np.ones((len(history), history.shape[2]))
    return scales[:, None, :, None]


def quantile_bounds(
    quantiles: Float[np.ndarray, "windows horizon targets quantiles"], levels: Sequence[float]
) -> tuple[Bound, Bound]:
    """Lower and upper bounds from a network's quantiles, whose levels are `config.quantiles`."""
    pairs = quantile_pairs(levels)
    return (
        quantiles[..., [low for low, _, _ in pairs]],
        quantiles[..., [high for _, high, _ in pairs]],
    )


def level_name(level: float) -> str:
    """A level as written in names of columns and metrics.

    >>> [level_name(level) for level in (80.0, 97.5)]
    ['80', '97.5']
    """
    return f"{level:g}"


def interval_columns(levels: Sequence[float]) -> list[str]:
    """Names of the columns of the bounds.

    >>> interval_columns([80, 97.5])
    ['lower_80', 'upper_80', 'lower_97.5', 'upper_97.5']
    """
    return [f"{side}_{level_name(level)}" for level in levels for side in ("lower", "upper")]
