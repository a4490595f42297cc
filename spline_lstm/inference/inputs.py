"""Raw history to the inputs of a model, with the code and the constants of preprocessing.

A window at row t knows what has a timestamp before the instant of row t, and nothing after it is
needed: raw data cut at the origin of a window give that window again, bit for bit, and so do raw
data that go on. Where the origin of a series is, `spline_lstm.inference.start` says.

Known-future columns are the exception. Their rows from the origin on are in the history or in a
second table, see `spline_lstm.inference.future`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import DataContractError, TooLittleDataError, UsageError
from spline_lstm.core.formatting import plural
from spline_lstm.inference.forecast import ModelInputs
from spline_lstm.inference.future import ABSENT, check_rows_ahead, join_rows
from spline_lstm.inference.reading import read_rows, series_keys
from spline_lstm.inference.start import LAST_OBSERVED, GivenStart, forecast_origins
from spline_lstm.series.apply import apply
from spline_lstm.series.data_warnings import moved_text, unobserved_text
from spline_lstm.series.grid import lay_out
from spline_lstm.series.panel import MAX_NAMED, blank_series, short_series, without
from spline_lstm.series.table_facts import huge_values
from spline_lstm.tables.contract import raise_violations
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.gather import gather_future, gather_inputs, gather_targets
from spline_lstm.windows.preprocessor import Preprocessor


class NoForecastError(TooLittleDataError):
    """Series that cannot be forecast.

    Attributes
    ----------
    reasons : series -> why, one line
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(*_shortened(reasons))
        self.reasons = reasons


def serving_inputs(
    preprocessor: Preprocessor,
    history: pd.DataFrame,
    *,
    lookback: int,
    horizon: int,
    future: pd.DataFrame | None = None,
    start: GivenStart = LAST_OBSERVED,
    absent: str = ABSENT[0],
    where: str = "history",
    where_future: str = "future",
    tell_filled: bool = True,
) -> ModelInputs:
    """The inputs of a model at the forecast origin of each series, one window per series.

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
    start
        Where the forecast starts, see `forecast_origins`.
    absent : str
        What becomes of timestamps and series without a row ahead: ``error``, or ``blank``: their
        known-future columns are filled as the schema says for blank cells.
    where, where_future : str
        Names of the history and of `future` in messages.
    tell_filled : bool
        Warn if half or more of a lookback was not observed.

    Raises
    ------
    DataContractError
        The history or `future` breaks the data contract.
    MissingCovariateError
        A column that the model reads is missing, or a known-future column has a blank cell that
        its policy cannot fill, or rows ahead are absent.
    NoForecastError
        The history of a series is empty or shorter than the lookback, ends long before the forecast
        starts, or has a gap beyond `preprocess.max_gap` there. With `data.short_series` ``skip``
        such series are left out with a warning, as long as there are others.
    TooLittleDataError
        No target was observed.
    UsageError
        `start` or `absent` has none of its values.
    """
    if absent not in ABSENT:
        raise UsageError(f"absent is {absent!r}; give {' or '.join(ABSENT)}")
    lacking = _lacking(preprocessor, history)
    history = history.assign(**dict.fromkeys(lacking, np.nan))
    past = read_rows(preprocessor, history, where)
    request = _Request(
        preprocessor,
        # Rows ahead may have dates of their own; an observed clock follows its rule there.
        preprocessor.clock.extended(past.timestamps),
        lookback,
        horizon,
        future,
        start,
        absent,
        where,
        where_future,
        lacking,
        tell_filled,
    )
    reasons = _too_short(request, past)
    inputs = None
    while inputs is None:
        past, history = without(past, reasons), _rows_without(preprocessor, history, reasons)
        try:
            inputs = _inputs(request, past, history)
        except NoForecastError as error:
            if preprocessor.short_series == "error" or set(past.series_names) <= set(error.reasons):
                raise
            reasons |= error.reasons
    return replace(
        inputs,
        notes=(*inputs.notes, *_skipped_notes(preprocessor, past.series_names, where)),
        warnings=(
            *(f"{text}; it has no forecast" for text in _shortened(reasons)),
            *(
                f"{where} has no column {name!r}; its values are replaced by the policy of the "
                "schema"
                for name in lacking
            ),
            *inputs.warnings,
            *(f"{where}: {text}" for text in [moved_text(past.timestamps, request.clock)] if text),
        ),
    )


