"""Raw table of daily bars to arrays, the constants that scale them, and what is odd about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import bind
from spline_lstm.core.errors import DataContractError, TooLittleDataError
from spline_lstm.core.formatting import listed, plural
from spline_lstm.core.params import Params
from spline_lstm.core.params_data import SplitParams
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema, load_schema
from spline_lstm.core.stage_files import CheckedTable
from spline_lstm.core.timestamps import parse_instant
from spline_lstm.market.bars import Bars, bars_of, check_bars, missing_cells
from spline_lstm.market.features import NAMES
from spline_lstm.market.labels import FEWEST
from spline_lstm.market.panel import Panel, make_panel, to_arrays
from spline_lstm.market.preprocessor import DirectionPreprocessor
from spline_lstm.market.settings import refuse
from spline_lstm.market.windows import reach
from spline_lstm.tables.check_table import check_table
from spline_lstm.tables.raw_file import find_raw, name_of_copy
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.scaling import Scaler, fit_scaler

# Return of one day beyond which a split or an error is more likely than a trade.
LARGEST_MOVE = 0.4
# Days between two bars beyond which they are not daily: a weekend and a holiday are 4.
LARGEST_STEP = 4
NO_FEATURES = np.empty(0, dtype=np.int32)


@dataclass(frozen=True)
class PreprocessedBars:
    """What the stage preprocess writes of daily bars.

    Attributes
    ----------
    arrays : AsOfArrays
    preprocessor : DirectionPreprocessor
    quality : dict
        Content of metrics/data.json.
    """

    arrays: AsOfArrays
    preprocessor: DirectionPreprocessor
    quality: dict[str, Any]

    @property
    def text(self) -> str:
        """Size of the table and of the arrays, and every warning."""
        quality = self.quality
        warnings = "".join(f"\nWARNING: {text}" for text in quality["warnings"])
        return (
            f"{quality['rows']} rows in, {quality['grid_rows']} trading days of "
            f"{plural(len(quality['symbols']), 'symbol')} out, {len(NAMES)} features; "
            f"{plural(len(quality['warnings']), 'warning')} in metrics/data.json{warnings}"
        )

    def write(self, pipeline: Pipeline) -> None:
        """Write the arrays and the constants."""
        self.arrays.save(pipeline.processed)
        self.preprocessor.save(pipeline.preprocessor)


def check_direction_table(content: bytes, folder: Path, params: Params) -> CheckedTable:
    """Part `ingest` of the task: read the raw table, and check its prices and volumes.

    Raises
    ------
    DataContractError
        The table breaks the contract, or has impossible prices.
    """
    checked = check_table(content, folder, params)
    schema, reading = load_schema(folder / params.data.schema_file), Reading.of(params.data)
    table = read_raw_table(content, schema, where=params.data.source, reading=reading)
    check_bars(table, params.direction.columns, params.data.source)
    return checked


def check_params(params: Params) -> None:
    """Raise ParamsError for settings of the data that the task does not follow."""
    preprocess = params.preprocess
    changes = {
        "window.horizon to 1 (direction.horizon is how far ahead the label looks)": (
            params.window.horizon != 1
        ),
        "window.max_missing_inputs to 0": params.window.max_missing_inputs > 0,
        "preprocess.outliers.method to off": preprocess.outliers.method != "off",
        "preprocess.smoothing.method to off": preprocess.smoothing.method != "off",
        "preprocess.was_missing to false": preprocess.was_missing,
        "preprocess.scaler_scope to global": preprocess.scaler_scope != "global",
    }
    refuse(changes)


def preprocess_direction(folder: Path, params: Params) -> PreprocessedBars:
    """Part `preprocess` of the task: the raw table of a folder; errors as in `preprocess_bars`."""
    schema, raw = load_schema(folder / params.data.schema_file), find_raw(Pipeline(folder))
    where = name_of_copy(raw, params.data.source)
    reading = Reading.of(params.data)
    table = read_raw_table(raw.read_bytes(), schema, where=where, reading=reading)
    return preprocess_bars(table, schema, params, where=where)


def preprocess_bars(
    table: RawTable,
    schema: Schema,
    params: Params,
    *,
    where: str,
    clock: Clock | None = None,
    instants: Int[np.ndarray, " two_or_three"] | None = None,
) -> PreprocessedBars:
    """Compute the features of all symbols, and fit their scaling on the training split.

    Parameters
    ----------
    table, schema, params
    where : str
        Name of the raw table in messages.
    clock : Clock, optional
        Bound to data; by default that of the params, bound to the table.
    instants : [2 or 3] int64, optional
        Starts of the later splits; by default as `params.preprocess.split` says.

    Raises
    ------
    DataContractError
        Prices are impossible, or there are too few rows.
    TooLittleDataError
        No symbol has enough days, or one has not and `data.short_series` is ``error``.
    ParamsError
        A setting does not go with the task.
    """
    check_params(params)
    columns = params.direction.columns
    check_bars(table, columns, where)
    _check_size(table, params, where)
    whole = bars_of(table, columns, params.data.time_zone)
    bars, short = long_enough(whole, params, where)
    clock = clock or bind(params.clock, table.timestamps)
    if instants is None:
        instants = split_instants(bars, params.preprocess.split, clock.zone)
    panel = make_panel(bars, clock)
    # Whether a symbol lasts long enough may be decided after the training split, so all count in
    # what is fitted on it.
    scaler = fit_scaling(make_panel(whole, clock) if short else panel, instants, params)
    preprocessor = direction_preprocessor(panel.symbols, scaler, schema, params, clock, instants)
    return PreprocessedBars(
        to_arrays(panel, scaler, instants),
        preprocessor,
        _quality(table, bars, short, params, clock),
    )


def fit_scaling(panel: Panel, instants: Int[np.ndarray, " two_or_three"], params: Params) -> Scaler:
    """Scaling of the features, fitted on the training split."""
    return fit_scaler(panel.features[training_rows(panel, instants)], params.preprocess.scaler)


def direction_preprocessor(
    symbols: tuple[str, ...],
    scaler: Scaler,
    schema: Schema,
    params: Params,
    clock: Clock,
    instants: Int[np.ndarray, " two_or_three"],
) -> DirectionPreprocessor:
    """The preprocessor of `symbols`."""
    return DirectionPreprocessor(
        table_schema=schema,
        params=params.preprocess,
        columns=params.direction.columns.names,
        features=NAMES,
        target_indices=NO_FEATURES,
        future_indices=NO_FEATURES,
        clock=clock,
        split_instants=instants,
        series=symbols,
        seasons={},
        strengths={},
        categories={},
        statics={},
        scaler=scaler,
        neutral=(0.0,) * len(NAMES),
        constants={},
        reading=Reading.of(params.data),
    ).identified()


def apply_bars(table: RawTable, preprocessor: DirectionPreprocessor, params: Params) -> AsOfArrays:
    """Arrays of another table with constants that were fitted before: nothing is fitted.

    Symbols that are too short for a window are left out; their order is that of the table.
    """
    bars = usable_bars(table, preprocessor, params)
    clock = preprocessor.clock.extended(table.timestamps)
    return to_arrays(make_panel(bars, clock), preprocessor.scaler, preprocessor.split_instants)


def usable_bars(table: RawTable, preprocessor: DirectionPreprocessor, params: Params) -> list[Bars]:
    """The symbols of another table that are long enough for a window, in its order.

    Raises
    ------
    TooLittleDataError
        There is none.
    """
    bars = bars_of(table, params.direction.columns, preprocessor.reading.time_zone)
    bars = [each for each in bars if len(each) >= reach(params.window) + 1]
    if not bars:
        raise TooLittleDataError(
            f"no symbol has the {reach(params.window) + 1} trading days that a window looks at; "
            "bring more history"
        )
    return bars


def training_rows(
    panel: Panel, instants: Int[np.ndarray, " two_or_three"]
) -> Bool[np.ndarray, " rows"]:
    """Rows of days before the validation split of which all features are known."""
    return panel.known & (panel.timestamps < instants[0])


def split_instants(
    bars: Sequence[Bars], params: SplitParams, zone: str | None
) -> Int[np.ndarray, " two_or_three"]:
    """Starts of the validation and the test split, and its end if a third date sets it.

    Shares count the dates that any symbol has, so that the splits of all begin on the same date.
    """
    if params.dates is not None:
        wanted = [parse_instant(str(each), zone) for each in params.dates]
        return np.array(wanted, dtype=np.int64)
    days = np.unique(np.concatenate([each.timestamps for each in bars]))
    shares = (params.train, params.train + params.validation)
    return days[[round(share * len(days)) for share in shares]]


def long_enough(
    bars: Sequence[Bars], params: Params, where: str
) -> tuple[tuple[Bars, ...], dict[str, int]]:
    """The symbols with a window and its label, and the days of the others.

    Raises
    ------
    TooLittleDataError
        There is none, or one is too short and `data.short_series` is ``error``.
    """
    needed = reach(params.window) + 1 + params.direction.horizon
    kept = tuple(each for each in bars if len(each) >= needed)
    short = {each.symbol: len(each) for each in bars if len(each) < needed}
    if not kept or (short and params.data.short_series == "error"):
        names = listed([f"{name!r} ({days} days)" for name, days in short.items()])
        raise TooLittleDataError(
            f"{where}: a symbol needs {needed} trading days; too few has {names}; bring more data"
            + (", or set data.short_series to skip" if kept else "")
        )
    return kept, short


def _check_size(table: RawTable, params: Params, where: str) -> None:
    rows, least = len(table.timestamps), params.preprocess.min_rows
    if rows < least:
        raise DataContractError(
            f"{where}: {rows} rows are fewer than preprocess.min_rows {least}; bring more data"
        )


def _quality(
    table: RawTable, bars: Sequence[Bars], short: dict[str, int], params: Params, clock: Clock
) -> dict[str, Any]:
    missing = missing_cells(table, params.direction.columns)
    warnings = [
        *_short_text(short),
        *_missing_text(missing),
        *_moves_text(bars, params),
        *_steps_text(bars, params),
        *_volumes_text(bars),
        *_median_text(bars, params),
    ]
    return {
        "rows": len(table.timestamps) + table.duplicates,
        "duplicates": table.duplicates,
        "grid_rows": sum(map(len, bars)),
        "symbols": {
            each.symbol: {
                "days": len(each),
                "first": str(each.dates[0]),
                "last": str(each.dates[-1]),
            }
            for each in bars
        },
        "skipped": short,
        "missing_cells": missing,
        "clock_note": clock.note(),
        "warnings": warnings,
        "warning_summary": warnings,
    }


def _short_text(short: dict[str, int]) -> list[str]:
    names = listed([f"{name!r} ({days} days)" for name, days in short.items()])
    return [f"symbols too short for a window are left out: {names}"] if short else []


def _missing_text(missing: dict[str, int]) -> list[str]:
    counts = listed([f"{name} {count}" for name, count in missing.items()])
    if not missing:
        return []
    return [
        f"missing cells: {counts}; a day without a close is left out, a missing open, high or low "
        "is the close, a missing volume that of the day before"
    ]


def _moves_text(bars: Sequence[Bars], params: Params) -> list[str]:
    """Days that look like a split that nobody adjusted for."""
    found = [
        f"{each.symbol} {each.dates[day + 1]}".strip()
        for each in bars
        for day in np.flatnonzero(
            np.abs(each.close[1:] / each.close[:-1] - 1.0) > LARGEST_MOVE
        ).tolist()
    ]
    if not found:
        return []
    adjusted = params.direction.columns.adjusted_close is not None
    remedy = "check them" if adjusted else "name an adjusted close if these are splits"
    return [
        f"closes that move by more than {100 * LARGEST_MOVE:.0f} % in a day: {listed(found)}; "
        f"{remedy}"
    ]


def _steps_text(bars: Sequence[Bars], params: Params) -> list[str]:
    """Bars of weeks or months, which nothing here forbids."""
    steps = np.concatenate([np.diff(each.dates) for each in bars]).astype(np.int64)
    step = float(np.median(steps))
    if step <= LARGEST_STEP:
        return []
    return [
        f"bars are {step:g} days apart: what is called a day here is a bar, and the label looks "
        f"{params.direction.horizon} bars ahead"
    ]


def _volumes_text(bars: Sequence[Bars]) -> list[str]:
    """A volume that is not known, written as 0."""
    empty = float(np.mean(np.concatenate([each.volume for each in bars]) == 0.0))
    if empty <= 0.5:
        return []
    return [f"the volume is 0 on {100 * empty:.0f} % of the days: features of volumes say little"]


def _median_text(bars: Sequence[Bars], params: Params) -> list[str]:
    if params.direction.label != "median" or len(bars) >= FEWEST:
        return []
    return ["direction.label is median, but one symbol has no median to beat"]
