"""Timestamps beside the rows of the grid: moved onto a row, or interpolated in time.

Moving an observation by d steps is wrong by d times the slope: a wave of 16 rows, sampled up to .45
steps beside them, is off by 17 % of its amplitude. Interpolated at the instants of the rows, with
every observation at its own time, it is off by 0.6 % (root mean square). Labels are observations
either way: that of a row is the nearest one, at most half a step away.
"""

from typing import Literal

import numpy as np
from jaxtyping import Int

from spline_lstm.core.clock import Clock

INTERPOLATE, AUTO = "interpolate", "auto"
Snap = float | Literal["interpolate", "auto"]
HALF = 0.5
# Root mean square distance from the rows, in steps, above which ``auto`` interpolates.
LARGEST_JITTER = 0.05


def reach(snap: Snap) -> float:
    """Steps up to which an observation stands for its nearest row."""
    return HALF if isinstance(snap, str) else snap


def jitter(timestamps: Int[np.ndarray, " observations"], clock: Clock) -> float:
    """Root mean square distance of timestamps from their nearest rows, in steps; 0 without any."""
    if not len(timestamps):
        return 0.0
    _, after, step = clock.locate(timestamps)
    return float(np.sqrt(np.mean((np.minimum(after, step - after) / step) ** 2)))
