"""Arrays of a body straight to the inputs of a model, where nothing is odd.

Reading timestamps and cells by pandas takes several times as long as all that comes after it. Here
plain timestamps and numbers become a `RawTable` at once, and windows without gaps beyond the limits
become inputs. Everything else is left to `spline_lstm.inference.inputs`, which also says what is
wrong; a test compares the bits of both ways.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.time_zones import UTC
from spline_lstm.inference.forecast import ModelInputs
from spline_lstm.inference.start import GivenStart, forecast_origins
from spline_lstm.series.apply import apply
from spline_lstm.series.data_warnings import moved_text
from spline_lstm.series.grid import lay_out
from spline_lstm.service.rows import Rows
from spline_lstm.tables.contract import LARGEST_VALUE
from spline_lstm.tables.raw_table import RawTable, rows_of
from spline_lstm.windows.gather import gather_future, gather_inputs, gather_targets
from spline_lstm.windows.preprocessor import Preprocessor

WHERE = "history"
# Lowest and highest character at each place of a plain timestamp, whose end a line feed marks.
LOWEST, HIGHEST = b"0000-00-00 00:00:00Z\n", b"9999-19-39T29:59:59Z\n"
# Where a character has no others between its lowest and highest one.
DATE_END, ZONE = 10, 19
# With the Z and without: the lowest characters, and how far the highest ones are above them.
FORMS = {
    len(low): (low, high - low)
    for low, high in (
        [np.frombuffer(text.replace(zone, b""), dtype=np.uint8) for text in (LOWEST, HIGHEST)]
        for zone in (b"", b"Z")
    )
}
# Observations before a window that may shape it: a spline of gaps reaches over four at most.
NEIGHBOURS = 8
# Rows up to which all are read: cutting the table takes as long as what it saves.
FEW = 1_000
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
    # A body has texts or whole numbers, never both.
    if not all(isinstance(rows.timestamps[0], str) for rows in ordered):
        return None
    offsets = np.cumsum([0, *(len(rows.timestamps) for rows in ordered)], dtype=np.int64)
    instants = _instants([text for rows in ordered for text in rows.timestamps], preprocessor)
    values = _values(ordered, targets)
    is_huge = (np.abs(values) > LARGEST_VALUE).any()
    if instants is None or is_huge or not _increase(instants, offsets):
        return None
    return RawTable(
        timestamps=instants,
        values=values,
        columns=targets,
        series_offsets=offsets,
        series_names=tuple(rows.name if schema.series_col else "" for rows in ordered),
        duplicates=0,
        unknown_columns=(),
    )


def _values(series: Sequence[Rows], targets: Sequence[str]) -> Float[np.ndarray, "rows targets"]:
    """Targets of all series, NaN where they are missing."""
    columns = [
        _joined([np.array(rows.columns[name], dtype=np.float64) for rows in series])
        for name in targets
    ]
    return columns[0][:, None] if len(columns) == 1 else np.stack(columns, axis=1)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _instants(
    timestamps: Sequence[str], preprocessor: Preprocessor
) -> Int[np.ndarray, " rows"] | None:
    """Instants of plain timestamps, ns; None if they are not plain."""
    text = "\n".join(timestamps).encode() + b"\n"
    in_zone = text[ZONE : ZONE + 1] != b"Z"
    if in_zone and preprocessor.reading.time_zone not in (None, UTC):
        return None
    width = len(LOWEST) - in_zone
    if len(text) != width * len(timestamps):
        return None
    lowest, room = FORMS[width]
    characters = np.frombuffer(text, dtype=np.uint8).reshape(-1, width)
    # As each line feed is at the end of a row, each timestamp is a row. Differences below 0 wrap to
    # large ones.
    if (characters - lowest > room).any():
        return None
    date_end = characters[:, DATE_END]
    if ((date_end != ord(" ")) & (date_end != ord("T"))).any():
        return None
    plain = np.ascontiguousarray(characters[:, :ZONE]).view(f"S{ZONE}")[:, 0]
    try:
        seconds = plain.astype("datetime64[s]").astype(np.int64)
    except ValueError:
        # The 30th of February.
        return None
    return seconds * 10**9 if FIRST <= seconds.min() <= seconds.max() < LAST else None


def _increase(instants: Int[np.ndarray, " rows"], offsets: Int[np.ndarray, " bounds"]) -> bool:
    """Within each series."""
    steps = instants[1:] - instants[:-1]
    steps[offsets[1:-1] - 1] = 1
    return bool((steps > 0).all())


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
    table = recent_rows(table, preprocessor, clock, origins.rows - lookback)
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


def recent_rows(
    table: RawTable, preprocessor: Preprocessor, clock: Clock, begins: Int[np.ndarray, " series"]
) -> RawTable:
    """The table without rows that are too old for the windows, whose bits stay the same.

    Parameters
    ----------
    table, preprocessor, clock
    begins : [series] int64
        Row of the clock with which each window begins.
    """
    params = preprocessor.params
    looks_far = (
        params.outliers.method != "off"
        or params.smoothing.method != "off"
        or any(season is not None for season in preprocessor.seasons.values())
    )
    if looks_far or len(table.timestamps) <= FEW:
        return table
    starts, series = table.series_offsets[:-1], table.series
    is_older = table.timestamps < clock.timestamps_of(begins)[series]
    firsts = starts + np.add.reduceat(is_older.astype(np.int64), starts)
    known = np.concatenate([[0], np.cumsum(~np.isnan(table.values).any(axis=1))])
    kept = np.searchsorted(known, known[firsts] - NEIGHBOURS)
    return rows_of(table, np.arange(len(series)) >= np.maximum(kept, starts)[series])
