"""The loss of the task tabular: cross-entropy of classes, or an error of a number."""

from typing import TYPE_CHECKING

import numpy as np

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import TrainParams
from spline_lstm.models.row_config import RowConfig
from spline_lstm.training.losses import HUBER_DELTA, Loss

if TYPE_CHECKING:
    # Only named: nothing here runs the code of rows.
    from spline_lstm.rows.arrays import Rows

OF_NUMBERS = ("mse", "mae", "huber")
OF_CLASSES = ("cross_entropy",)


def row_loss(config: RowConfig, rows: "Rows", params: TrainParams) -> Loss:
    """Cross-entropy for classification; mse, mae or huber of z-scores for regression.

    Every member of TabM is compared with the label by itself; their losses are averaged.

    Raises
    ------
    ParamsError
        `train.loss` does not go with the kind of the labels, or `train.positive_weight` with their
        number of classes.
    """
    allowed = OF_NUMBERS if config.kind == "regression" else OF_CLASSES
    if params.loss not in allowed:
        raise ParamsError(
            f"train.loss = {params.loss}: with tabular.kind {config.kind} it must be "
            f"{' or '.join(allowed)}"
        )
    if config.kind == "regression":
        delta = params.huber_delta if isinstance(params.huber_delta, float) else HUBER_DELTA
        return Loss(params.loss, delta=delta)
    if config.outputs == 1:
        return Loss("bce", positive_weight=positive_weight(rows, params.positive_weight))
    if params.positive_weight != 1.0:
        raise ParamsError(
            f"train.positive_weight = {params.positive_weight}: with {config.outputs} classes it "
            "must be 1.0"
        )
    return Loss("softmax", classes=config.outputs)


def positive_weight(rows: "Rows", weight: float | str) -> float:
    """The weight of the second class; ``balanced``: rows of the first one per row of it."""
    if not isinstance(weight, str):
        return weight
    positives = int(np.count_nonzero(rows.split("train").labels))
    return (len(rows.splits["train"]) - positives) / max(positives, 1)
