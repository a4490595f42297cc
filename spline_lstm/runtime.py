"""How JAX is started: device, threads, compilation cache. Must run before the first array is made."""

import contextlib
import os
import platform
from pathlib import Path

import jax

from spline_lstm.sharing import CPU_SHARES

COMPILATION_CACHE = Path(".cache/jax")
X86 = ("x86_64", "AMD64")


def configure_threads(threads: int) -> None:
    """Let XLA compute with so many threads on a CPU, and with the instructions that all recent x86 CPUs share.

    Nothing of it changes a bit of a training; it keeps the machine from doing so:

    - Batches are shared out over virtual devices, one per thread, up to `CPU_SHARES`.
    - The thread pool would have one thread per core of the machine, and large matmuls are cut into parts
      by its size. XLA reads NPROC when its CPU client starts.
    - XLA compiles for the CPU that it finds. Without AVX512 a step takes 0 to 3 % longer (docs/reproducibility.md);
      XLA_FLAGS with another ``--xla_cpu_max_isa`` takes precedence.

    Where JAX has already made an array, it keeps the devices that it has.
    """
    os.environ["NPROC"] = str(threads)
    flags = os.environ.get("XLA_FLAGS", "")
    if platform.machine() in X86 and "xla_cpu_max_isa" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_max_isa=AVX2".strip()
    if "xla_force_host_platform_device_count" not in flags:
        with contextlib.suppress(RuntimeError):  # JAX has its devices already.
            jax.config.update("jax_num_cpu_devices", CPU_SHARES)


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
