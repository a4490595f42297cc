"""What metrics/train.json says of a training."""

from typing import Any

from spline_lstm.core.params import Params
from spline_lstm.training.loop import Trained, steps_of
from spline_lstm.training.overfitting import overfitting_metrics


def train_record(trained: Trained, params: Params) -> dict[str, Any]:
    """The model, its best evaluation, and whether it is overfitted."""
    best = trained.best_losses
    return {
        "model_type": params.model.type,
        "feature_mode": params.preprocess.feature_mode,
        "seed": params.train.seed,
        "steps": steps_of(trained.history),
        "best_step": best.step,
        "epochs": trained.history[-1].epoch,
        "best_epoch": best.epoch,
        "train_loss": best.train_loss,
        "validation_loss": best.validation_loss,
        **overfitting_metrics(trained, params.train),
        "n_params": int(sum(value.size for value in trained.best.values())),
    }
