"""The scorer of task forecast: the exported file of a model, without JAX."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.inference.forecast import Forecast, ModelInputs, make_forecast
from spline_lstm.inference.intervals import level_name
from spline_lstm.inference.reading import history_frame, instants_of, read_rows, series_keys
from spline_lstm.inference.start import LAST_OBSERVED
from spline_lstm.series.apply import apply
from spline_lstm.store.predictions import Scored
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.gather import gather_future, gather_inputs, gather_targets
from spline_lstm.windows.origins import find_origins
from spline_lstm.windows.preprocessor import Preprocessor

# The float32 file; the other one answers if the first is not there.
FILES = ("model.onnx", "model.tflite")
WINDOWS_PER_BATCH = 4096


@dataclass(frozen=True)
class ForecastScorer:
    """An exported forecaster with a raw table.

    Attributes
    ----------
    forecaster : ExportedForecaster
    frame : DataFrame
        The raw table, see `spline_lstm.inference.reading.history_frame`.
    instants : [rows] int64
        Of the rows of `frame`.
    unread : [rows] bool
        Rows whose timestamp cannot be read: they break the data contract at any time.
    where : str
        Name of the table in messages.
    """

    forecaster: ExportedForecaster
    frame: pd.DataFrame
    instants: Int[np.ndarray, " rows"]
    unread: Bool[np.ndarray, " rows"]
    where: str

    @property
    def model_id(self) -> str:
        """Run id of the trained model."""
        return str(self.forecaster.metadata["run_id"])

    @property
    def clock(self) -> Clock:
        """Of the preprocessor."""
        return self.preprocessor.clock

    @property
    def preprocessor(self) -> Preprocessor:
        """Constants of preprocessing."""
        return self.forecaster.preprocessor

    @property
    def unseen_from(self) -> int:
        """Start of the test split."""
        return int(self.preprocessor.split_instants[1])

    def score(self, end: int, absent: str) -> Scored:
        """One forecast per series, from the row after its last observed target before `end`.

        A series without enough rows is left out and named, as long as there are others.
        """
        known = self._known(end)
        try:
            return self._scored(self._forecast(known, absent), known)
        except TooLittleDataError:
            kept, left_out = self._enough(known, absent)
            if not kept.any() or kept.all():
                raise
        known = known[kept]
        return self._scored(self._forecast(known, absent), known, left_out)

    def _known(self, end: int) -> pd.DataFrame:
        """Rows before an instant, and after it those of the horizon with what is known ahead."""
        past = self.unread | (self.instants < end)
        if not past.any():
            raise TooLittleDataError(
                f"{self.where}: no row is before {self.clock.text_of(end)}; give a later date"
            )
        schema = self.preprocessor.schema
        future = {item.name for item in schema.dynamic_covariates if item.known_future}
        if not future & {*self.frame.columns}:
            return self.frame[past]
        row = self._clock_at(past).first_rows(np.array([end], dtype=np.int64))
        horizon = int(self.forecaster.metadata["horizon"])
        until = int(self._clock_at(past).timestamps_of(row + horizon)[0])
        kept = past | (self.instants <= until)
        unknown = [
            *schema.target_cols,
            *(item.name for item in schema.dynamic_covariates if item.name not in future),
        ]
        known, is_past = self.frame[kept], past[kept]
        names = [name for name in unknown if name in known.columns]
        return known.assign(**{name: known[name].where(is_past) for name in names})

    def _clock_at(self, past: Bool[np.ndarray, " rows"]) -> Clock:
        """The clock with the dates of some rows, which an observed clock may not know yet."""
        return self.clock.extended(self.instants[past & ~self.unread])

    def _forecast(self, known: pd.DataFrame, absent: str) -> Forecast:
        return self.forecaster.predict(known, start=LAST_OBSERVED, absent=absent, where=self.where)

    def _enough(
        self, known: pd.DataFrame, absent: str
    ) -> tuple[Bool[np.ndarray, " rows"], list[str]]:
        """Rows of the series that can be forecast, and why the others cannot be."""
        keys = series_keys(self.preprocessor, known)
        kept, left_out = np.zeros(len(known), dtype=bool), []
        for name in dict.fromkeys(keys):
            rows = keys == name
            try:
                self._forecast(known[rows], absent)
            except TooLittleDataError as error:
                left_out += [f"{line}: it has no forecast" for line in error.lines]
            else:
                kept |= rows
        return kept, left_out

    def _scored(
        self, forecast: Forecast, known: pd.DataFrame, left_out: list[str] | None = None
    ) -> Scored:
        """A forecast as rows, one per series, step and target."""
        past = np.isin(self.frame.index, known.index)
        clock = self._clock_at(past)
        windows, horizon, targets = forecast.point.shape
        origins = clock.nearest(forecast.timestamps[:, 0])
        ts = clock.timestamps_of(origins - 1)
        content = {
            "symbol": np.repeat(np.array(forecast.series, dtype=object), horizon * targets),
            "target": np.tile(np.array(forecast.targets, dtype=object), windows * horizon),
            "ts": np.repeat(ts, horizon * targets),
            "step": np.tile(np.repeat(np.arange(1, horizon + 1), targets), windows),
            "timestamp": np.repeat(forecast.timestamps.ravel(), targets),
            "score": forecast.point.astype(np.float64).ravel(),
        }
        levels = tuple(self.forecaster.metadata["quantiles"])
        for name, values in _further(forecast, levels):
            content[name] = values.astype(np.float64).ravel()
        return Scored(
            pd.DataFrame(content),
            (str(self.forecaster.metadata["model_type"]),),
            (*forecast.warnings, *forecast.notes, *(left_out or ())),
        )

    def errors(self, start: int) -> pd.DataFrame:
        """Squared errors of the forecasts of every row from `start` and an embargo on."""
        metadata = self.forecaster.metadata
        lookback, horizon = int(metadata["lookback"]), int(metadata["horizon"])
        preprocessor = self.preprocessor
        # As a forecast does: a covariate that is not required and not there has no value.
        lacking = set(preprocessor.schema.covariate_names) - {*self.frame.columns}
        rows = self.frame.assign(**dict.fromkeys(sorted(lacking), np.nan))
        table = read_rows(preprocessor, rows, self.where)
        arrays = apply(table, preprocessor).arrays
        allowed = preprocessor.options.max_missing_inputs
        origins = find_origins(arrays, lookback, horizon, 1, allowed)
        # No input of a compared window is a label of the training: an embargo of one horizon.
        clock = preprocessor.clock.extended(table.timestamps)
        first = clock.first_rows(np.array([start], dtype=np.int64)) + horizon
        origins = origins[arrays.timestamps[origins] >= clock.timestamps_of(first)[0]]
        parts = [
            self._window_errors(arrays, origins[begin : begin + WINDOWS_PER_BATCH], clock)
            for begin in range(0, len(origins), WINDOWS_PER_BATCH)
        ]
        if not parts:
            raise TooLittleDataError(
                f"{self.where}: no window is after {clock.text_of(start)}; bring more data"
            )
        return pd.concat(parts).set_index(["ts", "symbol", "target"])

    def _window_errors(
        self, arrays: AsOfArrays, origins: Int[np.ndarray, " windows"], clock: Clock
    ) -> pd.DataFrame:
        inputs = self._inputs(arrays, origins)
        point = self._point(inputs)
        ahead = origins[:, None] + np.arange(point.shape[1])
        error = point - arrays.raw_target[ahead]
        observed = ~np.isnan(error)
        names = self._series_of(arrays, origins)
        targets = self.preprocessor.targets
        ts = clock.timestamps_of(clock.nearest(arrays.timestamps[origins]) - 1)
        return pd.DataFrame(
            {
                "ts": np.repeat(ts, len(targets)),
                "symbol": np.repeat(np.array(names, dtype=object), len(targets)),
                "target": np.tile(np.array(targets, dtype=object), len(origins)),
                "squared": np.nansum(error**2, axis=1).ravel(),
                "count": observed.sum(axis=1).astype(np.float64).ravel(),
                "scale": self.forecaster.scales_of(names).ravel(),
            }
        )

    def _point(self, inputs: ModelInputs) -> Float[np.ndarray, "windows horizon targets"]:
        forecaster = self.forecaster
        forecast = make_forecast(
            forecaster.outputs(inputs),
            inputs,
            None,
            tuple(forecaster.metadata["quantiles"]),
            tuple(forecaster.metadata["targets"]),
            self.preprocessor.limits,
        )
        return forecast.point.astype(np.float64)

    def _inputs(self, arrays: AsOfArrays, origins: Int[np.ndarray, " windows"]) -> ModelInputs:
        metadata, names = self.forecaster.metadata, self._series_of(arrays, origins)
        lookback, horizon = int(metadata["lookback"]), int(metadata["horizon"])
        scaled = arrays.scaled
        return ModelInputs(
            X=gather_inputs(scaled, arrays.causal, arrays.known_at, origins, lookback),
            X_future=gather_future(scaled, origins, horizon, arrays.future_indices),
            X_static=arrays.static_ids[arrays.row_series[origins]],
            timestamps=arrays.timestamps[origins[:, None] + np.arange(horizon)],
            series=names,
            scaler_rows=self.preprocessor.scaler_rows(names),
            history=gather_targets(arrays, origins, lookback),
        )

    def _series_of(
        self, arrays: AsOfArrays, origins: Int[np.ndarray, " windows"]
    ) -> tuple[str, ...]:
        return tuple(self._names[index] for index in arrays.row_series[origins].tolist())

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Series of the table, in the order of its arrays."""
        return read_rows(self.preprocessor, self.frame, self.where).series_names


