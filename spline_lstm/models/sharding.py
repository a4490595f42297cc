"""A batch split over devices, whose sums are added in the order of the shares.

On a CPU the halves of each batch are computed separately: in parallel on the two virtual devices
that every process has (`jax_setup`), whatever the number of its threads and cores, so that these
change no bit of a training. With a single device, which only XLA_FLAGS can ask for, the halves
follow one another and are added in the same order, but XLA may compile them to other rounding.
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

from spline_lstm.core.errors import ParamsError

# Shares of a batch that a CPU computes in parallel. More would not make the recurrent networks of
# this project faster on a laptop, and the number must not depend on the machine.
CPU_SHARES = 2
AXIS = "batch"


class Sharding:
    """How batches are split over devices.

    Parameters
    ----------
    *batch_sizes : int
        Sizes that the number of shares must divide.
    local : bool
        Only the devices of this process, which computes for itself.

    Raises
    ------
    ParamsError
        Several processes have more devices than shares.

    Attributes
    ----------
    shares : int
        Number of shares of each batch.
    parallel : int
        Number of shares that are computed in parallel, each on a device; 1: all on one device.
    """

    def __init__(self, *batch_sizes: int, local: bool = False) -> None:
        devices = jax.local_devices() if local else jax.devices()
        wanted = max(CPU_SHARES, len(devices)) if jax.default_backend() == "cpu" else len(devices)
        self.shares = math.gcd(wanted, *batch_sizes)
        self._in_one_process = local or jax.process_count() == 1
        if not self._in_one_process and self.shares != len(devices):
            raise ParamsError(
                f"{len(devices)} devices of {jax.process_count()} processes cannot share batches "
                f"of {' and '.join(map(str, batch_sizes))} windows; set train.devices to a divisor"
            )
        in_parallel = 1 < self.shares <= len(devices)
        self._mesh = Mesh(np.array(devices[: self.shares]), (AXIS,)) if in_parallel else None
        self.parallel = self.shares if in_parallel else 1
        self._replicated = NamedSharding(self._mesh, PartitionSpec()) if self._mesh else None

    def place(self, array: Any, axis: int | None = None) -> Array:
        """Put an array on the devices, split along `axis` or as a copy on each.

        An array that is already there is returned as it is; to put the state of a training again
        would cost milliseconds per epoch.
        """
        if self._mesh is None:
            return jnp.asarray(array)
        if axis is not None:
            spec = PartitionSpec(*[None] * axis, AXIS)
            return self._put(array, NamedSharding(self._mesh, spec))
        if isinstance(array, jax.Array) and array.sharding == self._replicated:
            return array
        return self._put(array, self._replicated)

    def _put(self, array: Any, sharding: Any) -> Array:
        """Put an array on devices, of which this process may have only some."""
        if self._in_one_process:
            return jax.device_put(array, sharding)
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(self._put(jax.random.key_data(array), sharding))
        values = np.asarray(array)
        return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])

    def sum(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make ``summed(common, batch)``, the sum of ``function(common, share)`` over the shares.

        `common` and `batch` are pytrees; the leaves of `batch` have the batch as their first axis.
        """
        if self.shares == 1:
            return function
        if self._mesh is None:
            return self._sequential(function)

        def share(common: Any, batch: Any) -> Any:
            # One vector, so that the devices meet once.
            flat, unravel = ravel_pytree(function(common, batch))
            return unravel(lax.psum(flat, AXIS))

        specs = (PartitionSpec(), PartitionSpec(AXIS))
        return jax.shard_map(
            share, mesh=self._mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False
        )

    def each(self, function: Callable[..., Any], axis: int) -> Callable[..., Any]:
        """Make ``joined(common, batch)``: what the shares give, side by side along `axis`.

        `function`, `common` and `batch` are as in `sum`.
        """
        if self._mesh is None:
            return function
        of_output = PartitionSpec(*[None] * axis, AXIS)
        specs = (PartitionSpec(), PartitionSpec(AXIS))
        return jax.shard_map(
            function, mesh=self._mesh, in_specs=specs, out_specs=of_output, check_vma=False
        )

    def _sequential(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def summed(common: Any, batch: Any) -> Any:
            shares = jax.tree.map(
                lambda leaf: leaf.reshape(self.shares, -1, *leaf.shape[1:]), batch
            )
            terms = lax.map(lambda share: function(common, share), shares)
            return jax.tree.map(_added, terms)

        return summed


def _added(terms: Array) -> Array:
    """Sum along the first axis, from the first to the last."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
