"""Train a model of any type."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from spline_lstm.core.params import TrainParams
from spline_lstm.models.build import NetworkConfig
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.training.checkpoints import Checkpoint
from spline_lstm.training.combined import train_combined
from spline_lstm.training.linear import train_linear
from spline_lstm.training.loop import Evaluation, MakeLoss, Trained, train
from spline_lstm.training.losses import forecast_loss
from spline_lstm.training.residuals import FitPart, fit_linear_part
from spline_lstm.windows.windows import Windows

if TYPE_CHECKING:
    # Only named: nothing here runs the code of rows.
    from spline_lstm.rows.arrays import Rows


def train_model(
    config: NetworkConfig,
    windows: "Windows | Rows",
    params: TrainParams,
    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None,
    checkpoint: Checkpoint | None = None,
    on_restore: Callable[[list[Evaluation]], None] = lambda history: None,
    make_loss: MakeLoss = forecast_loss,
    fit_part: FitPart = fit_linear_part,
) -> Trained:
    """Train a network, alone or beside a linear forecast, or solve a model in closed form.

    Parameters and errors are those of `loop.train` and `linear.train_linear`. A closed form is
    solved at once: it leaves no checkpoint, and of `params` nothing matters. `fit_part` fits the
    linear forecast beside a network; `residuals.LinearParts` fits each one once.
    """
    if isinstance(config, RowConfig):
        return train(config, windows, params, on_evaluation, checkpoint, on_restore, make_loss)
    windows = cast("Windows", windows)
    if MODEL_TYPES[config.model_type].closed_form:
        return train_linear(windows, on_evaluation, shared=config.is_independent)
    if config.is_combined:
        return train_combined(
            config, windows, params, on_evaluation, checkpoint, on_restore, make_loss, fit_part
        )
    return train(config, windows, params, on_evaluation, checkpoint, on_restore, make_loss)
