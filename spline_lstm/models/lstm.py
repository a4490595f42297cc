"""The LSTM forecaster: stacked layers, last hidden state, dense head."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from spline_lstm.models.config import ModelConfig, check_shape
from spline_lstm.models.layers import Head, LSTMLayer, dropout
from spline_lstm.models.normalization import denormalize, normalize


class LSTMForecaster(nnx.Module):
    """X [batch, lookback, F_total] -> forecast [batch, horizon * F_target], both z-scores."""

    def __init__(self, config: ModelConfig, *, key: PRNGKeyArray) -> None:
        keys = jax.random.split(key, len(config.hidden) + 1)
        widths = (len(config.features), *config.hidden)
        self.config = nnx.static(config)
        self.rnn = nnx.List([LSTMLayer(widths[i], widths[i + 1], key=keys[i]) for i in range(len(config.hidden))])
        self.head = Head(widths[-1], config.horizon * len(config.targets), key=keys[-1])

    def __call__(
        self, x: Float[Array, "batch lookback features"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "batch outputs"]:
        """Forecast; `key` turns dropout on.

        Raises
        ------
        ValueError
            `x` is not of the shape [batch, lookback, F_total].
        """
        config: ModelConfig = self.config
        check_shape(x.shape, config)
        x, scale = normalize(x, config.target_indices, config.normalization)
        states = jnp.swapaxes(x, 0, 1)
        for index, layer in enumerate(self.rnn):
            if index > 0 and key is not None:
                states = dropout(states, config.dropout, key=jax.random.fold_in(key, index))
            states = layer(states)
        forecast = self.head(states[-1]).reshape(x.shape[0], config.horizon, len(config.targets))
        return denormalize(forecast, scale).reshape(x.shape[0], -1)
