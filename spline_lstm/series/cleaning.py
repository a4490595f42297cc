"""Outliers and smoothing, observation by observation, before anything is put on the grid.

Both look back only: what becomes of an observation depends on it and those before it. The values of
the grid are therefore known from the same row on as without them.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.series.outliers import hampel
from spline_lstm.series.smoothing import MIN_FITTED, filter_level, fit_strength


def find_outliers(
    values: Float[np.ndarray, " rows"],
    series_offsets: Int[np.ndarray, " bounds"],
    *,
    window: int,
    threshold: float,
) -> Bool[np.ndarray, " rows"]:
    """Flags of the causal Hampel rule, each series on its own."""
    bounds = itertools.pairwise(series_offsets)
    parts = [hampel(values[begin:end], window=window, threshold=threshold) for begin, end in bounds]
    return np.concatenate(parts)


def fit_strengths(
    times: Float[np.ndarray, " rows"],
    values: Float[np.ndarray, " rows"],
    series_offsets: Int[np.ndarray, " bounds"],
    training: Bool[np.ndarray, " rows"],
) -> list[float]:
    """Smoothing strength of each series, fitted on its training observations.

    A series with fewer than 10 of them gets the median strength of the others.

    Raises
    ------
    TooLittleDataError
        No series has 10 training observations.
    """
    strengths = []
    for begin, end in itertools.pairwise(series_offsets):
        known = begin + np.flatnonzero(training[begin:end] & ~np.isnan(values[begin:end]))
        enough = len(known) >= MIN_FITTED
        strengths.append(fit_strength(times[known], values[known]) if enough else np.nan)
    if np.isnan(strengths).all():
        raise TooLittleDataError(
            f"smoothing: no series has {MIN_FITTED} observed training values; lengthen the training part or "
            "give preprocess.smoothing.strength as a number"
        )
    return np.where(np.isnan(strengths), np.nanmedian(strengths), strengths).tolist()


def smooth(
    times: Float[np.ndarray, " rows"],
    values: Float[np.ndarray, " rows"],
    series_offsets: Int[np.ndarray, " bounds"],
    strengths: Sequence[float],
) -> Float[np.ndarray, " rows"]:
    """Filtered level at every observation; missing values stay missing, to be filled as any gap."""
    bounds = itertools.pairwise(series_offsets)
    parts = []
    for (begin, end), strength in zip(bounds, strengths, strict=True):
        level = filter_level(times[begin:end], values[begin:end], strength=strength)
        parts.append(np.where(np.isnan(values[begin:end]), np.nan, level))
    return np.concatenate(parts)


def strengths_of(series: Sequence[str], fitted: Mapping[str, float]) -> list[float]:
    """Strengths in the order of `series`; a series that was not there has the median of the others."""
    median = float(np.median(list(fitted.values())))
    return [fitted.get(name, median) for name in series]
