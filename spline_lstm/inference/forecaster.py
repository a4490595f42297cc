"""`Forecaster`: fit, predict, save and load, with the code of the pipeline stages."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd

from spline_lstm.core.artifacts import write_json, write_text
from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.schema import Schema
from spline_lstm.inference.arguments import (
    inferred_params,
    params_of,
    read_frame,
    schema_of,
    split_instants_of,
    zone_of,
)
from spline_lstm.inference.calibration import calibrate
from spline_lstm.inference.forecast import Forecast, forecast_windows
from spline_lstm.inference.frames import forecast_frame, in_zone_of
from spline_lstm.inference.history import check_saved, read_history, write_history
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.intervals import Intervals, load_intervals
from spline_lstm.inference.reading import future_frame, history_frame, read_rows
from spline_lstm.inference.sklearn_api import Estimator, check_type, not_fitted
from spline_lstm.inference.start import LAST_OBSERVED, GivenStart
from spline_lstm.models.jax_setup import configure_threads
from spline_lstm.models.saved_model import SavedModel, load_last_weights, load_model, save_model
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.training.fit import fit_table
from spline_lstm.training.loop import Evaluation
from spline_lstm.windows.preprocessor import Preprocessor


class Forecaster(Estimator):
    """Forecasts of one or many time series from a frame, with prediction intervals.

    It follows the conventions of scikit-learn: arguments are stored as given, `fit` sets the
    attributes that end with an underscore, `clone` copies only the arguments.

    Parameters
    ----------
    target : str or sequence of str
        Columns to forecast.
    timestamp : str
        Column of the timestamps (or level of the index).
    series : str, optional
        Column that identifies the series.
    frequency : str, optional
        The clock of the rows: 5min, 1h, D, B, MS, ...; by default inferred from the timestamps,
        in their time zone.
    horizon, lookback : int, optional
        Rows to forecast (6), rows that a forecast looks back on (24).
    covariates, known_future, static : sequences of str
        Columns known up to the forecast, columns with a known future, and properties of a series.
    calendar : sequence of str
        Functions of the timestamp: hour_sin, hour_cos, dow_sin, dow_cos, doy_*, month_*.
    model : str, optional
        lstm, gru, attention_lstm or linear.
    hidden : sequence of int, optional
        Units of each recurrent layer.
    max_epochs, seed : int, optional
    levels : sequence of float, optional
        Prediction intervals in percent (80, 95).
    validation : float, optional
        Share at the end of the time span (0.15) that stops the training and calibrates the
        intervals.
    schema : Schema, optional
        A full covariate schema instead of the names of columns.
    params : Params or mapping, optional
        Complete params of a pipeline, or changed values by dotted key:
        ``{"preprocess.fill": "seasonal"}``.

    Attributes
    ----------
    schema_ : Schema
    params_ : Params
        None if a loaded folder has no params.yaml.
    preprocessor_ : Preprocessor
    model_ : SavedModel
    intervals_ : Intervals
        None if a loaded folder has none.
    training_ : list of Evaluation
        Record of each evaluation of the training; empty after `load`.
    history_ : DataFrame
        The rows that `predict` continues.

    Examples
    --------
    >>> forecaster = Forecaster("demand", series="store", horizon=24)  # doctest: +SKIP
    >>> forecaster.fit(frame).predict()  # doctest: +SKIP
    """

    schema_: Schema
    params_: Params | None
    preprocessor_: Preprocessor
    model_: SavedModel
    intervals_: Intervals | None
    training_: list[Evaluation]

    def __init__(
        self,
        target: str | Sequence[str] | None = None,
        *,
        timestamp: str = "timestamp",
        series: str | None = None,
        frequency: str | None = None,
        horizon: int | None = None,
        lookback: int | None = None,
        covariates: Sequence[str] = (),
        known_future: Sequence[str] = (),
        static: Sequence[str] = (),
        calendar: Sequence[str] = (),
        model: str | None = None,
        hidden: Sequence[int] | None = None,
        max_epochs: int | None = None,
        seed: int | None = None,
        levels: Sequence[float] | None = None,
        validation: float | None = None,
        schema: Schema | None = None,
        params: Params | Mapping[str, Any] | None = None,
    ) -> None:
        self.target, self.timestamp, self.series = target, timestamp, series
        self.frequency, self.horizon, self.lookback = frequency, horizon, lookback
        self.covariates, self.known_future = covariates, known_future
        self.static, self.calendar = static, calendar
        self.model, self.hidden, self.max_epochs, self.seed = model, hidden, max_epochs, seed
        self.levels, self.validation, self.schema, self.params = levels, validation, schema, params

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "preprocessor_")

    def fit(self, frame: pd.DataFrame, y: None = None) -> Self:
        """Fit preprocessing, network and intervals on a frame, from scratch.

        The targets are columns of the frame; `y` is ignored, scikit-learn passes it.

        The last `validation` share of the time span stops the training and calibrates the
        intervals. There is no test split: use the pipeline and its backtest for that.

        Raises
        ------
        SplineLstmError
            As in the stages of the pipeline: arguments (2, 10, 11), the frame (12, 13, 14), or the
            training (16). Repeated timestamps in a series break the data contract unless `params`
            sets ``data.duplicates``.
        """
        check_type(frame, "fit")
        schema = self.schema or self._schema_for(frame)
        table = read_frame(frame, schema, self.params)
        params = self._params_for(table, schema, zone_of(frame, schema))
        configure_threads(params.train.threads)
        history: list[Evaluation] = []
        fit = fit_table(
            table,
            schema,
            params,
            where="frame",
            instants=split_instants_of(table, params),
            needed=("train", "validation"),
            on_evaluation=history.append,
        )
        self.schema_, self.params_, self.training_ = schema, params, history
        self.preprocessor_ = fit.preprocessed.preprocessor
        self.model_, self.intervals_ = fit.model, calibrate(fit.model, fit.windows, params.evaluate)
        self._last = fit.trained.last
        self._history = history_frame(self.preprocessor_, frame, "frame")
        return self

    def predict(
        self,
        history: pd.DataFrame | None = None,
        future: pd.DataFrame | None = None,
        *,
        start: GivenStart = LAST_OBSERVED,
        absent: str = "error",
    ) -> pd.DataFrame:
        """The result of `forecast` as a table, with the same parameters and errors.

        Returns
        -------
        DataFrame
            Indexed by series and timestamp; for each target its forecast and the bounds of its
            intervals (``demand``, ``demand_lower_80``, ``demand_upper_80``), and for an ensemble
            the standard deviation of its members (``demand_ensemble_std``), data units. Timestamps
            have the time zone of the history, and that of the pipeline if the history has them as
            text; of an index they are whole numbers.
        """
        rows = self._rows(history)
        table = forecast_frame(
            self._forecast(rows, future, start, absent), self.preprocessor_.clock
        )
        schema = self.preprocessor_.source_schema
        if schema.wide is not None or not isinstance(schema.timestamp_col, str):
            return table
        return in_zone_of(table, rows[schema.timestamp_col])

    def forecast(
        self,
        history: pd.DataFrame | None = None,
        future: pd.DataFrame | None = None,
        *,
        start: GivenStart = LAST_OBSERVED,
        absent: str = "error",
    ) -> Forecast:
        """Forecast the horizon of each series from its origin on.

        Parameters
        ----------
        history : DataFrame, optional
            Raw rows up to the forecast, in the format of `fit`; by default `history_`. Nothing is
            fitted on it.
        future : DataFrame, optional
            Timestamps, series and known-future columns of the rows to forecast.
        start : str, int or datetime
            ``last-observed``: after the last observed target of each series; ``end``: after its
            last timestamp; a timestamp: from there on, and no target from there on is used.
        absent : str
            Timestamps and series to forecast without a row in `future`: ``error``, or ``blank``:
            as if their cells were blank, which the schema's policy of the column fills.

        Returns
        -------
        Forecast
            One window per series; float64, data units.

        Raises
        ------
        SplineLstmError
            An argument is not a frame or has none of its values (2), a frame breaks the data
            contract (12), a column or a known-future value is missing (13), or a series is too
            short or has too long a gap at its end (14).
        """
        return self._forecast(self._rows(history), future, start, absent)

    def update(self, frame: pd.DataFrame) -> Self:
        """Append new rows to the history that `predict` continues; nothing is fitted again.

        A row with the timestamp of an earlier one replaces it, or as `params.data.duplicates` says.

        Raises
        ------
        UsageError
            The new rows are not a DataFrame.
        DataContractError
            The new rows, or the history with them, break the data contract; the history is
            unchanged.
        """
        preprocessor = self._fitted()
        check_type(frame, "update")
        new = history_frame(preprocessor, frame, "frame")
        joined = pd.concat([self.history_, new], ignore_index=True)
        # Check the new rows first, so that a message counts rows that the caller can see.
        read_rows(preprocessor, new, "frame")
        read_rows(preprocessor, joined, "history with the rows of frame")
        self._history = joined
        return self

    @property
    def history_(self) -> pd.DataFrame:
        """The rows that `predict` continues, read when they are first needed."""
        preprocessor = self._fitted()
        if isinstance(self._history, Path):
            self._history = read_history(self._history, preprocessor)
        return self._history

    def save(self, folder: Path | str, *, history: bool = True) -> None:
        """Write the artefacts of the stages to a folder that `load` reads.

        Parameters
        ----------
        folder : path
        history : bool
            Write the history, too; without it `predict` needs a history after `load`.
        """
        folder, rows = Path(folder), self.history_ if history else None
        self.preprocessor_.save(Pipeline(folder).preprocessor)
        run_id = save_model(
            folder,
            self.model_.config,
            best=self.model_.weights,
            last=self._last,
            preprocessor_run_id=self.preprocessor_.run_id,
        )
        if self.intervals_ is not None:
            write_json(Pipeline(folder).intervals, {"run_id": run_id, **self.intervals_.to_json()})
        if self.params_ is not None:
            # JSON is YAML.
            write_text(
                folder / "params.yaml",
                json.dumps(self.params_.model_dump(mode="json"), indent=2) + "\n",
            )
        if rows is not None:
            write_history(folder, rows)

    @classmethod
    def load(cls, folder: Path | str = ".") -> Self:
        """A forecaster from the folder of a pipeline (after `dvc repro`) or of `save`.

        Raises
        ------
        ArtifactError
            There is no Forecaster, a file is missing or damaged, or files come from different runs.
        """
        folder = Path(folder)
        check_saved(folder)
        params = load_params(folder) if (folder / "params.yaml").is_file() else None
        if params is not None:
            configure_threads(params.train.threads)
        model = load_model(folder)
        preprocessor = Preprocessor.load(Pipeline(folder).preprocessor)
        forecaster = cls(schema=preprocessor.source_schema, params=params)
        forecaster.schema_, forecaster.params_, forecaster.training_ = (
            preprocessor.source_schema,
            params,
            [],
        )
        forecaster.preprocessor_, forecaster.model_ = preprocessor, model
        forecaster.intervals_ = load_intervals(Pipeline(folder).intervals, model.run_id)
        forecaster._last = load_last_weights(folder)
        forecaster._history = folder
        return forecaster

    def _fitted(self) -> Preprocessor:
        if not self.__sklearn_is_fitted__():
            raise not_fitted("this Forecaster is not fitted; call fit or Forecaster.load")
        return self.preprocessor_

    def _rows(self, history: pd.DataFrame | None) -> pd.DataFrame:
        preprocessor = self._fitted()
        if history is None:
            return self.history_
        check_type(history, "predict, history")
        return history_frame(preprocessor, history, "history")

    def _forecast(
        self, rows: pd.DataFrame, future: pd.DataFrame | None, start: GivenStart, absent: str
    ) -> Forecast:
        preprocessor, config = self.preprocessor_, self.model_.config
        if future is not None:
            check_type(future, "predict, future")
            future = future_frame(preprocessor, future, "future")
        inputs = serving_inputs(
            preprocessor,
            rows,
            lookback=config.lookback,
            horizon=config.horizon,
            future=future,
            start=start,
            absent=absent,
        )
        for text in inputs.warnings:
            warnings.warn(text, stacklevel=3)
        return forecast_windows(
            self.model_, inputs, preprocessor.target_scaler, self.intervals_, preprocessor.limits
        )

    def _schema_for(self, frame: pd.DataFrame) -> Schema:
        if self.target is None:
            raise UsageError(
                "a Forecaster needs a target, the name of the column to forecast, or a schema"
            )
        return schema_of(
            frame,
            target=self.target,
            timestamp=self.timestamp,
            series=self.series,
            covariates=self.covariates,
            known_future=self.known_future,
            static=self.static,
            calendar=self.calendar,
        )

    def _params_for(self, table: RawTable, schema: Schema, zone: str | None) -> Params:
        return params_of(
            self.params,
            {
                **inferred_params(table, schema, self.params, self.frequency, zone),
                "preprocess.split.validation": self.validation,
                "window.horizon": self.horizon,
                "window.lookback": self.lookback,
                "model.type": self.model,
                "model.hidden": None if self.hidden is None else list(self.hidden),
                "train.max_epochs": self.max_epochs,
                "train.seed": self.seed,
                "evaluate.interval_levels": None if self.levels is None else list(self.levels),
            },
        )
