"""Exponential smoothing as a linear forecast of one window: few parameters for few rows.

The models of Box and Jenkins (1970, "Time Series Analysis", chapter 9) whose forecasts are those of
simple exponential smoothing, of smoothing with a trend (Holt) and of seasonal smoothing with a
trend ("airline model")::

    (1 - B) y_t = (1 - a B) e_t                                 season 0
    (1 - B)(1 - B) y_t = (1 - a B)(1 - b B) e_t                 season 1: a trend alone
    (1 - B)(1 - B^S) y_t = (1 - a B)(1 - b B^S) e_t             season S

B is the shift by one row. The one or two parameters are those of least squared innovations e over
all training rows; no label of a window is needed, so a hundred rows suffice. The forecast is the
best linear one from the rows of a window alone, in closed form: the differenced series is a moving
average, whose covariances are known (Brockwell and Davis 1991, "Time Series: Theory and Methods",
section 5.1).
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from spline_lstm.models.exact import rounded, solve_spd
from spline_lstm.models.linear_moments import Rows

PARAMETERS = (0.0, 0.3, 0.5, 0.7, 0.85)
# Of a trend also: at 1 it would never change.
STEADY = 0.95
# The season of a trend alone.
TREND = 1
# Rows that a forecast reads: without a season, and in seasons (a horizon is added).
ROWS_WITHOUT_SEASON = 60
SEASONS = 4
MIN_ROWS = 10
TINY = 1e-10
GRAIN = 2.0**-16


@dataclass(frozen=True)
class Smoothing:
    """One fitted model.

    Attributes
    ----------
    season : int, rows, 0 without, `TREND`: a trend alone
    smoothing, seasonal_smoothing : float, a and b; b = 1: the season never changes, see
        `linear_steady`
    lookback : int, rows that a forecast reads
    criterion : float
        Corrected information criterion of the training rows (Hurvich and Tsai 1989, Biometrika 76,
        297-307), smaller is better.
    """

    season: int
    smoothing: float
    seasonal_smoothing: float
    lookback: int
    criterion: float

    def depth(self, horizon: int) -> int:
        """Rows before the origin that it reads."""
        del horizon
        return self.lookback

    @property
    def name(self) -> str:
        """For logs and reports."""
        if self.season == TREND:
            return "smoothing with a trend"
        kind = "steady season" if self.seasonal_smoothing == 1 else "smoothing"
        return f"{kind} {self.season}" if self.season else kind

    def weights(self, horizon: int) -> Float[np.ndarray, "lookback horizon"]:
        """Weights of the rows, oldest first; the same bytes on every CPU."""
        difference, average = _polynomials(self.season, self.smoothing, self.seasonal_smoothing)
        lost = len(difference) - 1
        known = self.lookback - lost
        covariances = np.zeros(known + horizon)
        for lag in range(min(len(average), len(covariances))):
            covariances[lag] = float(np.sum(average[: len(average) - lag] * average[lag:]))
        rows = np.arange(known + horizon)
        matrix = covariances[np.abs(rows[:, None] - rows)]
        future = rounded(solve_spd(matrix[:known, :known], matrix[:known, known:]))
        # From differences back to rows: y_t is its difference less what else is in it.
        values = np.zeros((self.lookback + horizon, self.lookback))
        values[: self.lookback] = np.eye(self.lookback)
        for lag, sign in enumerate(difference):
            values[self.lookback :, lost - lag : self.lookback - lag] += sign * future.T
        for step in range(self.lookback, self.lookback + horizon):
            for lag in np.flatnonzero(difference[1:]) + 1:
                values[step] -= difference[lag] * values[step - lag]
        return values[self.lookback :].T


def fit_smoothing(rows: Rows, season: int, horizon: int, limit: int) -> Smoothing | None:
    """The model of least squared innovations; nothing with too few rows.

    Parameters
    ----------
    rows : Rows
        All series share the parameters.
    season : int, rows, 0: without, `TREND`: a trend alone
    horizon : int, rows
    limit : int
        Most rows that a forecast may read.
    """
    wanted = SEASONS * season + horizon + 1 if season > TREND else ROWS_WITHOUT_SEASON
    lookback = min(limit, wanted)
    parts = [part for part in training_parts(rows) if len(part) >= 2 * season + MIN_ROWS]
    if not parts or lookback < season + 3:
        return None
    seasonal = (*PARAMETERS, STEADY) if season == TREND else PARAMETERS if season else (0.0,)
    sums = {
        pair: sum(_squares(part, season, *pair) for part in parts)
        for pair in itertools.product(PARAMETERS, seasonal)
    }
    best = min(sums, key=lambda pair: sums[pair])
    count = sum(len(part) for part in parts)
    used = count - len(parts) * (season + 1)
    criterion = corrected_criterion(sums[best], count, used, 3 if season else 2)
    return Smoothing(season, *best, lookback, criterion)


def random_walk(rows: Rows, plain: Smoothing) -> Smoothing:
    """Smoothing of no parameter but the variance, whose forecast is the last value.

    `plain` is the fitted model without a season.
    """
    parts = [part for part in training_parts(rows) if len(part) >= MIN_ROWS]
    count = sum(len(part) for part in parts)
    squares = sum(_squares(part, 0, 0.0, 0.0) for part in parts)
    criterion = corrected_criterion(squares, count, count - len(parts), 1)
    return replace(plain, smoothing=0.0, seasonal_smoothing=0.0, criterion=criterion)


def corrected_criterion(squares: float, count: int, used: int, free: int) -> float:
    """See `Smoothing.criterion`."""
    likelihood = count * np.log(max(squares, np.finfo(float).tiny) / used)
    return float(likelihood + 2 * free + 2 * free * (free + 1) / max(count - free - 1, 1))


def support(model: Smoothing, other: Smoothing) -> float:
    """Weight of evidence for the first model, 0 to 1: Akaike weights of the two.

    Burnham and Anderson 2002, "Model Selection and Multimodel Inference", section 2.9.
    """
    return float(1 / (1 + np.exp(np.clip((model.criterion - other.criterion) / 2, -50, 50))))


def support_beside_regressions(rows: Rows, plain: Smoothing, limit: int) -> float:
    """Weight of evidence for smoothing without a season beside autoregressions; 0 to 1.

    Its innovations against those of autoregressions of the same differences, of the order with the
    best criterion (Schwarz 1978, Annals of Statistics 6, 461-464: chance among many orders does not
    deceive it); 1 if none is better. A series that swings has no business with a forecast that is
    flat, however few windows there are to say so.

    Parameters
    ----------
    rows : Rows
    plain : Smoothing
        Without a season, with or without a trend.
    limit : int, rows
        Highest order to try; at most ten times the decimal logarithm of the training rows count.
    """
    levels = [part for part in training_parts(rows) if len(part) >= MIN_ROWS]
    parts = [np.diff(part) for part in levels]
    count = sum(len(part) for part in parts)
    orders = min(limit, int(10 * np.log10(count)), min(len(part) for part in parts) - 1)
    products = np.array(
        [
            sum(float(np.sum(part[lag:] * part[: len(part) - lag])) for part in parts)
            for lag in range(orders + 1)
        ]
    )
    if products[0] <= 0:
        return 1.0
    variances = innovation_variances(products / count)[1:]
    parameters = plain.smoothing, plain.seasonal_smoothing
    own = sum(_squares(part, plain.season, *parameters) for part in levels) / count
    free = np.arange(2, len(variances) + 2)
    best = min(_criteria(variances, count, free), default=np.inf)
    used = np.array([1 + np.count_nonzero(parameters)])
    excess = _criteria(np.array([own]), count, used)[0] - best
    weight = 2 / (1 + np.exp(np.clip(excess / 2, -50, 50)))
    return float(np.round(min(1.0, weight) / GRAIN) * GRAIN)


def innovation_variances(
    covariances: Float[np.ndarray, " lags"],
) -> Float[np.ndarray, " lags"]:
    """Of autoregressions of order 0, 1, ... with these autocovariances: Levinson's recursion.

    Brockwell and Davis 1991, proposition 5.2.1.
    """
    variances, weights = [float(covariances[0])], np.zeros(0)
    for order in range(1, len(covariances)):
        if variances[-1] <= TINY * covariances[0]:
            break
        missed = covariances[order] - np.sum(weights * covariances[order - 1 : 0 : -1])
        partial = missed / variances[-1]
        weights = np.append(weights - partial * weights[::-1], partial)
        variances.append(variances[-1] * (1 - partial**2))
    return np.array(variances)


def _criteria(variances: np.ndarray, count: int, free: np.ndarray) -> np.ndarray:
    size = np.maximum(variances, np.finfo(float).tiny)
    return count * np.log(size) + free * np.log(count)


def _polynomials(season: int, smoothing: float, seasonal: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the differences and of the moving average, by lag."""
    difference, average = np.array([1.0, -1.0]), np.array([1.0, -smoothing])
    if not season:
        return difference, average
    shift = np.zeros(season + 1)
    shift[[0, season]] = 1.0, -1.0
    seasonal_average = np.zeros(season + 1)
    seasonal_average[[0, season]] = 1.0, -seasonal
    return np.convolve(difference, shift), np.convolve(average, seasonal_average)


