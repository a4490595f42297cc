"""Raw history to the inputs of a model, with the code and the constants of preprocessing.

The forecast origin of a series is the first row of the clock after its last timestamp: a window at
row t knows what has a timestamp before the instant of row t, so all of the history is used and
nothing after it is needed. Raw data cut at the origin of a window therefore give that window again,
bit for bit.

Known-future columns are the exception. Their rows from the origin on are in a second table.
"""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import DataContractError, MissingCovariateError, TooLittleDataError
from spline_lstm.inference.forecast import ModelInputs
from spline_lstm.inference.reading import check_future, read_rows
from spline_lstm.series.apply import apply
from spline_lstm.series.grid import Layout, gap_length, lay_out, on_grid
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.tables.timestamp_columns import in_time_zone, read_timestamps
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import gather_future, gather_inputs, gather_targets

# Policies of the schema by which an empty cell has a meaning, so that it is not a gap.
EMPTY_MEANS_SOMETHING = ("zero", "unknown_token")
MAX_NAMED = 3


def serving_inputs(
    preprocessor: Preprocessor,
    history: pd.DataFrame,
    *,
    lookback: int,
    horizon: int,
    future: pd.DataFrame | None = None,
    where: str = "history",
    where_future: str = "future",
) -> ModelInputs:
    """The inputs of a model at the end of the history of each series, one window per series.

    Parameters
    ----------
    preprocessor : Preprocessor
        Of the model; nothing is fitted again.
    history : DataFrame
        Raw rows, from `history_frame`. The complete history of a series gives the
        window of the pipeline bit for bit. Seasonal fills, smoothing and the outlier rule look far
        back; all else needs only the lookback and the gap that may lie before it.
    lookback, horizon : int
        Rows, of the model.
    future : DataFrame
        Timestamps, series keys and the known-future columns, from the origin to the end of the
        horizon, from `future_frame`; rows before the origin are ignored.
    where, where_future : str
        Names of the history and of `future` in messages.

    Raises
    ------
    DataContractError
        The history or `future` breaks the data contract.
    MissingCovariateError
        A column that the model reads is missing, or a known-future column does not cover the
        horizon.
    TooLittleDataError
        The history of a series is shorter than the lookback, or has a gap beyond
        `preprocess.max_gap` in it.
    """
    past = read_rows(preprocessor, history, where)
    # Rows ahead may have dates of their own; an observed clock follows its rule there.
    clock = preprocessor.clock.extended(past.timestamps)
    first_rows = _origin_rows(past, clock)
    origins = clock.timestamps_of(first_rows)
    table = past
    if future is not None:
        ahead = _rows_ahead(past, origins, future, preprocessor)
        # Check these rows first, so that a message names rows of their own table.
        if len(ahead):
            check_future(preprocessor, ahead, where_future)
        table = read_rows(
            preprocessor, pd.concat([history, ahead]), f"{where} with the rows of {where_future}"
        )
    params = preprocessor.params
    until = int(clock.timestamps_of(first_rows.max() + np.array([horizon]))[0])
    layout = lay_out(table, clock, params.snap, until=until)
    arrays = apply(table, preprocessor, layout=layout).arrays
    if [str(name) for name in arrays.feature_names] != list(preprocessor.features):
        raise DataContractError(
            f"{where} gives other features than preprocessor.json; use the files of one run"
        )
    begins = np.array([grid.first_row for grid in layout.grids], dtype=np.int64)
    rows = layout.row_offsets[:-1] + first_rows - begins
    _check_history(arrays, rows, table.series_names, lookback, clock, params.max_gap, where)
    _check_future(table, layout, rows, horizon, preprocessor, where)
    return ModelInputs(
        X=gather_inputs(arrays.scaled, arrays.causal, arrays.known_at, rows, lookback),
        X_future=gather_future(arrays.scaled, rows, horizon, arrays.future_indices),
        X_static=arrays.static_ids,
        timestamps=layout.timestamps[rows[:, None] + np.arange(horizon)],
        series=table.series_names,
        scaler_rows=preprocessor.scaler_rows(table.series_names),
        history=gather_targets(arrays, rows, lookback),
    )


def _origin_rows(table: RawTable, clock: Clock) -> Int[np.ndarray, " series"]:
    """First row of the clock after the last timestamp of each series."""
    return clock.locate(table.timestamps[table.series_offsets[1:] - 1])[0] + 1


