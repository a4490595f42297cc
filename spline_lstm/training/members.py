"""How the members of an ensemble, and the chunks of a batch, go through a network."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from spline_lstm.models.build import NetworkConfig
from spline_lstm.models.row_config import RowConfig

# Sequences that go through the network at once on a CPU core, so that what the backward pass needs
# of them stays in the cache. Matmuls of this size also stay on one thread, so that the size of the
# thread pool cannot change how they are summed.
CPU_SEQUENCES = 32
# The same where the loops of the network are compiled whole (`compact_loops`).
COMPACT_SEQUENCES = 16
# The same for rows of a table, whose members count as rows.
CPU_ROWS = 1024


def member_keys(members: int, seed: int) -> PRNGKeyArray:
    """Key of each member, from the seeds seed, seed + 1, ...: [members], or a single key."""
    keys = [jax.random.key(seed + member) for member in range(members)]
    return keys[0] if members == 1 else jnp.stack(keys)


def each_member(function: Callable[..., Any], members: int, in_axes: Any = 0) -> Callable[..., Any]:
    """Map over members; a single network has no member axis, since a batched matmul is slower."""
    return function if members == 1 else jax.vmap(function, in_axes=in_axes)


def chunk_size(config: NetworkConfig, share: int, *, compact: bool = False) -> int:
    """Windows or rows of a device's share of a batch that go through the network at once.

    The gradients of the chunks are added up. A share of up to `CPU_SEQUENCES` sequences stays
    whole, and so does one without a large enough divisor. `compact`: smaller chunks, if there are.
    """
    if isinstance(config, RowConfig):
        sequences, limit = config.members, CPU_ROWS
    else:
        sequences = len(config.targets) if config.channels == "independent" else 1
        limit = CPU_SEQUENCES
    most = max(1, limit // sequences)
    if jax.default_backend() != "cpu" or share <= most:
        return share
    limits = [max(1, COMPACT_SEQUENCES // sequences), most] if compact else [most]
    sizes = (size for limit in limits for size in range(limit, limit // 2, -1))
    return next((size for size in sizes if share % size == 0), share)
