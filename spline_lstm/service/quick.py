"""Arrays of a body straight to the inputs of a model, where nothing is odd.

Reading timestamps and cells by pandas takes several times as long as all that comes after it. Here
plain timestamps and numbers become a `RawTable` at once, and windows without gaps beyond the limits
become inputs. Everything else is left to `spline_lstm.inference.inputs`, which also says what is
wrong; a test compares the bits of both ways.
"""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.time_zones import UTC
from spline_lstm.inference.forecast import ModelInputs
from spline_lstm.inference.start import GivenStart, forecast_origins
from spline_lstm.series.apply import apply
from spline_lstm.series.data_warnings import moved_text
from spline_lstm.series.grid import lay_out
from spline_lstm.service.rows import Rows
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import gather_future, gather_inputs, gather_targets

WHERE = "history"
PLAIN = r"\d{4}-[01]\d-[0-3]\d[ T][0-2]\d:[0-5]\d:[0-5]\d"
NAIVE = re.compile(rf"(?:{PLAIN}\n)+").fullmatch
ZULU = re.compile(rf"(?:{PLAIN}Z\n)+").fullmatch
# Years that all clocks count in, as seconds since 1970.
FIRST, LAST = (np.datetime64(f"{year}-01-01", "s").astype(np.int64) for year in (1700, 2200))


def plain_table(series: Sequence[Rows], preprocessor: Preprocessor) -> RawTable | None:
    """The raw table of series, None if something is odd: pandas reads it then.

    Plain are targets without covariates, and increasing timestamps such as
    ``2024-03-01T06:00:00Z``, or without the Z where they are in UTC.
    """
    schema = preprocessor.schema
    if schema.dynamic_covariates or schema.static_covariates or schema.is_indexed:
        return None
    targets = schema.target_cols
    ordered = sorted(series, key=lambda rows: rows.name) if schema.series_col else series
    if any(rows.future or rows.columns.keys() != {*targets} for rows in ordered):
        return None
    if schema.series_col is not None and any(not rows.name.strip() for rows in ordered):
        return None
    instants = [_instants(rows.timestamps, preprocessor.reading.time_zone) for rows in ordered]
    known = [each for each in instants if each is not None]
    if len(known) < len(instants):
        return None
    values = np.array(
        [[cell for rows in ordered for cell in rows.columns[name]] for name in targets],
        dtype=np.float64,
    )
    sizes = [len(rows.timestamps) for rows in ordered]
    return RawTable(
        timestamps=np.concatenate(known),
        values=np.ascontiguousarray(values.T),
        columns=targets,
        series_offsets=np.cumsum([0, *sizes], dtype=np.int64),
        series_names=tuple(rows.name if schema.series_col else "" for rows in ordered),
        duplicates=0,
        unknown_columns=(),
    )


def _instants(timestamps: list[str] | list[int], zone: str | None) -> np.ndarray | None:
    """Increasing instants of plain timestamps, int64 ns; None if they are not plain."""
    if not isinstance(timestamps[0], str):
        return None
    text = "\n".join(map(str, timestamps)) + "\n"
    if text.count("\n") != len(timestamps):
        return None
    if ZULU(text):
        timestamps = text.replace("Z", "").split("\n")[:-1]
    elif zone not in (None, UTC) or not NAIVE(text):
        return None
    try:
        seconds = np.array(timestamps, dtype="datetime64[s]").astype(np.int64)
    except ValueError:
        # The 30th of February.
        return None
    if (np.diff(seconds) <= 0).any() or not FIRST <= seconds[0] <= seconds[-1] < LAST:
        return None
    return seconds * 10**9


def quick_inputs(
    preprocessor: Preprocessor,
    table: RawTable,
    *,
    lookback: int,
    horizon: int,
    start: GivenStart,
) -> ModelInputs | None:
    """What `serving_inputs` gives for a table in which every window is complete, else None.

    Parameters
    ----------
    preprocessor, lookback, horizon, start
        As in `spline_lstm.inference.inputs.serving_inputs`.
    table : RawTable
        With several series of one name, each is forecast as if it were the only one.
    """
    names = table.series_names
    if any(name in preprocessor.skipped for name in names):
        return None
    clock = preprocessor.clock.extended(table.timestamps)
    try:
        origins = forecast_origins(table, len(preprocessor.targets), clock, start, WHERE)
    except SplineLstmError:
        return None
    moved = moved_text(table.timestamps, clock)
    # What is said counts series, and those of one name are forecast each as the only one.
    is_counted = len(set(names)) < len(names) and (origins.notes or moved)
    last = clock.locate(table.timestamps[table.series_offsets[1:] - 1])[0]
    is_late = (origins.rows - last - 1 > lookback + preprocessor.params.max_gap).any()
    if is_counted or is_late:
        return None
    until = int(clock.timestamps_of(origins.rows.max() + np.array([horizon]))[0])
    layout = lay_out(table, clock, preprocessor.params.snap, until=until)
    arrays = apply(table, preprocessor, layout=layout).arrays
    if [str(name) for name in arrays.feature_names] != list(preprocessor.features):
        return None
    first_rows = np.array([grid.first_row for grid in layout.grids], dtype=np.int64)
    rows: Int[np.ndarray, " series"] = layout.row_offsets[:-1] + origins.rows - first_rows
    before = rows[:, None] - 1 - np.arange(lookback)
    if (before.min(axis=1) < arrays.series_offsets[:-1]).any() or not arrays.valid[before].all():
        return None
    return ModelInputs(
        X=gather_inputs(arrays.scaled, arrays.causal, arrays.known_at, rows, lookback),
        X_future=gather_future(arrays.scaled, rows, horizon, arrays.future_indices),
        X_static=arrays.static_ids,
        timestamps=layout.timestamps[rows[:, None] + np.arange(horizon)],
        series=names,
        scaler_rows=preprocessor.scaler_rows(names),
        history=gather_targets(arrays, rows, lookback),
        notes=origins.notes,
        warnings=(f"{WHERE}: {moved}",) if moved else (),
    )
