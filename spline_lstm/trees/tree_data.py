"""What a task gives to the stage train-trees."""

from collections.abc import Mapping
from dataclasses import dataclass

from spline_lstm.trees.trees import Objective, TreeRows

TRAIN, VALIDATION = "train", "validation"


@dataclass(frozen=True)
class TreeData:
    """Rows with labels.

    Attributes
    ----------
    objective : what is predicted
    features : [features] names
    splits : name of a split -> its rows; `TRAIN` and `VALIDATION` at least
    run_id : content id of the preprocessor that the features come from
    """

    objective: Objective
    features: tuple[str, ...]
    splits: Mapping[str, TreeRows]
    run_id: str
