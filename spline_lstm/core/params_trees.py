"""Sections of params.yaml for boosted trees and for the ensemble of trees and network."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from spline_lstm.core.section import Count, NotNegative, Positive, Section, Seed, Share

PartShare = Annotated[float, Field(gt=0.0, le=1.0)]
Weight = Annotated[float, Field(ge=0.0, le=1.0)]


def leaf_rows(rows: int) -> int:
    """`TreesParams.min_rows` for so many training rows, where nobody chose it: 2 % of them.

    With the 100 of the defaults, trees could not ask a single question of a table of 150 rows.

    >>> leaf_rows(30), leaf_rows(500), leaf_rows(10_000)
    (1, 10, 100)
    """
    return min(max(rows // 50, 1), 100)


class TreesParams(Section):
    """Stage train-trees: gradient-boosted trees on the rows of a task that has them."""

    members: tuple[Literal["lightgbm", "xgboost"], ...] = ("lightgbm", "xgboost")
    """libraries to train with: lightgbm | xgboost; [] for no trees"""
    rounds: Count = 400
    """most trees of each (with several classes, of each class)"""
    learning_rate: Positive = 0.03
    """share of each tree that is added"""
    leaves: Annotated[int, Field(ge=2)] = 15
    """lightgbm: most leaves of a tree"""
    depth: Annotated[int, Field(ge=1, le=16)] = 4
    """xgboost: most questions from the root of a tree to a leaf"""
    min_rows: Count = 100
    """fewest training rows in a leaf (xgboost: rows by their weight in the loss)"""
    row_share: PartShare = 0.8
    """share of the training rows that each tree sees, above 0 to 1"""
    feature_share: PartShare = 0.8
    """share of the features that each tree sees, above 0 to 1"""
    l2: NotNegative = 1.0
    """penalty on the squared values of leaves"""
    stop_rounds: Count | None = 50
    """rounds without improvement of the validation loss before training stops; the trees up to the
    best round are kept; null: all rounds"""
    seed: Seed = 42
    """seed of the rows and features that trees see, 0 to 4294967295"""

    @pydantic.field_validator("members")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each entry may appear only once")
        return value


class WeightsParams(Section):
    """Weights of the members; those that are there are scaled to the sum 1."""

    lightgbm: Weight = 0.35
    """share of the trees of LightGBM, 0 to 1"""
    xgboost: Weight = 0.30
    """share of the trees of XGBoost, 0 to 1"""
    network: Weight = 0.35
    """share of the network, 0 to 1"""

    @pydantic.model_validator(mode="after")
    def _some_weight(self) -> "WeightsParams":
        if self.lightgbm + self.xgboost + self.network == 0.0:
            raise ValueError("at least one weight must be above 0")
        return self


class EnsembleParams(Section):
    """Stage evaluate: the probability that trees and network give together."""

    weights: WeightsParams = WeightsParams()
    lightgbm_without_network: Share = 0.55
    """weight of LightGBM, the rest is XGBoost's, if the network is absent or neutral"""
    fit: Literal["fixed", "validation"] = "fixed"
    """fixed: the weights above | validation: those of the lowest log loss on the validation
    split"""
    neutral: NotNegative = 0.01
    """a network all of whose validation probabilities are nearer to 0.5 than this is neutral"""
    calibration: Literal["isotonic", "platt", "none"] = "platt"
    """of the weighted mean, on the validation split: isotonic (a rising step function) | platt (a
    logistic curve) | none"""


class ProbabilityParams(Section):
    """Stages evaluate, backtest and report of a task whose rows come in days: how it is judged."""

    top_share: Share = 0.1
    """share of the rows with the highest probabilities whose precision and return are shown"""
    cost: NotNegative = 0.001
    """of buying and selling once, as a share of the price (0.001: a tenth of a percent)"""
    block: Count = 20
    """consecutive days in a block of the bootstrap, at most a tenth of all; labels of neighbouring
    days overlap"""
    repetitions: Annotated[int, Field(ge=100)] = 1000
    """resamples of the bootstrap"""
    bootstrap_seed: Seed = 0
    """seed of the bootstrap, 0 to 4294967295"""
    overfitting_gap: Positive = 0.15
    """AUC in training - AUC in validation above which the ensemble is marked as overfitting"""
    suspicious_auc: Share = 0.6
    """AUC above which the report asks for the audit of leaks"""
    words: tuple[Share, Share, Share] = (0.2, 0.4, 0.6)
    """probabilities from which on a score is called possible, likely and very likely; below them
    unlikely"""

    @pydantic.field_validator("words")
    @classmethod
    def _increasing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("probabilities must increase")
        return value
