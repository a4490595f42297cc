"""`Forecaster`: fit, predict, save and load, by the code of the pipeline's stages."""

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.artifacts import write_json, write_text
from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.schema import Schema
from spline_lstm.core.timestamps import parse_frequency
from spline_lstm.evaluation.forecast_batches import calibrate
from spline_lstm.inference.arguments import frequency_of, params_of, read_frame, schema_of
from spline_lstm.inference.frames import bounds_of, forecast_table, load_intervals
from spline_lstm.inference.history import check_saved, read_history, write_history
from spline_lstm.inference.inputs import ServingInputs, serving_inputs
from spline_lstm.inference.intervals import QUANTILES, Intervals
from spline_lstm.inference.reading import future_frame, history_frame, read_rows
from spline_lstm.inference.sklearn_api import check_type, not_fitted, tags
from spline_lstm.models.jax_setup import configure_threads
from spline_lstm.models.saved_model import SavedModel, load_last_weights, load_model, save_model
from spline_lstm.series.grid import lay_out
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.training.fit import fit_table
from spline_lstm.training.loop import Epoch
from spline_lstm.windows.preprocessor import Preprocessor

if TYPE_CHECKING:
    from sklearn.utils import Tags


class Forecaster:
    """Forecasts of one or many time series from a frame, with prediction intervals.

    It follows the conventions of scikit-learn: arguments are stored as they are given, `fit` sets the
    attributes that end with an underscore, `clone` copies the arguments alone.

    Parameters
    ----------
    target : str or sequence of str
        Columns to forecast.
    timestamp : str
        Column of the timestamps (or level of the index).
    series : str, optional
        Column that tells series apart.
    frequency : str, optional
        Step of the regular grid: 5min, 1h, 1D; by default found in the timestamps.
    horizon, lookback : int, optional
        Rows ahead that are forecast (6), rows that a forecast looks back on (24).
    covariates, known_future, static : sequences of str
        Columns that are known up to the forecast, known in advance, and properties of a series.
    calendar : sequence of str
        Functions of the timestamp: hour_sin, hour_cos, dow_sin, dow_cos, doy_*, month_*.
    model : str, optional
        lstm, gru or attention_lstm.
    hidden : sequence of int, optional
        Units of each recurrent layer.
    max_epochs, seed : int, optional
    levels : sequence of float, optional
        Prediction intervals in percent (80, 95).
    validation : float, optional
        Share of the time span at its end (0.15) that stops the training and measures the intervals.
    schema : Schema, optional
        Instead of the names of columns: all that a covariate schema can say.
    params : Params or mapping, optional
        Whole params of a pipeline, or other values by dotted key: ``{"preprocess.fill": "seasonal"}``.

    Attributes
    ----------
    schema_ : Schema
    params_ : Params
        None where a loaded folder has no params.yaml.
    preprocessor_ : Preprocessor
    model_ : SavedModel
    intervals_ : Intervals
        None where a loaded folder has none.
    training_ : list of Epoch
        Figures of each epoch of the training; empty after `load`.
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
    training_: list[Epoch]

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
        self.target, self.timestamp, self.series, self.frequency = (
            target,
            timestamp,
            series,
            frequency,
        )
        self.horizon, self.lookback = horizon, lookback
        self.covariates, self.known_future, self.static, self.calendar = (
            covariates,
            known_future,
            static,
            calendar,
        )
        self.model, self.hidden, self.max_epochs, self.seed = model, hidden, max_epochs, seed
        self.levels, self.validation, self.schema, self.params = levels, validation, schema, params

    @classmethod
    def _names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments, as scikit-learn asks for them; `deep` changes nothing."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **arguments: Any) -> Self:
        """Other arguments; ValueError for an unknown one."""
        unknown = set(arguments) - set(self._names())
        if unknown:
            raise ValueError(
                f"a Forecaster has no argument {', '.join(sorted(unknown))}; it has {self._names()}"
            )
        for name, value in arguments.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = {
            name: item.default for name, item in inspect.signature(type(self)).parameters.items()
        }
        given = {
            name: value for name, value in self.get_params().items() if value is not defaults[name]
        }
        return f"Forecaster({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def __sklearn_tags__(self) -> "Tags":
        return tags()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "preprocessor_")

    def fit(self, frame: pd.DataFrame, y: None = None) -> Self:
        """Fit preprocessing, network and intervals on a frame, from scratch.

        The targets are columns of the frame; `y` is not looked at, scikit-learn passes it on.

        The last `validation` share of the time span stops the training and measures the intervals; there is no
        test part: that is what the pipeline and its backtest are for.

        Raises
        ------
        SplineLstmError
            As the stages of the pipeline: arguments (2, 10, 11), the frame (12, 13, 14), or the training (16). Timestamps
            that stand twice in a series break the data contract unless `params` sets ``data.duplicates``.
        """
        check_type(frame, "fit")
        schema = self.schema or self._schema_for(frame)
        table = read_frame(frame, schema, self.params)
        params = self._params_for(table, schema)
        configure_threads(params.train.threads)
        history: list[Epoch] = []
        fit = fit_table(
            table,
            schema,
            params,
            where="frame",
            instants=_instants(table, params),
            needed=("train", "validation"),
            on_epoch=history.append,
        )
        self.schema_, self.params_, self.training_ = schema, params, history
        self.preprocessor_ = fit.preprocessed.preprocessor
        self.model_, self.intervals_ = fit.model, calibrate(fit.model, fit.windows, params.evaluate)
        self._last = fit.trained.last
        self._history = history_frame(self.preprocessor_, frame, "frame")
        return self

    def predict(
        self, history: pd.DataFrame | None = None, future: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Forecast the horizon of each series after its last row.

        Parameters
        ----------
        history : DataFrame, optional
            Raw rows up to the forecast, as `fit` took them; by default `history_`. Nothing is fitted on it.
        future : DataFrame, optional
            Timestamps, series and the columns that are known in advance, of the rows to forecast.

        Returns
        -------
        DataFrame
            Indexed by series and timestamp; for each target its forecast and the bounds of its intervals
            (``demand``, ``demand_lower_80``, ``demand_upper_80``), and for an ensemble the standard deviation of its
            members (``demand_spread``), data units. Timestamps have the time zone of the history, and UTC where that
            gives them as text.

        Raises
        ------
        SplineLstmError
            No frame is given (2), a frame breaks the data contract (12), a column or what is known in advance is
            missing (13), or a series is too short or has too long a gap at its end (14).
        """
        behind, config = self._fitted(), self.model_.config
        for name, value in (("history", history), ("future", future)):
            if value is not None:
                check_type(value, f"predict, {name}")
        rows = self.history_ if history is None else history_frame(behind, history, "history")
        ahead = None if future is None else future_frame(behind, future, "future")
        inputs = serving_inputs(
            behind, rows, lookback=config.lookback, horizon=config.horizon, future=ahead
        )
        point, quantiles, spread = self._forecast(inputs)
        levels, bounds = bounds_of(
            self.intervals_, point, inputs.scaler_rows, quantiles, config.quantiles
        )
        table = forecast_table(
            point,
            bounds,
            levels,
            spread,
            targets=config.targets,
            series=inputs.series,
            origin_time=inputs.origin_time,
            step_ns=behind.frequency_ns,
        )
        return _in_zone_of(table, rows[behind.schema.timestamp_col])

    def update(self, frame: pd.DataFrame) -> Self:
        """Append new rows to the history that `predict` continues; what was fitted stays as it is.

        A row with the timestamp of an earlier one takes its place (or what `params.data.duplicates` says).

        Raises
        ------
        UsageError
            The new rows are no DataFrame.
        DataContractError
            The new rows, or the history with them, break the data contract; the history stays as it was.
        """
        behind = self._fitted()
        check_type(frame, "update")
        new = history_frame(behind, frame, "frame")
        joined = pd.concat([self.history_, new], ignore_index=True)
        # Alone first: then a message counts the rows that the caller can see.
        read_rows(behind, new, "frame")
        read_rows(behind, joined, "history with the rows of frame")
        self._history = joined
        return self

    @property
    def history_(self) -> pd.DataFrame:
        """The rows that `predict` continues, read when they are first needed."""
        behind = self._fitted()
        if isinstance(self._history, Path):
            self._history = read_history(self._history, behind)
        return self._history

    def save(self, folder: Path | str, *, history: bool = True) -> None:
        """Write the artefacts of the stages into a folder, which `load` reads again.

        Parameters
        ----------
        folder : path
        history : bool
            Write the history, too; without it `predict` needs one after `load`.
        """
        folder, rows = Path(folder), self.history_ if history else None
        self.preprocessor_.save(folder / "models/preprocessor.json")
        run_id = save_model(
            folder,
            self.model_.config,
            best=self.model_.weights,
            last=self._last,
            preprocessor_run_id=self.preprocessor_.run_id,
        )
        if self.intervals_ is not None:
            write_json(
                folder / "models/intervals.json", {"run_id": run_id, **self.intervals_.to_json()}
            )
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
        """A forecaster out of the folder of a pipeline (after `dvc repro`) or of `save`.

        Raises
        ------
        ArtifactError
            No Forecaster is there, a file is missing or damaged, or they come from different runs.
        """
        folder = Path(folder)
        check_saved(folder)
        params = load_params(folder) if (folder / "params.yaml").is_file() else None
        if params is not None:
            configure_threads(params.train.threads)
        model = load_model(folder)
        preprocessor = Preprocessor.load(folder / "models/preprocessor.json")
        forecaster = cls(schema=preprocessor.schema, params=params)
        forecaster.schema_, forecaster.params_, forecaster.training_ = (
            preprocessor.schema,
            params,
            [],
        )
        forecaster.preprocessor_, forecaster.model_ = preprocessor, model
        forecaster.intervals_ = load_intervals(folder / "models/intervals.json", model.run_id)
        forecaster._last = load_last_weights(folder)
        forecaster._history = folder
        return forecaster

    def _fitted(self) -> Preprocessor:
        if not self.__sklearn_is_fitted__():
            raise not_fitted("this Forecaster is not fitted; call fit or Forecaster.load")
        return self.preprocessor_

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

    def _params_for(self, table: RawTable, schema: Schema) -> Params:
        whole, named = (
            isinstance(self.params, Params),
            self.params if isinstance(self.params, Mapping) else {},
        )
        more = (
            schema.dynamic_covariates
            or schema.static_covariates
            or schema.calendar_features.enabled
        )
        found = (
            None
            if whole or self.frequency or "preprocess.frequency" in named
            else frequency_of(table)
        )
        return params_of(
            self.params,
            {
                "preprocess.frequency": self.frequency or found,
                "preprocess.feature_mode": "multivariate" if more and not whole else None,
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

    def _forecast(
        self, inputs: ServingInputs
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Point forecasts [series, horizon, targets]; quantiles where the intervals need them; an ensemble's spread.

        Data units; the quantiles have the levels as a last axis.
        """
        config, scaler, model = self.model_.config, self.preprocessor_.target_scaler, self.model_
        given = (
            inputs.X,
            inputs.X_future if config.future_features else None,
            inputs.X_static if config.static_sizes else None,
        )

        def data_units(scores: np.ndarray) -> np.ndarray:
            shape = (len(scores), config.horizon, len(config.targets))
            return scaler.inverse(scores.reshape(shape).astype(np.float64), inputs.scaler_rows)

        point, quantiles, spread = data_units(model.predict(*given)), None, None
        if config.ensemble_size > 1:
            scores = model.predict_ensemble_std(*given)
            spread = data_units(scores) - data_units(np.zeros_like(scores))
        if self.intervals_ is not None and self.intervals_.method == QUANTILES:
            levels = np.moveaxis(model.predict_quantiles(*given), 2, 0)
            quantiles = np.stack([data_units(level) for level in levels], axis=-1)
        return point, quantiles, spread


def _instants(table: RawTable, params: Params) -> Int[np.ndarray, " two"]:
    """Begin of the validation part, and the end of the data: the test part is empty."""
    step = parse_frequency(params.preprocess.frequency)
    grids = lay_out(table, step, params.preprocess.snap).grids
    start, end = (
        min(grid.start for grid in grids),
        max(grid.start + step * grid.rows for grid in grids),
    )
    rows = round((1 - params.preprocess.split.validation) * ((end - start) // step))
    return np.array([start + rows * step, end], dtype=np.int64)


def _in_zone_of(table: pd.DataFrame, timestamps: pd.Series) -> pd.DataFrame:
    """Timestamps of the forecast in the time zone of the history, without one where it has none."""
    if not pd.api.types.is_datetime64_any_dtype(timestamps):
        return table
    zone, known = timestamps.dt.tz, pd.DatetimeIndex(table.index.get_level_values(1))
    moved = known.tz_localize(None) if zone is None else known.tz_convert(zone)
    index = pd.MultiIndex.from_arrays(
        [table.index.get_level_values(0), moved], names=table.index.names
    )
    return table.set_index(index)
