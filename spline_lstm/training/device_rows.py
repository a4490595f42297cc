"""Rows of a table on the device, and the gathering of batches there."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from spline_lstm.training.device_windows import DeviceBatch, padded

if TYPE_CHECKING:
    # Only named: nothing here runs the code of rows.
    from spline_lstm.rows.arrays import Rows


class RowTable(NamedTuple):
    """Inputs and labels of all rows; see `Rows`. Takes the place of `device_windows.Series`."""

    numbers: Float[Array, "rows numbers"]
    missing: Bool[Array, "rows numbers"]
    categories: Int[Array, "rows categories"]
    labels: Float[Array, "rows one"]

    @property
    def linear(self) -> None:
        """No linear forecast beside it."""
        return

    def in_z_scores(self, outputs: Array) -> Array:
        """Outputs of the network as they are."""
        return outputs

    def gather(self, rows: Int[Array, " batch"], config: Any) -> DeviceBatch:
        """The rows at the given positions."""
        inputs = (self.numbers[rows], self.missing[rows], self.categories[rows])
        labels = self.labels[rows]
        return DeviceBatch(inputs, labels, jnp.ones_like(labels))


def rows_to_device(rows: "Rows") -> RowTable:
    """Put the arrays on the device, once, with unread rows at the end (see `padded`)."""
    inputs = rows.arrays.inputs
    labels = rows.arrays.labels.astype(np.float32)[:, None]
    return RowTable(
        numbers=jax.device_put(padded(inputs.numbers)),
        missing=jax.device_put(padded(inputs.missing)),
        categories=jax.device_put(padded(inputs.categories)),
        labels=jax.device_put(padded(labels)),
    )
