"""The class SequenceRegressor: a target at each row from the features of the rows up to it."""

from typing import Any, Self

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.formatting import listed
from spline_lstm.core.params import Params, with_values
from spline_lstm.inference.row_arguments import as_target, check_features, check_numbers
from spline_lstm.inference.sklearn_api import Estimator, not_fitted
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.saved_model import SavedModel, new_model
from spline_lstm.rows.transforms import fit_standard
from spline_lstm.training.model import train_model
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.gather import gather_inputs
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.windows import Windows

# The target is a feature of every window; here it is hidden, so that its column is zero.
TARGET = "target"
PREDICTION = "prediction"
ALWAYS = -1

Table = Float[np.ndarray, "rows features"]
Origins = Int[np.ndarray, " windows"]


class SequenceRegressor(Estimator):
    """A recurrent network for a target that depends on the last rows of features.

    The prediction for a row reads the features of that row and of the ``lookback - 1`` rows before
    it, and no target. It is trained as a forecaster is: features are standardised by the rows that
    train, the last `validation` of the rows stop the training.

    Parameters
    ----------
    lookback : int
        Rows of features that a prediction reads; of 3-D arrays their second axis, whatever this is.
    model : str
        ``lstm``, ``gru`` or ``attention_lstm``.
    validation : float
        Share of the rows, the last ones, that stop the training.
    seed : int
        Of initial weights, shuffling and dropout.
    params : mapping, optional
        Keys of params.yaml with other values: ``{"model.hidden": [32], "train.max_epochs": 50}``.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : np.ndarray
        Names of the columns, if `fit` was given a frame.
    """

    def __init__(
        self,
        lookback: int = 24,
        *,
        model: str = "lstm",
        validation: float = 0.2,
        seed: int = 0,
        params: dict[str, Any] | None = None,
    ) -> None:
        self.lookback = lookback
        self.model = model
        self.validation = validation
        self.seed = seed
        self.params = params

    def fit(self, X: Any, y: Any) -> Self:
        """Train the network.

        Parameters
        ----------
        X : pd.DataFrame or array [rows, features], or array [samples, lookback, features]
            Missing values count as the mean of the training rows.
        y : series or array [rows], or [samples]
            Rows without a target (NaN) are not learned from, if X is a table.

        Raises
        ------
        ValueError
            The arguments do not fit together, or there are too few rows.
        ParamsError
            A key of `params` is unknown, or its value breaks a rule.
        """
        sequences = _sequences(X, self.lookback)
        target = _target(X, y, sequences)
        origins = sequences.origins[~np.isnan(target[sequences.labels])]
        held_out = round(self.validation * len(origins))
        if held_out < 1 or len(origins) - held_out < 1:
            raise ValueError(
                f"{len(origins)} rows have {sequences.lookback} rows of features and a target; "
                "give more rows, or a shorter lookback"
            )
        params = self._params(sequences.lookback)
        # Up to the end of the last window that trains.
        train_rows = sequences.values[: origins[-held_out - 1]]
        self._center, self._scale = _standard(train_rows)
        label = fit_standard(target[sequences.labels][sequences.origins < origins[-held_out]])
        self._label = label
        scaled = self._scaled(sequences)
        windows = _windows(scaled, sequences, target, origins, held_out, label.center, label.scale)
        config = _config(params, windows)
        trained = train_model(config, windows, params.train)
        self._model = new_model(config, trained.best, "")
        self.n_features_in_ = sequences.values.shape[1]
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.array(X.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def predict(self, X: Any) -> pd.DataFrame:
        """Predictions as a frame with the index of `X` and the column ``prediction``.

        Rows before which the lookback is not filled have none (NaN). For 3-D arrays there is a row
        per sample.

        Raises
        ------
        ValueError
            `X` has other features than those of the training, or in another order, or samples of
            another lookback.
        """
        if not hasattr(self, "_model"):
            raise not_fitted("this SequenceRegressor is not fitted; call fit before predict")
        lookback = self._model.config.lookback
        name = type(self).__name__
        if isinstance(X, pd.DataFrame) and hasattr(self, "feature_names_in_"):
            check_features(X, tuple(self.feature_names_in_), name)
        sequences = _sequences(X, lookback)
        if sequences.values.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {sequences.values.shape[1]} features, but {name} is expecting "
                f"{self.n_features_in_} features as input"
            )
        if sequences.lookback != lookback:
            raise ValueError(
                f"X has samples of {sequences.lookback} rows, but {name} is expecting {lookback} "
                "as in the training"
            )
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(sequences.answers)
        values = np.full(sequences.answers, np.nan)
        values[sequences.filled] = self._predicted(sequences)
        return pd.DataFrame({PREDICTION: values}, index=index)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def _predicted(self, sequences: "Sequences") -> Float[np.ndarray, " windows"]:
        model: SavedModel = self._model
        scaled = self._scaled(sequences)
        known_at = np.full(scaled.shape, ALWAYS, dtype=np.int32)
        inputs = gather_inputs(scaled, scaled, known_at, sequences.origins, sequences.lookback)
        return self._label.inverse(model.predict(inputs)[:, 0].astype(np.float64))

    def _scaled(self, sequences: "Sequences") -> Table:
        """z-scores of the features after a column of zeros, float32, and one row more."""
        scores = (sequences.values - self._center) / self._scale
        scores = np.where(np.isnan(scores), 0.0, scores).astype(np.float32)
        return np.pad(scores, ((0, 1), (1, 0)))

    def _params(self, lookback: int) -> Params:
        values: dict[str, Any] = {
            "window.lookback": lookback,
            "window.horizon": 1,
            "model.type": self.model,
            "model.normalization": "none",
            "model.segment": 1,
            "train.seed": self.seed,
            "train.max_epochs": 40,
            "train.patience": 8,
        }
        return with_values(
            Params(), values | dict(self.params or {}), "params of the SequenceRegressor"
        )


