"""Inputs of windows in which every row of the clock was observed on time: nothing to be repaired.

Such a row is its own observation, known as soon as it has passed, whatever fills gaps elsewhere: so
its z-score is all that `spline_lstm.series.apply` would find by way of a grid.
"""

import numpy as np
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.inference.forecast import ModelInputs
from spline_lstm.inference.start import END, LAST_OBSERVED, GivenStart
from spline_lstm.series.data_warnings import moved_text
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.preprocessor import Preprocessor


def reads_values(preprocessor: Preprocessor) -> bool:
    """Whether the features are values of the targets, each of its own row alone."""
    params = preprocessor.params
    return (
        preprocessor.features == preprocessor.targets
        and preprocessor.scaler.power is None
        and params.outliers.method == "off"
        and params.smoothing.method == "off"
        and not any(preprocessor.seasons.values())
    )


def whole_inputs(
    preprocessor: Preprocessor,
    table: RawTable,
    *,
    lookback: int,
    horizon: int,
    start: GivenStart,
) -> ModelInputs | None:
    """What `spline_lstm.service.quick.quick_inputs` gives, None if a window is not whole."""
    skipped = preprocessor.skipped
    if start not in (LAST_OBSERVED, END) or not reads_values(preprocessor):
        return None
    clock = preprocessor.clock.extended(table.timestamps)
    if moved_text(table.timestamps, clock) or any(name in skipped for name in table.series_names):
        return None
    return whole_windows(table, preprocessor, clock, lookback, horizon)


def whole_windows(
    table: RawTable, preprocessor: Preprocessor, clock: Clock, lookback: int, horizon: int
) -> ModelInputs | None:
    """The inputs of the windows at the end of each series, None if one of them has a gap.

    Parameters
    ----------
    table : RawTable
        Of columns that `reads_values` is true of.
    preprocessor : Preprocessor
    clock : Clock
        Of the preprocessor, extended by the table.
    lookback, horizon : int
        The windows begin so many rows before the row after the last one, and end so many after it.
    """
    ends = table.series_offsets[1:]
    rows = clock.locate(table.timestamps[ends - 1])[0] + 1
    if (rows != rows[0]).any():
        return None
    # All series end at one row, and so have one window of the clock; before it one more row.
    instants = clock.timestamps_of(np.arange(rows[0] - lookback - 1, rows[0] + horizon))
    found = _window_rows(table, lookback, instants)
    if found is None:
        return None
    values = table.values[found]
    if np.isnan(values).any():
        return None
    names = table.series_names
    scaler_rows = preprocessor.scaler_rows(names)
    scores = preprocessor.scaler.transform(values, scaler_rows).astype(np.float32)
    return ModelInputs(
        X=scores,
        X_future=np.empty((len(names), horizon, 0), dtype=np.float32),
        X_static=np.empty((len(names), 0), dtype=np.int32),
        timestamps=np.tile(instants[lookback + 1 :], (len(names), 1)),
        series=names,
        scaler_rows=scaler_rows,
        history=values,
    )


def _window_rows(
    table: RawTable, lookback: int, instants: Int[np.ndarray, " instants"]
) -> Int[np.ndarray, "series lookback"] | None:
    """Rows of the table that are those of the clock; None if one is missing or beside its row.

    `instants` begin with the row before the windows: what lies between it and them would have to do
    with their first row.
    """
    begins = table.series_offsets[1:] - lookback
    if (begins < table.series_offsets[:-1]).any():
        return None
    rows = begins[:, None] + np.arange(lookback)
    if (table.timestamps[rows] != instants[1 : lookback + 1]).any():
        return None
    older = begins[begins > table.series_offsets[:-1]] - 1
    return None if (table.timestamps[older] > instants[0]).any() else rows