@dataclass(frozen=True)
class _Request:
    """Parameters of `serving_inputs`, the clock with the dates of the history, and `_lacking`."""

    preprocessor: Preprocessor
    clock: Clock
    lookback: int
    horizon: int
    future: pd.DataFrame | None
    start: GivenStart
    absent: str
    where: str
    where_future: str
    lacking: list[str]
    tell_filled: bool


def _inputs(request: _Request, past: RawTable, history: pd.DataFrame) -> ModelInputs:
    """The inputs of all series of a history, which is given as a table and as its rows.

    Raises
    ------
    NoForecastError
        Some of the series have no forecast.
    """
    preprocessor, clock, where = request.preprocessor, request.clock, request.where
    lookback, params = request.lookback, preprocessor.params
    origins = forecast_origins(past, len(preprocessor.targets), clock, request.start, where)
    instants = clock.timestamps_of(origins.rows)
    begins = dict(zip(past.series_names, instants.tolist(), strict=True))
    joined = join_rows(preprocessor, history, request.future, begins, where, request.where_future)
    table = past if request.future is None else read_rows(preprocessor, joined.frame, joined.name)
    # Rows of the history are read first, so what is left to find is in the others.
    raise_violations(huge_values(past, clock), where, {})
    if table is not past:
        raise_violations(huge_values(table, clock), request.where_future, {})
    _check_reach(past, origins.rows, request)
    until = int(clock.timestamps_of(origins.rows.max() + np.array([request.horizon]))[0])
    layout = lay_out(table, clock, params.snap, until=until)
    arrays = apply(table, preprocessor, layout=layout).arrays
    if [str(name) for name in arrays.feature_names] != list(preprocessor.features):
        raise DataContractError(
            f"{where} gives other features than preprocessor.json; use the files of one run"
        )
    first_rows = np.array([grid.first_row for grid in layout.grids], dtype=np.int64)
    rows = layout.row_offsets[:-1] + origins.rows - first_rows
    _check_history(arrays, rows, clock.texts_of(instants), table.series_names, request)
    filled = unobserved_text(arrays.observed, rows, lookback, table.series_names)
    ahead = rows[:, None] + np.arange(request.horizon)
    known = [item for item in preprocessor.known_future if item.name not in request.lacking]
    check_rows_ahead(joined, table, layout, ahead, preprocessor, known, request.absent)
    return ModelInputs(
        X=gather_inputs(arrays.scaled, arrays.causal, arrays.known_at, rows, lookback),
        X_future=gather_future(arrays.scaled, rows, request.horizon, arrays.future_indices),
        X_static=arrays.static_ids,
        timestamps=layout.timestamps[ahead],
        series=table.series_names,
        scaler_rows=preprocessor.scaler_rows(table.series_names),
        history=gather_targets(arrays, rows, lookback),
        notes=origins.notes,
        warnings=(f"{where}: {filled}",) if filled and request.tell_filled else (),
    )


def _too_short(request: _Request, past: RawTable) -> dict[str, str]:
    """Series that are empty or too short, with the reason, if others remain and the policy is so.

    Raises
    ------
    NoForecastError
        The policy is ``error``, and a column of a wide table is empty.
    """
    preprocessor, where, needed = request.preprocessor, request.where, request.lookback
    wide = preprocessor.source_schema.wide
    present = set(past.series_names)
    empty = [name for name in wide.columns if name not in present] if wide else []
    reasons = {each.name: f"{where}: {each}" for each in blank_series(empty, needed)}
    if reasons and preprocessor.short_series == "error":
        raise NoForecastError(reasons)
    if len(past.series_names) == 1 or preprocessor.short_series == "error":
        return reasons
    snap = preprocessor.params.snap
    short = short_series(past, request.clock, preprocessor.targets, snap=snap, needed=needed)
    if len(short) == len(past.series_names):
        return reasons
    return reasons | {each.name: f"{where}: {each}" for each in short}


def _rows_without(
    preprocessor: Preprocessor, history: pd.DataFrame, names: Collection[str]
) -> pd.DataFrame:
    if not names:
        return history
    return history[~np.isin(series_keys(preprocessor, history), list(names))]


