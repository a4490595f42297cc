"""Whether a training learned its windows by heart: at its best evaluation, and after it."""

from spline_lstm.core.params import TrainParams
from spline_lstm.training.loop import Evaluation, Trained


def overfitted_at_best(best: Evaluation, params: TrainParams) -> bool:
    """The validation loss of the weights that are used is far above the training loss."""
    return best.validation_loss > params.overfitting_ratio * best.train_loss


def overfitted_after_best(best: Evaluation, last: Evaluation, params: TrainParams) -> bool:
    """The two losses part: validation rises well above its best while training still falls.

    Early stopping keeps the best weights, so this concerns the training and not the model.
    """
    rises = last.validation_loss > params.overfitting_rise * best.validation_loss
    return rises and last.train_loss < best.train_loss


def overfitting_metrics(trained: Trained, params: TrainParams) -> dict[str, float | bool]:
    """Content for metrics/train.json."""
    best, last = trained.best_losses, trained.history[-1]
    at_best = overfitted_at_best(best, params)
    after_best = overfitted_after_best(best, last, params)
    return {
        "last_train_loss": last.train_loss,
        "last_validation_loss": last.validation_loss,
        "overfitting_warning": at_best or after_best,
        "overfitted_at_best": at_best,
        "overfitted_after_best": after_best,
    }