def _rows_ahead(
    past: RawTable,
    origins: Int[np.ndarray, " series"],
    future: pd.DataFrame,
    preprocessor: Preprocessor,
) -> pd.DataFrame:
    """The rows of `future` at and after the origins; rows of other series are left out."""
    schema = preprocessor.schema
    if schema.timestamp_col is None:
        # Rows without a timestamp continue those of the history.
        return future
    starts = dict(zip(past.series_names, origins.tolist(), strict=True))
    keys = (
        [""] * len(future) if schema.series_col is None else future[schema.series_col].astype("str")
    )
    start = np.array([starts.get(key, np.iinfo(np.int64).max) for key in keys], dtype=np.int64)
    codes = pd.factorize(np.array(keys, dtype=object))[0]
    timestamps = read_timestamps(future, schema, codes, "future")
    faulty = np.zeros(len(future), dtype=bool)
    for mask in (mask for rules in timestamps.faults.values() for mask in rules.values()):
        faulty |= mask
    instants = (
        timestamps.values
        if faulty.any()
        else in_time_zone(timestamps, codes, preprocessor.reading)[0]
    )
    # Unreadable timestamps are kept, so that reading reports them.
    return future[(instants >= start) | faulty]


def _check_history(
    arrays: AsOfArrays,
    rows: np.ndarray,
    series: tuple[str, ...],
    lookback: int,
    clock: Clock,
    max_gap: int,
    where: str,
) -> None:
    """Check that each series has `lookback` rows before its origin without too long a gap."""
    found = []
    for name, row, start in zip(
        series, rows.tolist(), arrays.series_offsets.tolist(), strict=False
    ):
        in_gap = int((~arrays.valid[max(row - lookback, start) : row]).sum())
        missing = max(lookback - (row - start), 0) + in_gap
        gap = (
            f", {in_gap} of them in a gap of a target beyond preprocess.max_gap {max_gap}"
            if in_gap
            else ""
        )
        if missing:
            origin = clock.text_of(int(arrays.timestamps[row]))
            found.append(
                f"{_of(where, name)}: {missing} of the {lookback} rows before {origin} are missing"
                f"{gap}; give more rows of history, without such a gap"
            )
    if found:
        raise TooLittleDataError(*found)


def _of(where: str, series: str) -> str:
    return f"{where}, series {series!r}" if series else where


def _check_future(
    table: RawTable,
    layout: Layout,
    rows: np.ndarray,
    horizon: int,
    preprocessor: Preprocessor,
    where: str,
) -> None:
    """Check that known-future columns cover the horizon without a gap beyond `max_gap`."""
    found = []
    ahead = rows[:, None] + np.arange(horizon)
    for item in preprocessor.known_future:
        policy = item.missing or preprocessor.schema.missing_policy.dynamic_covariates
        if policy in EMPTY_MEANS_SOMETHING:
            continue
        unknown = _unknown(
            layout,
            table.values[:, table.columns.index(item.name)],
            ahead,
            preprocessor.params.max_gap,
        )
        for index in np.flatnonzero(unknown.any(axis=1)):
            timestamps = layout.timestamps[ahead[index][unknown[index]]]
            named = ", ".join(layout.clock.texts_of(timestamps[:MAX_NAMED]))
            more = f" and {len(timestamps) - MAX_NAMED} more" if len(timestamps) > MAX_NAMED else ""
            found.append(
                f"{_of(where, table.series_names[index])}: {item.name!r} is a known-future column, "
                f"but has no value at {named}{more}; give its values for the whole horizon as "
                "future rows"
            )
    if found:
        raise MissingCovariateError(*found)


def _unknown(
    layout: Layout,
    values: Float[np.ndarray, " observations"],
    ahead: Int[np.ndarray, "series horizon"],
    max_gap: int,
) -> Bool[np.ndarray, "series horizon"]:
    """Rows ahead without an observation that do not lie in a gap that is filled.

    An observation off the grid counts for the next row.
    """
    placed, present = layout.place(values)
    times = np.sort(placed.times)
    starts = np.searchsorted(times, layout.row_offsets[:-1] - 0.5)
    at = ahead.ravel()
    last = np.append(times, -np.inf)[np.searchsorted(times, at) - 1]
    inside = (gap_length(times, at.astype(np.float64), starts) <= max_gap) | (at - last < 1)
    return (np.isnan(on_grid(placed, present, layout.rows))[at] & ~inside).reshape(ahead.shape)