def _squares(part: np.ndarray, season: int, smoothing: float, seasonal: float) -> float:
    difference, average = _polynomials(season, smoothing, seasonal)
    shocks = innovations(np.convolve(part, difference, mode="valid"), average)
    return float(np.sum(np.square(shocks)))


def innovations(
    differences: Float[np.ndarray, " rows"], average: Float[np.ndarray, " lags"]
) -> Float[np.ndarray, " rows"]:
    """Innovations of a moving average that give these differences, nothing before the first row.

    They are those of ``scipy.signal.lfilter([1], average, differences)`` to the bit, the additions
    in the same order; its import would take as long as the rest of this package.
    """
    taps = [(lag, float(average[lag])) for lag in np.flatnonzero(average)[:0:-1].tolist()]
    found: list[float] = []
    for row, value in enumerate(differences.tolist()):
        earlier = 0.0
        for lag, weight in taps:
            if lag <= row:
                earlier -= found[row - lag] * weight
        found.append(value + earlier)
    return np.array(found)


def training_parts(rows: Rows) -> list[np.ndarray]:
    """Filled z-scores of the training rows of each series."""
    return [
        rows.scores[start:end][rows.series.training[start:end]] * rows.grid
        for start, end in itertools.pairwise(rows.series.offsets.tolist())
    ]
