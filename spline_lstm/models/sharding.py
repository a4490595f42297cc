"""A batch shared out over devices; its sums are the same for one device and for several.

On a CPU the halves of each batch are computed apart, whatever the number of devices: with two (virtual)
devices side by side, with one after the other. Either way the sum of the batch is that of the halves,
in this order, so that the number of threads changes no bit of a training.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

# Parts of a batch that a CPU computes side by side: recurrent networks of this project leave no more to gain on a
# laptop, and the number must not depend on the machine.
CPU_SHARES = 2
AXIS = "batch"


class Sharding:
    """How batches are shared out.

    Parameters
    ----------
    *batch_sizes : int
        Sizes that the number of shares must divide.

    Attributes
    ----------
    shares : int
        Parts that each batch is cut into.
    """

    def __init__(self, *batch_sizes: int) -> None:
        devices = jax.devices()
        wanted = max(CPU_SHARES, len(devices)) if jax.default_backend() == "cpu" else len(devices)
        self.shares = math.gcd(wanted, *batch_sizes)
        side_by_side = 1 < self.shares <= len(devices)
        self._mesh = Mesh(np.array(devices[: self.shares]), (AXIS,)) if side_by_side else None

    def place(self, array: Any, axis: int | None = None) -> Array:
        """Put an array on the devices: shared out along `axis`, or a copy on each."""
        if self._mesh is None:
            return jnp.asarray(array)
        spec = PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, AXIS)
        return jax.device_put(array, NamedSharding(self._mesh, spec))

    def sum(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give ``summed(common, batch)``: the sum over the shares of ``function(common, share of batch)``.

        `common` and `batch` are pytrees; the leaves of `batch` have the batch as their first axis.
        """
        if self.shares == 1:
            return function
        if self._mesh is None:
            return self._one_after_the_other(function)

        def share(common: Any, batch: Any) -> Any:
            # One vector, so that the devices meet once.
            flat, unravel = ravel_pytree(function(common, batch))
            return unravel(lax.psum(flat, AXIS))

        specs = (PartitionSpec(), PartitionSpec(AXIS))
        return jax.shard_map(
            share, mesh=self._mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False
        )

    def _one_after_the_other(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def summed(common: Any, batch: Any) -> Any:
            shares = jax.tree.map(
                lambda leaf: leaf.reshape(self.shares, -1, *leaf.shape[1:]), batch
            )
            parts = lax.map(lambda share: function(common, share), shares)
            return jax.tree.map(_added, parts)

        return summed


def _added(parts: Array) -> Array:
    """Sum along the first axis, from the first to the last."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