class Sequences:
    """Rows of features one below the other, and the windows in them.

    Attributes
    ----------
    values : [rows, features] float64
    lookback : int
    origins : [windows] int64
        Row after the last one of each window.
    filled : [windows] int64
        Which answer each window gives: its last row, or its sample.
    answers : int
        Rows of the answer.
    """

    def __init__(self, values: Table, lookback: int, origins: Origins, filled: Origins) -> None:
        self.values = values
        self.lookback = lookback
        self.origins = origins
        self.filled = filled
        self.answers = int(filled.max(initial=-1)) + 1

    @property
    def labels(self) -> Origins:
        """Positions of the labels of the windows in the target [answers]."""
        return self.filled


def _sequences(X: Any, lookback: int) -> Sequences:
    if isinstance(X, pd.DataFrame):
        _check_kinds(X)
    values = np.asarray(X, dtype=np.float64)
    if np.isinf(values).any():
        raise ValueError(
            "Input X contains infinity; SequenceRegressor takes finite numbers and NaN"
        )
    if values.ndim == 3:
        samples, rows, features = values.shape
        filled = np.arange(samples)
        return Sequences(values.reshape(-1, features), rows, (filled + 1) * rows, filled)
    if values.ndim != 2:
        raise ValueError(
            f"Expected a table [rows, features] or an array [samples, lookback, features], got "
            f"{values.ndim}D. Reshape your data."
        )
    if lookback < 1:
        raise ValueError(f"lookback {lookback}: must be at least 1")
    filled = np.arange(lookback - 1, len(values))
    found = Sequences(values, lookback, filled + 1, filled)
    found.answers = len(values)
    return found


def _check_kinds(X: pd.DataFrame) -> None:
    """Raise ValueError unless all columns are numbers or booleans."""
    others = X.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in X.dtypes]]
    texts = [name for name in others if pd.to_numeric(X[name], errors="coerce").isna().all()]
    if texts:
        raise ValueError(
            f"X has columns that are not numbers: {listed([*map(str, texts)])}; leave them out, "
            "or make numbers of them"
        )


def _target(X: Any, y: Any, sequences: Sequences) -> Float[np.ndarray, " answers"]:
    if isinstance(y, pd.Series) and isinstance(X, pd.DataFrame) and not y.index.equals(X.index):
        raise ValueError("X and y must have the same index")
    given = np.asarray(y, dtype=np.float64) if np.ndim(X) == 2 else None
    if given is not None and given.shape == (sequences.answers,):
        return given
    return check_numbers(as_target(y, sequences.answers, "SequenceRegressor"))


def _standard(
    values: Table,
) -> tuple[Float[np.ndarray, " features"], Float[np.ndarray, " features"]]:
    fitted = [
        fit_standard(np.append(column, 0.0) if np.isnan(column).all() else column)
        for column in values.T
    ]
    return np.array([item.center for item in fitted]), np.array([item.scale for item in fitted])


def _windows(
    scaled: Table,
    sequences: Sequences,
    target: Float[np.ndarray, " answers"],
    origins: Origins,
    held_out: int,
    center: float,
    scale: float,
) -> Windows:
    """Windows whose label is the target of their last row, moved to the row after it."""
    rows = len(scaled)
    moved = np.full((rows, 1), np.nan)
    moved[sequences.origins, 0] = target[sequences.labels]
    arrays = AsOfArrays(
        scaled=scaled,
        causal=scaled,
        known_at=np.full(scaled.shape, ALWAYS, dtype=np.int32),
        valid=np.ones(rows, dtype=bool),
        raw_target=moved,
        filled_target=np.zeros((rows, 1)),
        causal_target=np.zeros((rows, 1)),
        observed=~np.isnan(moved),
        timestamps=np.arange(rows, dtype=np.int64),
        series_offsets=np.array([0, rows], dtype=np.int64),
        static_ids=np.empty((1, 0), dtype=np.int32),
        feature_names=np.array([TARGET, *(f"x{i}" for i in range(scaled.shape[1] - 1))]),
        target_indices=np.zeros(1, dtype=np.int32),
        split_instants=np.array([origins[-held_out], rows], dtype=np.int64),
    )
    features = scaled.shape[1]
    scaler = Scaler(
        "standard",
        np.array([center, *[0.0] * (features - 1)]),
        np.array([scale, *[1.0] * (features - 1)]),
    )
    split = (origins >= origins[-held_out]).astype(np.uint8)
    clock = Clock("index", anchor=0, step=1)
    return Windows(arrays, scaler, clock, sequences.lookback, 1, origins, split)


def _config(params: Params, windows: Windows) -> ModelConfig:
    model = params.model
    return ModelConfig(
        model_type=model.type,
        hidden=model.hidden,
        dropout=model.dropout,
        normalization=model.normalization,
        lookback=windows.lookback,
        horizon=1,
        features=windows.feature_names,
        targets=windows.target_names,
        target_indices=(0,),
        segment=model.segment,
        bidirectional=model.bidirectional,
        layer_norm=model.layer_norm,
        ensemble_size=params.train.ensemble_size,
    )
