"""How JAX is started: device, threads, compilation cache. Must run before the first array is made."""

import os
from pathlib import Path

import jax

COMPILATION_CACHE = Path(".cache/jax")


def configure_threads(threads: int) -> None:
    """Fix the size of XLA's thread pool on CPU, which decides how large matmuls are cut into parts.

    Without it the pool has one thread per core of the machine, and the last bits of a training would
    depend on the machine's number of cores. XLA reads NPROC when its CPU client starts.
    """
    os.environ["NPROC"] = str(threads)


def configure_compilation_cache(folder: Path) -> None:
    """Keep compiled programs in `folder`/.cache/jax; the results are the same bytes with and without it.

    Where JAX's own variable JAX_COMPILATION_CACHE_DIR names a place, that is taken: the temporary copies of
    experiments share the programs of one cache.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str((folder / COMPILATION_CACHE).resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def device_name() -> str:
    """Kind of the device that JAX picked: cpu, gpu or tpu."""
    return jax.default_backend()
