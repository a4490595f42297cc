"""Networks by config: the class of a type is loaded when it is needed; weights are named arrays."""

import functools
import importlib
from collections.abc import Mapping
from typing import Any, Protocol

import jax
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, Int, PRNGKeyArray

from spline_lstm.core.errors import ParamsError
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.jax_setup import small_matmuls
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.types import MODEL_TYPES, is_own_class

NetworkConfig = ModelConfig | RowConfig
# Units of a recurrent layer up to which XLA's own matmuls are faster than those of Eigen.
SMALL_UNITS = 128


class Network(Protocol):
    """What training and forecasts ask of a network of windows, besides being an `nnx.Module`.

    Its class is called with a `ModelConfig` and ``key=``; its weights are `nnx.Param`. A network of
    rows has other inputs: see `spline_lstm.models.row_config.RowConfig`. A class may name parts of
    the names of weights that do not decay, as `undecayed`.
    """

    def __call__(
        self,
        x: Float[Array, "batch lookback features"],
        future: Float[Array, "batch horizon future_features"] | None = None,
        static: Int[Array, "batch statics"] | None = None,
        linear: Float[Array, "batch values"] | None = None,
        *,
        keys: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch outputs"]:
        """Forecast z-scores, the level fastest; logits if the output is a probability.

        Beside a linear part, whose z-scores are `linear`: what is added to it, in units of
        `models.combined.Combination.residual_scale`. With `linear_skip` beside these are z-scores,
        and what is added is the forecast of the network less `linear`.

        `keys` has a key per window while training, and is None otherwise.
        """
        ...


def network_class(config: NetworkConfig) -> Any:
    """The class of `config.model_type`.

    Raises
    ------
    ParamsError
        It is a class of the user's own that cannot be imported, or is not a network.
    """
    if is_own_class(config.model_type):
        return own_class(config.model_type)
    module, _, name = MODEL_TYPES[config.model_type].network.partition(":")
    return getattr(importlib.import_module(module), name)


def own_class(name: str) -> type[nnx.Module]:
    """The class of the user's own that ``module:Class`` names; errors as `network_class`."""
    module, _, member = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), member)
    except (ImportError, AttributeError) as error:
        raise ParamsError(
            f"model.type = {name}: {error}; put the module at the root of the repository, or "
            "install it"
        ) from None
    if not (isinstance(found, type) and issubclass(found, nnx.Module)):
        raise ParamsError(
            f"model.type = {name}: it is not a class of flax.nnx.Module; see "
            "spline_lstm.models.build.Network for what a network must have"
        )
    return found


def build(config: NetworkConfig, *, key: PRNGKeyArray) -> Network:
    """A network of `config.model_type` with fresh weights; one member of an ensemble."""
    return network_class(config)(config, key=key)


def matmuls(config: NetworkConfig) -> dict[str, bool]:
    """Options of XLA for how programs of a network multiply.

    Rows of a table, in large products, by Eigen; see `small_matmuls`.
    """
    is_small = not isinstance(config, RowConfig) and max(config.hidden) <= SMALL_UNITS
    return small_matmuls() if is_small else {}


def structure(config: NetworkConfig) -> tuple[nnx.GraphDef, nnx.State]:
    """Graph of the network, and the shapes of its weights (an ensemble has a member axis)."""
    if is_own_class(config.model_type):
        return _structure(config)
    graph, weights = _known_structure(config)
    # A state of its own, in which the caller may put values.
    return graph, jax.tree.map(lambda leaf: leaf, weights)


def _structure(config: NetworkConfig) -> tuple[nnx.GraphDef, nnx.State]:
    key = jax.random.key(0)
    graph, weights = nnx.split(nnx.eval_shape(lambda: build(config, key=key)), nnx.Param)
    if config.ensemble_size > 1:
        members = config.ensemble_size
        weights = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((members, *leaf.shape), leaf.dtype), weights
        )
    return graph, weights


_known_structure = functools.lru_cache(maxsize=16)(_structure)


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
    values = unflatten_dict({paths[name]: jax.device_put(value) for name, value in arrays.items()})
    nnx.replace_by_pure_dict(params, values)
    return params


def _named(params: nnx.State) -> dict[str, Any]:
    return {
        ".".join(map(str, path)): value
        for path, value in flatten_dict(nnx.to_pure_dict(params)).items()
    }
