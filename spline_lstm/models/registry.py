"""The types of model by name, networks by config, and their weights as named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PRNGKeyArray

from spline_lstm.core.params import ModelParams
from spline_lstm.models.attention_lstm import AttentionLSTMNetwork
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.gru import GRUNetwork
from spline_lstm.models.lstm import LSTMNetwork
from spline_lstm.models.network import RecurrentNetwork


@dataclass(frozen=True)
class ModelType:
    """A type of model.

    Attributes
    ----------
    network : class
        Built from a `ModelConfig` and a key.
    defaults : ModelParams
        What params.yaml holds for it out of the box.
    """

    network: type[RecurrentNetwork]
    defaults: ModelParams

    @property
    def params(self) -> type[ModelParams]:
        """The model that validates its section of params.yaml: types, ranges and what goes with what."""
        return type(self.defaults)

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """Allowed values of the options that are a choice."""
        fields = {
            name: field.annotation
            for name, field in self.params.model_fields.items()
            if name != "type"
        }
        choices = {
            name: get_args(kind) for name, kind in fields.items() if get_origin(kind) is Literal
        }
        return choices | {name: (False, True) for name, kind in fields.items() if kind is bool}


_DEFAULTS = ModelParams(
    type="lstm",
    hidden=(64, 32),
    dropout=0.1,
    normalization="last",
    segment=4,
    decoder="dense",
    channels="mixed",
    bidirectional=False,
    layer_norm=False,
    quantiles=(),
)

# Every option goes with every type.
MODEL_TYPES = {
    "lstm": ModelType(LSTMNetwork, _DEFAULTS),
    "gru": ModelType(GRUNetwork, _DEFAULTS.model_copy(update={"type": "gru"})),
    "attention_lstm": ModelType(
        AttentionLSTMNetwork, _DEFAULTS.model_copy(update={"type": "attention_lstm"})
    ),
}


def build(config: ModelConfig, *, key: PRNGKeyArray) -> RecurrentNetwork:
    """A network of `config.model_type` with fresh weights: one member, whatever the size of the ensemble."""
    return MODEL_TYPES[config.model_type].network(config, key=key)


def structure(config: ModelConfig) -> tuple[nnx.GraphDef, nnx.State]:
    """Graph of the network, and the shapes of its weights (with the member axis of an ensemble)."""
    key = jax.random.key(0)
    graph, weights = nnx.split(nnx.eval_shape(lambda: build(config, key=key)), nnx.Param)
    if config.ensemble_size > 1:
        members = config.ensemble_size
        weights = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((members, *leaf.shape), leaf.dtype), weights
        )
    return graph, weights


def to_arrays(params: nnx.State) -> dict[str, np.ndarray]:
    """Weights as float32 arrays by dotted name (``rnn.0.bias``), sorted by name."""
    return {
        name: np.asarray(value, dtype=np.float32) for name, value in sorted(_named(params).items())
    }


def from_arrays(params: nnx.State, arrays: Mapping[str, np.ndarray]) -> nnx.State:
    """The state `params` with its values replaced by `arrays`.

    Raises
    ------
    ValueError
        Names or shapes differ.
    """
    expected = {name: tuple(value.shape) for name, value in _named(params).items()}
    given = {name: value.shape for name, value in arrays.items()}
    if expected != given:
        raise ValueError(f"weights do not fit the model: expected {expected}, got {given}")
    paths = {".".join(map(str, path)): path for path in flatten_dict(nnx.to_pure_dict(params))}
    values = unflatten_dict({paths[name]: jnp.asarray(value) for name, value in arrays.items()})
    nnx.replace_by_pure_dict(params, values)
    return params


def _named(params: nnx.State) -> dict[str, Any]:
    return {
        ".".join(map(str, path)): value
        for path, value in flatten_dict(nnx.to_pure_dict(params)).items()
    }
