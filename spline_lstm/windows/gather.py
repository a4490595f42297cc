"""The rows of many windows at once: inputs, known-future features, targets before each origin."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.lib.stride_tricks import sliding_window_view

from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.mapped import in_pieces


def gather_inputs(
    scaled: Any, causal: Any, known_at: Any, origins: Any, lookback: int, xp: Any = np
) -> Any:
    """X [windows, lookback, F_total] as known before each origin.

    One formula for NumPy and JAX: `xp` is the array namespace the arrays belong to.
    """
    if xp is not np:
        rows = origins[:, None] + xp.arange(-lookback, 0)
        return xp.where(known_at[rows] < origins[:, None, None], scaled[rows], causal[rows])
    first = origins - lookback
    known = are_known(known_at, first, lookback, origins)
    return np.where(known, rows_from(scaled, first, lookback), rows_from(causal, first, lookback))


def gather_future(
    scaled: Any, origins: Any, horizon: int, future_indices: Any, xp: Any = np
) -> Any:
    """X_future [windows, horizon, F_future]: features known in the future, of the label rows."""
    if xp is np and not len(future_indices):
        return np.empty((len(origins), horizon, 0), dtype=scaled.dtype)
    rows = origins[:, None] + xp.arange(horizon)
    return scaled[rows[:, :, None], future_indices]


def rows_from(
    values: Any, first: Int[np.ndarray, " windows"], count: int
) -> Shaped[np.ndarray, "windows count ..."]:
    """``values[first + i]`` for i from 0 to `count` - 1, of an array or of rows on disk."""
    if isinstance(values, np.ndarray) and len(values) >= count:
        # Rows that follow one another are copied together: a third of the time of one by one.
        return np.moveaxis(sliding_window_view(values, count, axis=0), -1, 1)[first]
    return values[first[:, None] + np.arange(count)]


def are_known(
    known_at: Any,
    first: Int[np.ndarray, " windows"],
    count: int,
    origins: Int[np.ndarray, " windows"],
) -> Bool[np.ndarray, "windows count features"]:
    """Whether each value of such rows is known before the origin of its window."""
    found = rows_from(known_at, first, count)
    # Both of one type: otherwise each number would be converted.
    return found < origins.astype(found.dtype)[:, None, None]


def gather_targets(
    arrays: AsOfArrays, origins: Int[np.ndarray, " windows"], lookback: int
) -> Float[np.ndarray, "windows lookback targets"]:
    """Targets before each origin as known there, data units, float64: `gather_inputs` unscaled."""
    known_at, indices = arrays.known_at, arrays.target_indices
    filled, causal = arrays.filled_target, arrays.causal_target
    # Targets that follow one another are a view.
    columns = slice(int(indices[0]), int(indices[-1]) + 1)
    side_by_side = np.array_equal(indices, np.arange(columns.start, columns.stop))
    known_at = known_at[:, columns] if side_by_side and isinstance(known_at, np.ndarray) else None

    def gather(own: Int[np.ndarray, " piece"]) -> tuple[np.ndarray]:
        first = own - lookback
        if known_at is None:
            rows = first[:, None] + np.arange(lookback)
            known = arrays.known_at[rows[:, :, None], indices] < own[:, None, None]
        else:
            known = are_known(known_at, first, lookback, own)
        values = (rows_from(each, first, lookback) for each in (filled, causal))
        return (np.where(known, *values),)

    (found,) = in_pieces(arrays, gather, origins)
    return found
