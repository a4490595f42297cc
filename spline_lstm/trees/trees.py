"""What boosted trees are, whichever library fits them.

A model is trained from arrays and is, from then on, the content of one text file: also a model that
was just trained predicts with what was read back, so that a loaded one gives the same bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, Protocol, cast

import numpy as np
from jaxtyping import Float

from spline_lstm.core.errors import ArtifactError, TooLittleDataError
from spline_lstm.core.params_trees import TreesParams

Kind = Literal["binary", "multiclass", "regression"]
KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression")
# Library -> its module here, and the file that it writes.
MODULES = {
    "lightgbm": "spline_lstm.trees.lightgbm_trees",
    "xgboost": "spline_lstm.trees.xgboost_trees",
}
FILES = {"lightgbm": "lightgbm.txt", "xgboost": "xgboost.json"}


@dataclass(frozen=True)
class TreeRows:
    """Rows to learn from, or to stop by.

    Attributes
    ----------
    X : [rows, features] floats; what is not finite counts as missing
    y : [rows] labels: 0 or 1 | classes 0, 1, ... | numbers
    weight : [rows] above 0, or None for equal ones
    """

    X: Float[np.ndarray, "rows features"]
    y: Float[np.ndarray, " rows"]
    weight: Float[np.ndarray, " rows"] | None = None


@dataclass(frozen=True)
class Objective:
    """What trees predict.

    Attributes
    ----------
    kind : "binary", "multiclass" or "regression"
    classes : how many classes a multiclass model has, else 1
    """

    kind: Kind
    classes: int = 1


class Trees(Protocol):
    """Trained trees of one library."""

    @property
    def content(self) -> bytes:
        """The file: text without timestamps and paths, equal for equal inputs."""
        ...

    @property
    def rounds(self) -> int:
        """How many rounds were kept."""
        ...

    def predict(self, X: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows *classes"]:
        """Probability of the label 1 [rows], of each class [rows, classes], or a number [rows]."""
        ...

    def contributions(
        self, X: Float[np.ndarray, "rows features"]
    ) -> Float[np.ndarray, "rows *classes features_and_base"]:
        """SHAP values of the trees, [rows, features + 1] or [rows, classes, features + 1].

        What each feature adds to the log odds (of a class; to the number in a regression); the
        last column is the mean that they are added to. Lundberg et al. (2020), "From local
        explanations to global understanding with explainable AI for trees", Nature Machine
        Intelligence 2, 56-67.
        """
        ...

    def importance(self) -> Float[np.ndarray, " features"]:
        """Gain of the loss by the splits on each feature, as shares of the sum 1."""
        ...


Fit = Callable[[TreeRows, TreeRows | None, Objective, TreesParams], Trees]
Load = Callable[[bytes, Objective], Trees]


def fit_trees(
    member: str,
    train: TreeRows,
    validation: TreeRows | None,
    objective: Objective,
    params: TreesParams,
) -> Trees:
    """Train the trees of one library.

    Parameters
    ----------
    member : str
        A key of `MODULES`.
    train : TreeRows
    validation : TreeRows, optional
        Rows to stop by (`params.stop_rounds`); without them all rounds are kept.
    objective : Objective
    params : TreesParams

    Raises
    ------
    MissingPackageError
        The library is not installed.
    TooLittleDataError
        There are no rows, or a classification has only one label.
    """
    _check(train, objective)
    stop = validation if validation is not None and len(validation.y) else None
    fit = cast("Fit", import_module(MODULES[member]).fit)
    return fit(_finite(train), None if stop is None else _finite(stop), objective, params)


def parse_trees(member: str, content: bytes, objective: Objective, where: str) -> Trees:
    """The trees in a file of one library; `where` names the file in messages.

    Raises
    ------
    MissingPackageError
        The library is not installed.
    ArtifactError
        The file is damaged.
    """
    load = cast("Load", import_module(MODULES[member]).load)
    try:
        return load(content, objective)
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ArtifactError(f"{where} is damaged ({reason}); run `dvc repro`") from None


def finite_or_missing(X: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows features"]:
    """Features in which infinite values are NaN, which trees take as missing."""
    return np.where(np.isfinite(X), X, np.nan)


def _finite(rows: TreeRows) -> TreeRows:
    return TreeRows(finite_or_missing(rows.X), rows.y, rows.weight)


def _check(train: TreeRows, objective: Objective) -> None:
    if not len(train.y):
        raise TooLittleDataError("there are no training rows for the trees; give more data")
    if objective.kind != "regression" and len(np.unique(train.y)) < 2:
        raise TooLittleDataError(
            f"all {len(train.y)} training rows have the label {train.y[0]:g}, from which nothing "
            "can be learned; give data with other labels, or change the threshold of the label"
        )
