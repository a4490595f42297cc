"""Tables that `dvc plots` draws."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.artifacts import write_text
from spline_lstm.core.clock import Clock


def plot_times(clock: Clock, timestamps: Int[np.ndarray, " n"]) -> pd.Index:
    """Timestamps for a plot: texts on the wall clock of the zone, or the numbers of an index."""
    times = clock.to_pandas(timestamps)
    return times.strftime("%Y-%m-%dT%H:%M:%S") if isinstance(times, pd.DatetimeIndex) else times


def write_plot_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, floats to six significant digits.

    A missing number is written as nan, which interrupts a line: an empty cell would be drawn as 0.
    """
    write_text(
        path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n", na_rep="nan")
    )
