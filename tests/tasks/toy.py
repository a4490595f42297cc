"""A task that the project does not have: it learns every second window with half the loss."""

from spline_lstm.training.losses import forecast_loss
from spline_lstm.windows.windows import make_windows


def half_windows(arrays, scaler, clock, params):
    """The windows of the forecast with twice the stride."""
    stride = {"stride": 2 * params.stride}
    return make_windows(arrays, scaler, clock, params.model_copy(update=stride))


def half_loss(config, windows, params):
    """Half the loss of the forecast."""
    loss = forecast_loss(config, windows, params)
    return lambda output, y: 0.5 * loss(output, y)


def toy_verdict(scores):
    """The number of windows."""
    return f"toy with {scores['n_windows']}"
