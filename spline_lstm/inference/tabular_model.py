"""The class TabularModel: the networks and trees of the task tabular on a frame or an array."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from jaxtyping import Float
from safetensors.numpy import save

from spline_lstm.core.artifacts import content_id
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.params_trees import leaf_rows
from spline_lstm.core.row_schema import RowColumn, RowSchema
from spline_lstm.inference.row_arguments import (
    as_frame,
    as_target,
    check_features,
    check_numbers,
    row_kind,
)
from spline_lstm.inference.row_predictions import Predict, finished, network_predictor
from spline_lstm.inference.sklearn_api import Estimator, not_fitted
from spline_lstm.models.row_config import row_config
from spline_lstm.models.saved_rows import RowModel
from spline_lstm.rows.arrays import RowArrays, Rows
from spline_lstm.rows.features import Features, features_of
from spline_lstm.rows.labels import Labels
from spline_lstm.rows.preprocess import LabelledRows, fit_rows
from spline_lstm.rows.preprocessor import RowPreprocessor, as_float32
from spline_lstm.rows.splits import SPLITS, split_rows, strata_of
from spline_lstm.tables.row_table import row_table_of_frame
from spline_lstm.training.model import train_model
from spline_lstm.training.row_loss import row_loss
from spline_lstm.trees.row_data import row_objective
from spline_lstm.trees.trees import MODULES, TreeRows, Trees, finite_or_missing, fit_trees

if TYPE_CHECKING:
    from sklearn.utils import Tags

# With fewer rows the training split also stops the training.
FEWEST_FOR_VALIDATION = 30
WHERE = "X"
MODELS = ("tabm", "ft_transformer", "mlp", *MODULES)


class ClassProbabilities(pd.DataFrame):
    """A frame of probabilities whose columns can also be taken by position, ``p[:, 1]``.

    scikit-learn's scorers, such as that of the AUC, take them so.
    """

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return self.to_numpy()[key]
        return super().__getitem__(key)


class TabularModel(Estimator):
    """A network or boosted trees for rows: fit, predict and, for classes, predict_proba.

    Numbers (also missing ones), booleans, texts and dates are told apart by the types of the
    columns of a frame; the columns of an array are numbers. Preprocessing is that of the task
    tabular, fitted on the rows that train; `validation` of the rows stop the training.

    Parameters
    ----------
    kind : str
        ``classification`` or ``regression``.
    model : str
        ``tabm``, ``ft_transformer``, ``mlp``, ``lightgbm`` or ``xgboost``.
    validation : float
        Share of the rows that stop the training, 0 to 1.
    seed : int
        Of the split, the initial weights, shuffling and dropout.
    params : mapping, optional
        Keys of params.yaml with other values: ``{"train.max_epochs": 50}``.

    Attributes
    ----------
    classes_ : np.ndarray
        Classes in the order of the columns of `predict_proba`; of a classification.
    n_features_in_ : int
    feature_names_in_ : np.ndarray
        Names of the columns, if `fit` was given a frame.
    preprocessor_ : RowPreprocessor
    """

    def __init__(
        self,
        kind: Literal["classification", "regression"] = "classification",
        *,
        model: str = "tabm",
        validation: float = 0.15,
        seed: int = 0,
        params: dict[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self.model = model
        self.validation = validation
        self.seed = seed
        self.params = params

    def fit(self, X: Any, y: Any) -> Self:
        """Fit preprocessing and the model.

        Parameters
        ----------
        X : pd.DataFrame or array [rows, features]
        y : array [rows]
            Classes of any type, or numbers.

        Raises
        ------
        ValueError
            The arguments are not a table with as many targets, or have one class only.
        ParamsError
            A key of `params` is unknown, or its value breaks a rule.
        """
        name = type(self).__name__
        frame = as_frame(X, name)
        target = as_target(y, len(frame), name)
        if len(frame) < 2:
            raise ValueError(
                f"Found array with 1 sample, while a minimum of 2 is required by {name}"
            )
        labels = self._labels(target)
        params = self._params()
        schema = _schema_of(frame)
        features = _features_of(frame, schema)
        codes = _codes(labels, params.tabular)
        fitted = fit_rows(LabelledRows(features, labels, codes), schema, params.tabular)
        scaled, _ = labels.scaled(codes == 0)
        lines = np.arange(len(frame))
        arrays = RowArrays(fitted.inputs(features), scaled, labels.truth, codes, lines)
        splits = arrays.split_rows()
        if not len(splits["validation"]):
            splits["validation"] = splits["train"]
        if "trees.min_rows" not in (self.params or {}):
            params = with_values(params, {"trees.min_rows": leaf_rows(len(splits["train"]))}, WHERE)
        self._trained = _trained(self.model, Rows(arrays, splits), fitted, params)
        self.preprocessor_ = fitted
        self.n_features_in_ = frame.shape[1]
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.array(frame.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def predict(self, X: Any) -> Any:
        """Classes or numbers [rows]; a series with the index of a frame, an array for an array."""
        values = self._predictions(X)
        if self.kind == "classification":
            return _like(X, self.classes_[values.argmax(axis=1)])
        return _like(X, values[:, 0])

    @property
    def predict_proba(self) -> Callable[[Any], Any]:
        """Probabilities [rows, classes] of `X`; a frame with a column per class for a frame.

        Raises
        ------
        AttributeError
            The model is one of numbers, which has no such method.
        """
        if self.kind != "classification":
            raise AttributeError("predict_proba belongs to kind classification")
        return self._probabilities

    def _probabilities(self, X: Any) -> Any:
        values = self._predictions(X)
        # Models work in float32: their sums are 1 only to its precision.
        values = values / values.sum(axis=1, keepdims=True)
        if not isinstance(X, pd.DataFrame):
            return values
        return ClassProbabilities(values, index=X.index, columns=self.classes_)

    # scikit-learn's scorers know a method by its name.
    _probabilities.__name__ = "predict_proba"

    def score(self, X: Any, y: Any) -> float:
        """Share of right classes, or the share of the variance that is explained (R²)."""
        predicted, truth = np.asarray(self.predict(X)), np.asarray(y)
        if self.kind == "classification":
            return float(np.mean(predicted == truth))
        spread = float(((truth - truth.mean()) ** 2).sum())
        return 1 - float(((predicted - truth) ** 2).sum()) / spread if spread else 0.0

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "preprocessor_")

    def __sklearn_tags__(self) -> "Tags":
        return _tags(self.kind)

    def _labels(self, target: np.ndarray) -> Labels:
        if self.kind == "regression":
            return Labels(check_numbers(target), ())
        if self.kind != "classification":
            raise ValueError(f"kind {self.kind!r}: must be classification or regression")
        if target.dtype.kind == "f" and (target != np.floor(target)).any():
            raise ValueError(
                "Unknown label type: continuous. A classification needs classes; for numbers use "
                "kind='regression'"
            )
        self.classes_, codes = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y has one class, {self.classes_.tolist()[0]!r}; at least 2 are needed"
            )
        return Labels(codes.astype(np.float64), tuple(map(str, self.classes_)))

    def _params(self) -> Params:
        values: dict[str, Any] = {
            "task": "tabular",
            "tabular.kind": self.kind,
            "tabular.split": "stratified",
            "tabular.seed": self.seed,
            "tabular.train": 1 - self.validation - REST,
            "tabular.validation": self.validation,
            "train.seed": self.seed,
            "trees.seed": self.seed,
            "train.loss": "cross_entropy" if self.kind == "classification" else "mse",
        }
        if self.model not in MODELS:
            raise ValueError(f"model {self.model!r}: must be one of {', '.join(MODELS)}")
        if self.model not in MODULES:
            values["model.type"] = self.model
        return with_values(Params(), values | dict(self.params or {}), "params of the TabularModel")

    def _predictions(self, X: Any) -> Float[np.ndarray, "rows outputs"]:
        if not hasattr(self, "preprocessor_"):
            raise not_fitted(f"this {type(self).__name__} is not fitted; call fit before predict")
        frame = as_frame(X, type(self).__name__)
        names = tuple(self.preprocessor_.table_schema.names)
        check_features(frame, names, type(self).__name__)
        features = _features_of(frame, self.preprocessor_.table_schema)
        predict = _predictor(self._trained, self.preprocessor_)
        return predict(self.preprocessor_.inputs(features))


# Share that no split gets, so that the shares of params.yaml leave a test split.
REST = 1e-9


def _schema_of(frame: pd.DataFrame) -> RowSchema:
    columns = [RowColumn(name=name, kind=row_kind(frame[name])) for name in frame.columns]
    return RowSchema(columns=tuple(columns))


def _features_of(frame: pd.DataFrame, schema: RowSchema) -> Features:
    table = row_table_of_frame(frame, schema, where=WHERE)
    features = features_of(table, schema, schema.names)
    numbers = {name: as_float32(v).astype(np.float64) for name, v in features.numbers.items()}
    return Features(numbers, features.categories)


def _codes(labels: Labels, params: TabularParams) -> np.ndarray:
    """Split of each row: train or validation; of few rows all train."""
    rows = len(labels.truth)
    if rows < FEWEST_FOR_VALIDATION:
        return np.zeros(rows, dtype=np.int8)
    kind = "classification" if labels.classes else "regression"
    codes = split_rows(params, strata_of(labels.truth, kind), np.arange(rows), needed=SPLITS[:1])
    if labels.classes:
        # Each class trains.
        codes[np.unique(labels.truth, return_index=True)[1]] = 0
    return np.minimum(codes, 1).astype(np.int8)


def _trained(
    name: str, rows: Rows, preprocessor: RowPreprocessor, params: Params
) -> RowModel | Trees:
    train, validation = rows.split("train"), rows.split("validation")
    if name in MODULES:
        learned, held_out = (
            TreeRows(part.inputs.matrix, part.truth) for part in (train, validation)
        )
        return fit_trees(name, learned, held_out, row_objective(preprocessor), params.trees)
    config = row_config(params, rows, preprocessor)
    trained = train_model(config, rows, params.train, make_loss=row_loss)
    run_id = content_id(preprocessor.run_id, config.to_json(), save(dict(trained.best)))
    return RowModel(config, run_id, preprocessor.run_id, trained.best)


def _predictor(trained: RowModel | Trees, preprocessor: RowPreprocessor) -> Predict:
    if isinstance(trained, RowModel):
        return network_predictor(trained, preprocessor)
    return lambda inputs: finished(trained.predict(finite_or_missing(inputs.matrix)), preprocessor)


def _like(X: Any, values: np.ndarray) -> Any:
    if isinstance(X, pd.DataFrame):
        return pd.Series(values, index=X.index, name="prediction")
    return values


def _tags(kind: str) -> "Tags":
    # scikit-learn is loaded already: only it asks for tags.
    from sklearn.utils import (  # noqa: PLC0415
        ClassifierTags,
        InputTags,
        RegressorTags,
        Tags,
        TargetTags,
    )

    is_classifier = kind == "classification"
    return Tags(
        estimator_type="classifier" if is_classifier else "regressor",
        target_tags=TargetTags(required=True),
        classifier_tags=ClassifierTags() if is_classifier else None,
        regressor_tags=None if is_classifier else RegressorTags(),
        input_tags=InputTags(string=True, categorical=True, allow_nan=True),
    )
