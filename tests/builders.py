"""Builders of small data that the tests share: each value follows a formula to check by head."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spline_lstm.core.clock import Clock
from spline_lstm.core.params import PreprocessParams, TrainParams, WindowParams
from spline_lstm.core.params_data import DriftParams, OutliersParams, SmoothingParams, SplitParams
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema, parse_schema
from spline_lstm.models.config import ModelConfig
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.array_files import load_folder
from spline_lstm.windows.array_writing import Place, create, write_index, write_rows
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.windows import Windows, make_windows

ROOT = Path(__file__).resolve().parent.parent
HOUR = 3_600_000_000_000
START = 1_577_836_800_000_000_000  # 2020-01-01 00:00 UTC
HOURLY = Clock("fixed", anchor=START, step=HOUR)


def make_schema(**changes) -> Schema:
    """Column `time`, target `y`, and `changes` of top-level keys."""
    content = {"version": 1, "timestamp_col": "time", "target_cols": ["y"], **changes}
    return parse_schema(json.dumps(content), "schema.json")


def make_preprocess_params(
    *, train: float = 0.7, validation: float = 0.15, **changes
) -> PreprocessParams:
    """Hourly grid with loose limits, and `changes`."""
    values = {
        "feature_mode": "univariate",
        "frequency": "1h",
        "snap": 0.5,
        "fill": "linear",
        "season": None,
        "max_gap": 6,
        "was_missing": False,
        "outliers": OutliersParams(method="off", window=24, threshold=6.0),
        "smoothing": SmoothingParams(method="off", strength=None),
        "scaler": "standard",
        "scaler_scope": "global",
        "max_missing": 1.0,
        "longest_gap": None,
        "min_rows": 1,
        **changes,
    }
    values.setdefault("split", SplitParams(train=train, validation=validation, dates=None))
    values.setdefault("drift", DriftParams(mean_shift=0.5, std_ratio=1.5, psi=0.25, ks=0.2))
    return PreprocessParams(**values)


def make_window_params(**changes) -> WindowParams:
    """Lookback 5, horizon 2, every origin, and `changes`."""
    values = {
        "lookback": 5,
        "horizon": 2,
        "stride": 1,
        "embargo": None,
        "materialize": False,
        **changes,
    }
    return WindowParams(**values)


def make_table(series: dict[str, tuple], columns: tuple[str, ...] = ("y",)) -> RawTable:
    """A raw table from ``{name: (timestamps, values)}``.

    Timestamps increase; values are [rows] or [rows, columns].
    """
    timestamps = [np.asarray(part[0], dtype=np.int64) for part in series.values()]
    values = [
        np.asarray(part[1], dtype=np.float64).reshape(len(part[0]), len(columns))
        for part in series.values()
    ]
    return RawTable(
        timestamps=np.concatenate(timestamps),
        values=np.concatenate(values),
        columns=columns,
        series_offsets=np.cumsum([0, *(len(part) for part in timestamps)]),
        series_names=tuple(series),
        duplicates=0,
        unknown_columns=(),
    )


def hours(count: int) -> np.ndarray:
    """Hourly timestamps from 2020-01-01."""
    return START + HOUR * np.arange(count, dtype=np.int64)


def make_arrays(
    rows: int = 30, features: int = 3, targets: int = 1, series_rows: tuple[int, ...] = ()
) -> AsOfArrays:
    """Hourly arrays in which feature f of row r is 10 r + f, everywhere observed and valid."""
    counts = series_rows or (rows,)
    total = sum(counts)
    values = 10.0 * np.arange(total)[:, None] + np.arange(features)
    timestamps = np.concatenate([hours(count) for count in counts])
    longest = max(counts)
    return AsOfArrays(
        scaled=values.astype(np.float32),
        causal=(-values).astype(np.float32),
        known_at=np.repeat(np.arange(total, dtype=np.int32)[:, None], features, axis=1),
        valid=np.ones(total, dtype=bool),
        raw_target=values[:, :targets],
        filled_target=values[:, :targets],
        causal_target=-values[:, :targets],
        observed=np.ones((total, targets), dtype=bool),
        timestamps=timestamps,
        series_offsets=np.cumsum([0, *counts]),
        static_ids=np.zeros((len(counts), 0), dtype=np.int32),
        feature_names=np.array([f"f{index}" for index in range(features)]),
        target_indices=np.arange(targets, dtype=np.int32),
        split_instants=START + HOUR * np.array([round(0.7 * longest), round(0.85 * longest)]),
    )


def identity_scaler(features: int) -> Scaler:
    """z = x."""
    return Scaler("none", np.zeros(features), np.ones(features))


def make_preprocessor(**changes) -> Preprocessor:
    """Of one target y that is not scaled, without covariates, and `changes`."""
    values = {
        "table_schema": make_schema(),
        "params": make_preprocess_params(),
        "columns": ("y",),
        "features": ("y",),
        "target_indices": np.array([0], dtype=np.int32),
        "future_indices": np.array([], dtype=np.int32),
        "clock": HOURLY,
        "split_instants": START + HOUR * np.array([70, 85]),
        "series": ("",),
        "seasons": {},
        "strengths": {},
        "categories": {},
        "statics": {},
        "scaler": identity_scaler(1),
        "neutral": (0.0,),
        "constants": {},
        "reading": Reading(),
        **changes,
    }
    return Preprocessor(**values).identified()


def on_disk(folder: Path, parts: Sequence[AsOfArrays], preprocessor: Preprocessor) -> AsOfArrays:
    """The arrays of partitions, mapped from the files that they were written to."""
    rows = np.cumsum([0, *(len(each.timestamps) for each in parts)]).tolist()
    series = np.cumsum([0, *(len(each.series_offsets) - 1 for each in parts)]).tolist()
    bounds = zip(pairwise(rows), pairwise(series), strict=True)
    places = [Place(f"part {own[0]}", "", *own, *of_series) for own, of_series in bounds]
    create(folder, rows[-1], preprocessor)
    written = [
        write_rows(folder, place, each, preprocessor)
        for place, each in zip(places, parts, strict=True)
    ]
    write_index(folder, places, written, "")
    return load_folder(folder)


def no_limits(series: int = 1, targets: int = 1) -> ForecastLimits:
    """Limits that change nothing."""
    bounds = np.tile([-np.inf, np.inf], (targets, 1))
    return ForecastLimits(bounds, np.full((series + 1, targets), np.nan))


def make_all_windows(arrays: AsOfArrays, lookback: int = 5, horizon: int = 2) -> Windows:
    """Windows at every origin with enough rows on both sides, all in the train split."""
    origins = np.arange(lookback, len(arrays.timestamps) - horizon + 1)
    scaler = identity_scaler(len(arrays.feature_names))
    return Windows(
        arrays, scaler, HOURLY, lookback, horizon, origins, np.zeros(len(origins), dtype=np.uint8)
    )


def mutate(text: str, edits: list[tuple[float, int, str]]) -> str:
    """Apply edits ``(place in 0..1, characters removed, text put in)`` one after another."""
    for place, removed, added in edits:
        start = int(place * len(text))
        text = text[:start] + added + text[start + removed :]
    return text


def make_train_params(**changes) -> TrainParams:
    """The defaults with the given fields, small batches, a high rate and one thread."""
    return TrainParams(**({"batch_size": 32, "learning_rate": 1e-2, "threads": 1} | changes))


def make_config(**changes) -> ModelConfig:
    """A small LSTM that forecasts 2 rows of one target from 12."""
    fields: dict[str, Any] = {
        "model_type": "lstm",
        "hidden": (8,),
        "dropout": 0.0,
        "normalization": "last",
        "lookback": 12,
        "horizon": 2,
        "features": ("y",),
        "targets": ("y",),
        "target_indices": (0,),
    }
    return ModelConfig(**(fields | changes))


def windows_of(values, observed=None):
    """Hourly windows of one series without gaps; 60 % train, 20 % validation."""
    values = np.asarray(values, dtype=np.float32)[:, None]
    rows = len(values)
    observed = np.ones((rows, 1), dtype=bool) if observed is None else observed
    arrays = AsOfArrays(
        scaled=values,
        causal=values,
        known_at=np.arange(rows, dtype=np.int32)[:, None],
        valid=np.ones(rows, dtype=bool),
        raw_target=np.where(observed, values, np.nan).astype(np.float64),
        filled_target=np.asarray(values, np.float64),
        causal_target=np.asarray(values, np.float64),
        observed=observed,
        timestamps=np.arange(rows, dtype=np.int64) * HOUR,
        series_offsets=np.array([0, rows]),
        static_ids=np.zeros((1, 0), dtype=np.int32),
        feature_names=np.array(["y"]),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([rows * 6 // 10, rows * 8 // 10]) * HOUR,
    )
    scaler = Scaler("none", np.zeros(1), np.ones(1))
    return make_windows(
        arrays,
        scaler,
        HOURLY,
        WindowParams(lookback=12, horizon=2, stride=1, embargo=None, materialize=False),
    )
