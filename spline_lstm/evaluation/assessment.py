"""How the model does on the test part: forecasts of all test windows, beside the baselines.

Windows pass in batches, so memory is bounded by the batch and not by the number of windows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Int

from spline_lstm.artifacts import write_atomically
from spline_lstm.evaluation.baselines import drift, moving_average, naive
from spline_lstm.evaluation.examples import Example, evenly_spaced, pick, window_rmse
from spline_lstm.evaluation.metrics import seasonal_naive_scale
from spline_lstm.evaluation.ridge import Sample, fit_ridge
from spline_lstm.evaluation.scores import MODEL, ScoreSums, merge, sum_errors
from spline_lstm.models.forecaster import Model
from spline_lstm.params import EvaluateParams
from spline_lstm.series.scaling import Scaler
from spline_lstm.windows import Batch, Windows

WINDOWS_PER_BATCH = 8192
# Floor of the robust MAPE: this share of the mean absolute observed training target.
EPSILON_SHARE = 0.01
# Ridge has few weights: it gains nothing from more windows, which would only take memory.
RIDGE_WINDOWS = 50_000

Forecasts = dict[str, Float[np.ndarray, "windows horizon targets"]]


@dataclass(frozen=True)
class TestBatch:
    """Forecasts and truth of some test windows, data units.

    Attributes
    ----------
    history : [windows, lookback, targets] as known before the origin
    y_true : [windows, horizon, targets] NaN where not observed
    forecasts : name -> [windows, horizon, targets]; the model's under `MODEL`
    origin_time : [windows] int64, ns since 1970 UTC
    series : [windows] int64
    """

    __test__ = False

    history: Float[np.ndarray, "windows lookback targets"]
    y_true: Float[np.ndarray, "windows horizon targets"]
    forecasts: Forecasts
    origin_time: Int[np.ndarray, " windows"]
    series: Int[np.ndarray, " windows"]

    @property
    def mask(self) -> Bool[np.ndarray, "windows horizon targets"]:
        """True where the truth was observed."""
        return ~np.isnan(self.y_true)


def forecast_test_part(model: Model, windows: Windows, params: EvaluateParams) -> Iterator[TestBatch]:
    """Forecasts of all test windows by the model and the baselines, in batches, in the order of the origins."""
    baselines = make_baselines(windows, params)
    for batch in windows.batches("test", WINDOWS_PER_BATCH):
        history = history_of(windows, batch)
        forecasts = {MODEL: forecast_of(model, windows, batch)}
        forecasts |= {name: forecast(history) for name, forecast in baselines.items()}
        truth = labels_of(windows, batch)
        yield TestBatch(history, truth, forecasts, batch.origin_time, batch.series)


def forecast_of(model: Model, windows: Windows, batch: Batch) -> Float[np.ndarray, "windows horizon targets"]:
    """Point forecasts of the model, data units."""
    return windows.to_data_units(model.predict(*_inputs(model, batch)), batch.series)


def _inputs(model: Model, batch: Batch) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """X, and X_future and X_static where the network reads them."""
    config = model.config
    return batch.X, batch.X_future if config.future_features else None, batch.X_static if config.static_sizes else None


def make_baselines(
    windows: Windows, params: EvaluateParams
) -> dict[str, Callable[[np.ndarray], Float[np.ndarray, "windows horizon targets"]]]:
    """Baselines by name; ridge is fitted on the training windows, its penalty chosen on validation."""
    horizon = windows.horizon
    train, validation = (_sample(windows, split) for split in ("train", "validation"))
    average_over = min(params.moving_average, windows.lookback)
    return {
        "naive": lambda history: naive(history, horizon),
        "moving_average": lambda history: moving_average(history, horizon, average_over),
        "drift": lambda history: drift(history, horizon),
        "ridge": fit_ridge(train, validation).predict,
    }


def _sample(windows: Windows, split: str) -> Sample:
    origins = windows.splits[split]
    batch = windows.gather_origins(origins[evenly_spaced(len(origins), RIDGE_WINDOWS)])
    truth = labels_of(windows, batch)
    return Sample(history_of(windows, batch), np.nan_to_num(truth), ~np.isnan(truth))


def history_of(windows: Windows, batch: Batch) -> Float[np.ndarray, "windows lookback targets"]:
    """Targets of the lookback as known before the origin, data units."""
    targets = batch.X[:, :, windows.arrays.target_indices].astype(np.float64)
    return windows.target_scaler.inverse(targets, batch.series)


def labels_of(windows: Windows, batch: Batch) -> Float[np.ndarray, "windows horizon targets"]:
    """Raw observations of the horizon, data units, NaN where there is none."""
    return windows.arrays.raw_target[batch.origin[:, None] + np.arange(windows.horizon)]


def season_scales(windows: Windows, season: int) -> Float[np.ndarray, "series targets"]:
    """Scale of MASE: error of the seasonal naive forecast on the training part of each series."""
    arrays = windows.arrays
    scales = []
    for start, end in zip(arrays.series_offsets[:-1], arrays.series_offsets[1:], strict=True):
        train = start + np.flatnonzero(arrays.timestamps[start:end] < arrays.split_instants[0])
        columns = zip(arrays.raw_target[train].T, arrays.observed[train].T, strict=True)
        scales.append([seasonal_naive_scale(values, observed, season) for values, observed in columns])
    return np.array(scales)


def percentage_floor(windows: Windows) -> Float[np.ndarray, " targets"]:
    """Floor of the robust MAPE for each target, data units."""
    train = windows.arrays.timestamps < windows.arrays.split_instants[0]
    mean = np.nanmean(np.abs(windows.arrays.raw_target[train]), axis=0)
    return EPSILON_SHARE * np.where(mean > 0, mean, 1.0)


@dataclass(frozen=True)
class Assessment:
    """What is kept of the test part.

    Attributes
    ----------
    sums : ScoreSums
        Sums over all windows, for the metrics.
    examples : list of Example
        The best, the median and the worst window (first target).
    residuals : [windows, horizon] float32, forecast - observed of the first target, NaN where not observed
    """

    sums: ScoreSums
    examples: list[Example]
    residuals: Float[np.ndarray, "windows horizon"]


def assess(
    model: Model, windows: Windows, params: EvaluateParams, *, predictions: Path, series_names: tuple[str, ...]
) -> Assessment:
    """Score the model on the test part and write every forecast to the Parquet file `predictions`."""
    # One scale for all series, also where each is scaled alone: errors of series are to be compared.
    epsilon, scale = percentage_floor(windows), windows.target_scaler.overall.scale
    sums: list[ScoreSums] = []
    errors: list[np.ndarray] = []
    complete: list[np.ndarray] = []
    residuals: list[np.ndarray] = []

    def pass_over_windows(path: Path) -> None:
        with pq.ParquetWriter(path, PREDICTIONS) as writer:
            for batch in forecast_test_part(model, windows, params):
                writer.write_table(prediction_rows(batch, windows, series_names))
                sums.append(_sums(batch, epsilon, len(series_names)))
                errors.append(window_rmse(batch.y_true, batch.forecasts[MODEL], batch.mask, scale))
                complete.append(np.all(batch.mask, axis=(1, 2)))
                residuals.append((batch.forecasts[MODEL] - batch.y_true)[:, :, 0].astype(np.float32))

    write_atomically(predictions, pass_over_windows)
    chosen = pick(np.concatenate(errors), np.concatenate(complete))
    examples = [_example(label, place, model, windows, series_names) for label, place in chosen.items()]
    return Assessment(reduce(merge, sums), examples, np.concatenate(residuals))


def _sums(batch: TestBatch, epsilon: np.ndarray, n_series: int) -> ScoreSums:
    return sum_errors(
        batch.y_true, batch.mask, batch.forecasts, epsilon=epsilon, series=batch.series, n_series=n_series
    )


def _example(label: str, place: int, model: Model, windows: Windows, series_names: tuple[str, ...]) -> Example:
    batch = windows.gather_origins(windows.splits["test"][place : place + 1])
    history = history_of(windows, batch)
    return Example(
        label=label,
        series=series_names[int(batch.series[0])],
        origin_time=int(batch.origin_time[0]),
        history=history[0, :, 0],
        y_true=labels_of(windows, batch)[0, :, 0],
        y_pred=forecast_of(model, windows, batch)[0, :, 0],
        naive=naive(history, windows.horizon)[0, :, 0],
    )


PREDICTIONS = pa.schema(
    [
        ("series", pa.string()),
        ("origin", pa.timestamp("ns", tz="UTC")),
        ("step", pa.int32()),
        ("timestamp", pa.timestamp("ns", tz="UTC")),
        ("y_true", pa.float64()),
        ("y_pred", pa.float64()),
        ("target", pa.string()),
    ]
)


def prediction_rows(batch: TestBatch, windows: Windows, series_names: tuple[str, ...]) -> pa.Table:
    """One row per window, step and target; data units, `y_true` null where not observed."""
    count, horizon, targets = batch.y_true.shape
    step = np.tile(np.repeat(np.arange(horizon), targets), count)
    origin = np.repeat(batch.origin_time, horizon * targets)
    columns = [
        pa.array(np.array(series_names, dtype=object)[np.repeat(batch.series, horizon * targets)], pa.string()),
        pa.array(origin.view("datetime64[ns]"), PREDICTIONS.field("origin").type),
        pa.array(step + 1, pa.int32()),
        pa.array((origin + step * windows.step_ns).view("datetime64[ns]"), PREDICTIONS.field("timestamp").type),
        pa.array(batch.y_true.reshape(-1), pa.float64(), from_pandas=True),
        pa.array(batch.forecasts[MODEL].reshape(-1), pa.float64()),
        pa.array(list(windows.target_names) * (count * horizon), pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=PREDICTIONS)


def golden_arrays(model: Model, windows: Windows, count: int) -> dict[str, np.ndarray]:
    """Evenly spaced test windows with the model's forecasts: the reference for exported files.

    The forecasts are those of the inputs as they are stored, rounded to float32 in data units, which is all
    that an exported file is given.

    Returns
    -------
    dict
        history [windows, lookback, F_total], forecast and truth [windows, horizon, F_target];
        float32, data units, `truth` NaN where not observed. Where the model has them also
        future [windows, horizon, F_future] float32, data units, static [windows, n_static] int32, ids, and
        quantiles [windows, horizon, F_target, levels] float32, data units, increasing.
    """
    origins = windows.splits["test"]
    batch = windows.gather_origins(origins[evenly_spaced(len(origins), count)])
    X, X_future, X_static = _inputs(model, batch)
    history, X = _rounded(windows.scaler, X, batch.series)
    arrays = {"history": history, "truth": labels_of(windows, batch).astype(np.float32)}
    if X_future is not None:
        arrays["future"], X_future = _rounded(
            windows.scaler.columns(windows.arrays.future_indices), X_future, batch.series
        )
    if X_static is not None:
        arrays["static"] = X_static
    forecast = windows.to_data_units(model.predict(X, X_future, X_static), batch.series)
    arrays["forecast"] = forecast.astype(np.float32)
    if model.config.quantiles:
        levels = np.moveaxis(model.predict_quantiles(X, X_future, X_static), 2, 0)
        quantiles = [windows.to_data_units(level, batch.series) for level in levels]
        arrays["quantiles"] = np.stack(quantiles, axis=-1).astype(np.float32)
    return arrays


def _rounded(scaler: Scaler, z: np.ndarray, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs in data units, float32, and what the network reads of them, z-scores."""
    values = scaler.inverse(z.astype(np.float64), series).astype(np.float32)
    return values, scaler.transform(values.astype(np.float64), series).astype(np.float32)
