"""Trees by XGBoost.

Chen and Guestrin (2016), "XGBoost: a scalable tree boosting system", KDD 22.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.params_trees import TreesParams
from spline_lstm.trees.packages import import_trees
from spline_lstm.trees.trees import Objective, TreeRows

# One thread: two of them spin on a busy machine, and are slower even on a quiet one.
RUNTIME = {"nthread": 1, "verbosity": 0}
OBJECTIVES = {
    "binary": ("binary:logistic", "logloss"),
    "multiclass": ("multi:softprob", "mlogloss"),
    "regression": ("reg:squarederror", "rmse"),
}
# Mean of p (1 - p): what a row weighs in a classification's leaf beside one of a regression.
BINARY_WEIGHT = 0.25


@dataclass(frozen=True)
class XGBoostTrees:
    """A booster and its file; see `spline_lstm.trees.trees.Trees`."""

    booster: Any
    objective: Objective
    content: bytes

    @property
    def rounds(self) -> int:
        """How many rounds were kept."""
        return int(self.booster.num_boosted_rounds())

    def predict(self, X: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows *classes"]:
        """Probabilities or numbers."""
        return np.asarray(self.booster.predict(_matrix(X)), dtype=np.float64)

    def contributions(
        self, X: Float[np.ndarray, "rows features"]
    ) -> Float[np.ndarray, "rows *classes features_and_base"]:
        """SHAP values."""
        found = self.booster.predict(_matrix(X), pred_contribs=True, strict_shape=True)
        found = np.asarray(found, dtype=np.float64)
        return found if self.objective.kind == "multiclass" else found[:, 0]

    def importance(self) -> Float[np.ndarray, " features"]:
        """Shares of the gain."""
        gain = np.zeros(self.booster.num_features())
        for name, value in self.booster.get_score(importance_type="total_gain").items():
            gain[int(name.removeprefix("f"))] = value
        return gain / max(gain.sum(), np.finfo(float).tiny)


def fit(
    train: TreeRows, validation: TreeRows | None, objective: Objective, params: TreesParams
) -> XGBoostTrees:
    """Train; arguments as in `spline_lstm.trees.trees.fit_trees`."""
    xgboost = import_trees("xgboost")
    name, loss = OBJECTIVES[objective.kind]
    options = {
        **RUNTIME,
        "objective": name,
        "eval_metric": loss,
        "tree_method": "hist",
        "max_depth": params.depth,
        "eta": params.learning_rate,
        "min_child_weight": params.min_rows
        * (1.0 if objective.kind == "regression" else BINARY_WEIGHT),
        "subsample": params.row_share,
        "colsample_bytree": params.feature_share,
        "lambda": params.l2,
        "seed": params.seed % 2**31,
    }
    if objective.kind == "multiclass":
        options["num_class"] = objective.classes
    data = _matrix(train.X, train)
    stops = validation is not None and params.stop_rounds is not None
    booster = xgboost.train(
        options,
        data,
        params.rounds,
        evals=[] if validation is None else [(_matrix(validation.X, validation), "validation")],
        early_stopping_rounds=params.stop_rounds if stops else None,
        verbose_eval=False,
    )
    if stops:
        booster = booster[: booster.best_iteration + 1]
    # What training leaves in the attributes depends on how it was stopped; trees do not need it.
    booster.set_attr(best_iteration=None, best_score=None)
    return load(bytes(booster.save_raw("json")), objective)


def load(content: bytes, objective: Objective) -> XGBoostTrees:
    """The trees in the JSON of a model; ValueError if it is damaged."""
    xgboost = import_trees("xgboost")
    booster = xgboost.Booster(RUNTIME)
    try:
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise ValueError(str(error)) from None
    return XGBoostTrees(booster, objective, content)


def _matrix(X: Float[np.ndarray, "rows features"], rows: TreeRows | None = None) -> Any:
    xgboost = import_trees("xgboost")
    label, weight = (None, None) if rows is None else (rows.y, rows.weight)
    return xgboost.DMatrix(X, label, weight=weight, nthread=1)
