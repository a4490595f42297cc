"""How JAX is started: device, threads. Must run before the first array is made."""

import os

import jax


def configure_threads(threads: int) -> None:
    """Fix the size of XLA's thread pool on CPU, which decides how large matmuls are cut into parts.

    Without it the pool has one thread per core of the machine, and the last bits of a training would
    depend on the machine's number of cores. XLA reads NPROC when its CPU client starts.
    """
    os.environ["NPROC"] = str(threads)


def device_name() -> str:
    """Kind of the device that JAX picked: cpu, gpu or tpu."""
    return jax.default_backend()