def _further(
    forecast: Forecast, quantile_levels: tuple[float, ...]
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and values of the columns beside the score."""
    for number, level in enumerate(forecast.levels):
        for side, bound in (("lower", forecast.lower), ("upper", forecast.upper)):
            yield f"{side}_{level_name(level)}", bound[..., number]
    if forecast.quantiles is not None:
        for number, level in enumerate(quantile_levels):
            yield f"quantile_{level_name(100 * level)}", forecast.quantiles[..., number]


def forecast_scorer(folder: Path, source: bytes, where: str) -> ForecastScorer:
    """The exported model of a folder with a raw table.

    Parameters
    ----------
    folder : Path
        Of a registered model, or a pipeline folder.
    source : bytes
        The raw table, CSV text or Parquet.
    where : str
        Name of the table in messages.
    """
    pipeline = Pipeline(folder)
    path = next(
        (pipeline.exported / name for name in FILES if (pipeline.exported / name).is_file()),
        pipeline.exported / FILES[0],
    )
    forecaster = ExportedForecaster.load(path, pipeline.preprocessor)
    preprocessor = forecaster.preprocessor
    frame = history_frame(preprocessor, source, where)
    instants, unread = instants_of(preprocessor, frame, where)
    return ForecastScorer(forecaster, frame, instants, unread, where)
