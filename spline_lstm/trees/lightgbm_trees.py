"""Trees by LightGBM.

Ke et al. (2017), "LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 30.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.params_trees import TreesParams
from spline_lstm.trees.packages import import_trees
from spline_lstm.trees.trees import Objective, TreeRows

# One thread: two of them spin on a busy machine, and are slower even on a quiet one.
RUNTIME = {"num_threads": 1, "verbosity": -1}
LOSSES = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "rmse"}


THRESHOLDS = re.compile(r"^threshold=(.*)$", re.MULTILINE)
TREE_SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)


@dataclass(frozen=True)
class LightGBMTrees:
    """A booster and its file; see `spline_lstm.trees.trees.Trees`."""

    booster: Any
    objective: Objective
    content: bytes

    @property
    def rounds(self) -> int:
        """How many rounds were kept."""
        return int(self.booster.current_iteration())

    def predict(self, X: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows *classes"]:
        """Probabilities or numbers."""
        return np.asarray(self.booster.predict(X, num_threads=1))

    def contributions(
        self, X: Float[np.ndarray, "rows features"]
    ) -> Float[np.ndarray, "rows *classes features_and_base"]:
        """SHAP values."""
        found = np.asarray(self.booster.predict(X, pred_contrib=True, num_threads=1))
        if self.objective.kind != "multiclass":
            return found
        return found.reshape(len(X), self.objective.classes, -1)

    def rounded_down(self) -> "LightGBMTrees":
        """Trees whose thresholds are of float32 and answer float32 features as these do.

        The largest float32 at or below a threshold is one, because a question is x <= threshold.
        The nearest float32 may be above it, and equal to an x that is above it, too: of values with
        few decimals, LightGBM asks at 35.4 between 35.3 and 35.5.
        """
        text = THRESHOLDS.sub(_floored, self.content.decode())
        # The sizes of the texts of the trees, which are not the same any more.
        text = TREE_SIZES.sub("", text)
        return load(text.encode(), self.objective)

    def importance(self) -> Float[np.ndarray, " features"]:
        """Shares of the gain."""
        gain = np.asarray(self.booster.feature_importance("gain"), dtype=np.float64)
        return gain / max(gain.sum(), np.finfo(float).tiny)


def fit(
    train: TreeRows, validation: TreeRows | None, objective: Objective, params: TreesParams
) -> LightGBMTrees:
    """Train; arguments as in `spline_lstm.trees.trees.fit_trees`."""
    lightgbm = import_trees("lightgbm")
    options = {
        **RUNTIME,
        "objective": objective.kind,
        "metric": LOSSES[objective.kind],
        "num_leaves": params.leaves,
        "learning_rate": params.learning_rate,
        "min_data_in_leaf": params.min_rows,
        "bagging_fraction": params.row_share,
        "bagging_freq": 1 if params.row_share < 1.0 else 0,
        "feature_fraction": params.feature_share,
        "lambda_l2": params.l2,
        "seed": _seed(params.seed),
        "deterministic": True,
        "force_row_wise": True,
    }
    if objective.kind == "multiclass":
        options["num_class"] = objective.classes
    data = lightgbm.Dataset(train.X, train.y, weight=train.weight, params=RUNTIME)
    checks = {}
    if validation is not None:
        rows = lightgbm.Dataset(
            validation.X, validation.y, weight=validation.weight, reference=data, params=RUNTIME
        )
        checks["valid_sets"] = [rows]
        if params.stop_rounds is not None:
            checks["callbacks"] = [lightgbm.early_stopping(params.stop_rounds, verbose=False)]
    booster = lightgbm.train(options, data, params.rounds, **checks)
    best = booster.best_iteration if booster.best_iteration > 0 else None
    return load(booster.model_to_string(num_iteration=best).encode(), objective)


def load(content: bytes, objective: Objective) -> LightGBMTrees:
    """The trees in the text of a model; ValueError if it is damaged."""
    lightgbm = import_trees("lightgbm")
    try:
        booster = lightgbm.Booster(model_str=content.decode())
    except lightgbm.basic.LightGBMError as error:
        raise ValueError(str(error)) from None
    return LightGBMTrees(booster, objective, content)


def _floored(line: re.Match[str]) -> str:
    thresholds = np.array(line.group(1).split(), dtype=np.float64)
    nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    found = np.where(nearest > thresholds, below, nearest)
    return "threshold=" + " ".join(repr(float(value)) for value in found)


def _seed(seed: int) -> int:
    """LightGBM's seeds are signed 32-bit numbers."""
    return seed % 2**31
