"""How far the values of later splits have moved from those of the training split."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from spline_lstm.series.data_warnings import DataWarning

STATISTICS = ("mean_shift", "std_ratio", "psi", "ks")
BINS = 10
SMALLEST_SHARE = 1e-4

Report = dict[str, dict[str, float | None]]


def drift_report(
    train: Float[np.ndarray, "rows columns"],
    other: Float[np.ndarray, "other_rows columns"],
    names: Sequence[str],
    *,
    min_values: int = 30,
) -> Report:
    """Four statistics per column; NaN is ignored.

    - ``mean_shift = (mean(other) - mean(train)) / std(train)``
    - ``std_ratio = std(other) / std(train)``
    - ``psi``, the population stability index ``sum_b (q_b - p_b) * log(q_b / p_b)``: shares `p` of
      the train and `q` of the other values in 10 bins between the deciles of the train values
      (equal deciles merge), each share at least 1e-4 (Siddiqi 2006, "Credit Risk Scorecards":
      below 0.1 stable, above 0.25 shifted).
    - ``ks``, the Kolmogorov-Smirnov distance, the largest difference between the two empirical
      distribution functions, 0 to 1.

    Parameters
    ----------
    train, other : np.ndarray
        [rows, columns] float, the same columns.
    names : sequence of str
        [columns] names of the columns.
    min_values : int
        Observed values that a column needs on both sides; below, its statistics are None.

    Returns
    -------
    dict
        ``{name: {statistic: float or None}}`` in the order of `names`. `mean_shift` and
        `std_ratio` are also None if the train values are constant.

    Raises
    ------
    ValueError
        The numbers of columns and names differ.
    """
    if not train.shape[1] == other.shape[1] == len(names):
        raise ValueError(f"{train.shape[1]} and {other.shape[1]} columns with {len(names)} names")
    return {name: _column(train[:, k], other[:, k], min_values) for k, name in enumerate(names)}


def _column(train: np.ndarray, other: np.ndarray, min_values: int) -> dict[str, float | None]:
    train, other = (values[~np.isnan(values)].astype(np.float64) for values in (train, other))
    if min(len(train), len(other)) < max(min_values, 1):
        return dict.fromkeys(STATISTICS)
    # The range, not the deviation, reveals a constant: std([0.1, 0.1, 0.1]) is above 0 by rounding.
    std = float(train.std()) if np.ptp(train) > 0 else None
    return {
        "mean_shift": float(other.mean() - train.mean()) / std if std else None,
        "std_ratio": float(other.std()) / std if std else None,
        "psi": population_stability(train, other),
        "ks": kolmogorov_smirnov(train, other),
    }


def population_stability(train: Float[np.ndarray, " n"], other: Float[np.ndarray, " m"]) -> float:
    """Population stability index of `other` against the deciles of `train` (see `drift_report`)."""
    edges = np.unique(np.quantile(train, np.arange(1, BINS) / BINS))
    p, q = (_shares(values, edges) for values in (train, other))
    return float(np.sum((q - p) * np.log(q / p)))


def kolmogorov_smirnov(train: Float[np.ndarray, " n"], other: Float[np.ndarray, " m"]) -> float:
    """Largest difference between the two empirical distribution functions."""
    everywhere = np.concatenate([train, other])
    p, q = (
        np.searchsorted(np.sort(values), everywhere, side="right") / len(values)
        for values in (train, other)
    )
    return float(np.abs(p - q).max())


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return np.maximum(counts / len(values), SMALLEST_SHARE)


def warnings_of(
    report: Mapping[str, Mapping[str, float | None]],
    thresholds: Mapping[str, float],
    split: str = "",
) -> list[DataWarning]:
    """One warning per statistic beyond its limit.

    Parameters
    ----------
    report : dict
        Result of `drift_report`.
    thresholds : mapping
        Limit per statistic; those not named are not judged. `mean_shift` counts in both
        directions, and so does `std_ratio`: a limit of 2 warns above 2 and below 1/2.
    split : str
        Name of the split that was compared with the training split.

    Raises
    ------
    ValueError
        `thresholds` names an unknown statistic.

    >>> report = {"temp": {"mean_shift": -1.5, "std_ratio": 1.0, "psi": 0.1, "ks": None}}
    >>> [str(warning) for warning in warnings_of(report, {"mean_shift": 0.5}, "test")]
    ['test: temp: mean_shift -1.5 exceeds the limit 0.5']
    """
    unknown = set(thresholds) - set(STATISTICS)
    if unknown:
        raise ValueError(f"unknown drift statistic: {', '.join(sorted(unknown))}")
    return [
        DataWarning(statistic, name, split, value, thresholds[statistic])
        for name, statistics in report.items()
        for statistic, value in statistics.items()
        if value is not None
        and statistic in thresholds
        and _is_beyond(statistic, value, thresholds[statistic])
    ]


def _is_beyond(statistic: str, value: float, limit: float) -> bool:
    return abs(value) > limit or (statistic == "std_ratio" and value * limit < 1)
