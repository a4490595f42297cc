"""A trained network of rows."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float, Int

from spline_lstm.models.build import from_arrays, structure
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.row_layers import probabilities
from spline_lstm.models.stored_programs import StoredProgram
from spline_lstm.models.types import is_own_class

# Predictions are computed in batches of this size, the last one padded: one compiled program.
PREDICT_BATCH = 1024


@dataclass(frozen=True)
class RowModel:
    """A trained network of rows.

    Attributes
    ----------
    config : RowConfig
    run_id : str
        Content id of config and weights.
    preprocessor_run_id : str
        Content id of the preprocessor it was trained with.
    weights : dict of name -> float32 array
        Those of an ensemble have a leading member axis.
    """

    config: RowConfig
    run_id: str
    preprocessor_run_id: str
    weights: Mapping[str, np.ndarray]

    def predict(
        self,
        numbers: Float[np.ndarray, "rows numbers"],
        missing: Bool[np.ndarray, "rows numbers"],
        categories: Int[np.ndarray, "rows categories"],
    ) -> Float[np.ndarray, "rows outputs"]:
        """Predict rows: the mean of an ensemble.

        Parameters
        ----------
        numbers : [rows, n_numbers] float32, z-scores
        missing : [rows, n_numbers] bool
        categories : [rows, n_categories] int32, ids; 0: unknown

        Returns
        -------
        [rows, outputs] float32: the probability of the second of two classes, or of each of more,
        or the z-score of the target.

        Raises
        ------
        ValueError
            An input has another shape.
        """
        return self.predict_members(numbers, missing, categories).mean(axis=0, dtype=np.float32)

    def predict_data_units(
        self,
        numbers: Float[np.ndarray, "rows numbers"],
        missing: Bool[np.ndarray, "rows numbers"],
        categories: Int[np.ndarray, "rows categories"],
    ) -> Float[np.ndarray, "rows outputs"]:
        """As `predict`, but a target in data units: what exported files answer."""
        predicted = self.predict(numbers, missing, categories)
        if self.config.kind == "classification":
            return predicted
        return predicted * np.float32(self.config.label_scale) + np.float32(
            self.config.label_center
        )

    def predict_members(
        self,
        numbers: Float[np.ndarray, "rows numbers"],
        missing: Bool[np.ndarray, "rows numbers"],
        categories: Int[np.ndarray, "rows categories"],
    ) -> Float[np.ndarray, "ensemble rows outputs"]:
        """As `predict`, of each network of the ensemble; TabM's own members count as one."""
        inputs = [
            np.asarray(numbers, np.float32),
            np.asarray(missing, bool),
            np.asarray(categories, np.int32),
        ]
        self._check(inputs)
        weights = from_arrays(structure(self.config)[1], dict(self.weights))
        compute, count = _compiled(self.config), len(inputs[0])
        outputs = [np.empty((self.config.ensemble_size, 0, self.config.outputs), np.float32)]
        for start in range(0, count, PREDICT_BATCH):
            batch = [_padded(values[start : start + PREDICT_BATCH]) for values in inputs]
            outputs.append(np.asarray(compute(weights, *batch))[:, : count - start])
        return np.concatenate(outputs, axis=1)

    def _check(self, inputs: list[np.ndarray]) -> None:
        config, rows = self.config, len(inputs[0])
        numbers = (rows, len(config.numbers))
        expected = [numbers, numbers, (rows, len(config.categories))]
        found = [value.shape for value in inputs]
        if found != expected:
            raise ValueError(
                f"numbers, missing and categories must have the shapes {expected}, but have "
                f"{found}; numbers in order: {', '.join(config.numbers)}; categories in order: "
                f"{', '.join(config.categories)}"
            )


def _padded(values: np.ndarray) -> np.ndarray:
    absent = np.zeros((PREDICT_BATCH - len(values), *values.shape[1:]), values.dtype)
    return np.concatenate([values, absent])


@functools.cache
def _compiled(config: RowConfig) -> Callable[..., jax.Array]:
    """Predictions of each network [ensemble, batch, outputs] from weights and inputs."""

    def member(weights: nnx.State, *inputs: jax.Array) -> jax.Array:
        graph, _ = structure(config)
        return probabilities(nnx.merge(graph, weights)(*inputs), config)

    def members(weights: nnx.State, *inputs: jax.Array) -> jax.Array:
        if config.ensemble_size == 1:
            return member(weights, *inputs)[None]
        return jax.vmap(member, in_axes=(0, None, None, None))(weights, *inputs)

    return StoredProgram(members, None if is_own_class(config.model_type) else repr(config))
