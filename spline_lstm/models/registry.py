"""Model types by name, and their weights as named arrays."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PRNGKeyArray

from spline_lstm.models.config import ModelConfig
from spline_lstm.models.lstm import LSTMForecaster

MODELS: dict[str, type[LSTMForecaster]] = {"lstm": LSTMForecaster}


def build(config: ModelConfig, *, key: PRNGKeyArray) -> LSTMForecaster:
    """A forecaster of `config.model_type` with fresh weights."""
    return MODELS[config.model_type](config, key=key)


def to_arrays(params: nnx.State) -> dict[str, np.ndarray]:
    """Weights as float32 arrays by dotted name (``rnn.0.bias``), sorted by name."""
    flat = flatten_dict(nnx.to_pure_dict(params))
    named = {".".join(map(str, path)): np.asarray(value, dtype=np.float32) for path, value in flat.items()}
    return dict(sorted(named.items()))


def from_arrays(params: nnx.State, arrays: Mapping[str, np.ndarray]) -> nnx.State:
    """The state `params` with its values replaced by `arrays`.

    Raises
    ------
    ValueError
        Names or shapes differ.
    """
    expected = {name: value.shape for name, value in to_arrays(params).items()}
    given = {name: value.shape for name, value in arrays.items()}
    if expected != given:
        raise ValueError(f"weights do not fit the model: expected {expected}, got {given}")
    paths = {".".join(map(str, path)): path for path in flatten_dict(nnx.to_pure_dict(params))}
    values = unflatten_dict({paths[name]: jnp.asarray(value) for name, value in arrays.items()})
    nnx.replace_by_pure_dict(params, values)
    return params
