"""Seconds per million rows of the causal preprocessing steps, and the cost of twice the rows.

Run at the root: ``python -m benchmarks.series``. A ratio near 2 means that a step takes linear
time.
"""

import time
from collections.abc import Callable

import numpy as np

from spline_lstm.series.outliers import hampel
from spline_lstm.series.seasonal import causal_profile
from spline_lstm.series.smoothing import filter_level

ROWS = 500_000
ROUNDS = 3

STEPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hampel (window 24)": lambda values: hampel(values, window=24, threshold=5.0),
    "hampel (window 168)": lambda values: hampel(values, window=168, threshold=5.0),
    "filter_level": lambda values: filter_level(np.arange(len(values)), values, strength=10.0),
    "causal_profile (season 24)": lambda values: causal_profile(values, 24),
}


def make_series(rows: int) -> np.ndarray:
    """Hourly random walk with a daily wave; one value in ten is missing."""
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=rows)) + 5 * np.sin(2 * np.pi * np.arange(rows) / 24)
    values[rng.random(rows) < 0.1] = np.nan
    return values


def best_seconds(step: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> float:
    """Shortest of a few rounds: other processes can only add to it."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        step(values)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    """Print one line per step."""
    half, whole = make_series(ROWS), make_series(2 * ROWS)
    print(f"{'step':28s} {'s per 1e6 rows':>14s} {'2n / n':>7s}")
    for name, step in STEPS.items():
        n, twice = best_seconds(step, half), best_seconds(step, whole)
        print(f"{name:28s} {twice * 1e6 / (2 * ROWS):14.2f} {twice / n:7.2f}")


if __name__ == "__main__":
    main()