def _shortened(reasons: Mapping[str, str]) -> list[str]:
    """One line per series, and one for those that are too many to be listed."""
    more = list(reasons)[MAX_NAMED:]
    if not more:
        return list(reasons.values())
    named = ", ".join(map(repr, more[:MAX_NAMED]))
    rest = f", and {len(more) - MAX_NAMED} others" if len(more) > MAX_NAMED else ""
    return [
        *list(reasons.values())[:MAX_NAMED],
        f"{len(more)} more series for such reasons: {named}{rest}",
    ]


def _skipped_notes(
    preprocessor: Preprocessor, series: Collection[str], where: str
) -> Iterator[str]:
    """Series with a forecast that were left out of the training."""
    for name in series:
        if name in preprocessor.skipped:
            yield (
                f"{where}: series {name!r} was too short for training, with "
                f"{preprocessor.skipped[name]} rows; it is forecast as an unknown series"
            )


def _lacking(preprocessor: Preprocessor, history: pd.DataFrame) -> list[str]:
    """Covariates that the schema does not require and the history does not have."""
    schema = preprocessor.schema
    covariates = (*schema.dynamic_covariates, *schema.static_covariates)
    return [item.name for item in covariates if item.name not in history.columns]


def _check_reach(past: RawTable, rows: Int[np.ndarray, " series"], request: _Request) -> None:
    """Refuse origins so long after the history that no row of the lookback has a value.

    The grid would reach up to them, however far that is.
    """
    clock, lookback = request.clock, request.lookback
    after = rows - clock.locate(past.timestamps[past.series_offsets[1:] - 1])[0] - 1
    starts = clock.texts_of(clock.timestamps_of(rows))
    limit = lookback + request.preprocessor.params.max_gap
    reasons = {
        past.series_names[index]: f"{_of(request.where, past.series_names[index])}: ends "
        f"{after[index]} rows before {starts[index]}, where the forecast starts, but needs the "
        f"{lookback} rows before it; give newer rows or another start"
        for index in np.flatnonzero(after > limit)
    }
    if reasons:
        raise NoForecastError(reasons)


def _check_history(
    arrays: AsOfArrays,
    rows: Int[np.ndarray, " series"],
    origins: list[str],
    series: tuple[str, ...],
    request: _Request,
) -> None:
    """Check that each series has `lookback` rows before its origin, and not too many in gaps."""
    reasons: dict[str, str] = {}
    preprocessor, lookback = request.preprocessor, request.lookback
    unborn = np.isnan(arrays.causal_target).any(axis=1) & ~arrays.valid
    allowed = preprocessor.options.max_missing_inputs
    for name, origin, row, start in zip(
        series, origins, rows.tolist(), arrays.series_offsets[:-1].tolist(), strict=True
    ):
        # An origin that was asked for may lie before the series.
        first = max(row - lookback, start)
        inputs = slice(first, max(row, first))
        in_gap = int((~arrays.valid[inputs]).sum())
        absent = min(lookback - min(row - start, lookback), lookback)
        if absent or in_gap > allowed * lookback or unborn[inputs].any():
            lacking = _missing_rows(absent, in_gap, origin, request)
            reasons[name] = f"{_of(request.where, name)}: {lacking}"
    if reasons:
        raise NoForecastError(reasons)


def _missing_rows(absent: int, in_gap: int, origin: str, request: _Request) -> str:
    """What a window lacks: rows before the history begins, and rows in gaps that are too long."""
    lookback, preprocessor = request.lookback, request.preprocessor
    count = absent + in_gap
    verb = "is" if count == 1 else "are"
    text = f"{count} of the {lookback} rows before {origin} {verb} missing"
    advice = "give rows without such a gap"
    if absent == lookback:
        text = f"starts at or after {origin}, where the forecast starts"
        advice = f"give the {plural(lookback, 'row')} before it, or a later start"
    elif absent:
        text += f": the history has {lookback - absent}"
        advice = f"give {lookback} rows of history or more"
    if in_gap:
        allowed = preprocessor.options.max_missing_inputs
        text += (
            f", {in_gap} of them in a gap of a target beyond preprocess.max_gap "
            f"{preprocessor.params.max_gap}"
        )
        text += f" (window.max_missing_inputs {allowed:g} of them may be)" if allowed else ""
        advice += ", without such a gap" if absent else ""
    return f"{text}; {advice}"


def _of(where: str, series: str) -> str:
    return f"{where}, series {series!r}" if series else where
