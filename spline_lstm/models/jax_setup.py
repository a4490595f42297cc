"""How JAX is started: device, threads, compilation cache; call before the first array is made."""

import contextlib
import os
import platform
from pathlib import Path

import jax

from spline_lstm.core.pipeline import compilation_cache
from spline_lstm.models.sharding import CPU_SHARES

X86 = ("x86_64", "AMD64")
X86_FLAGS = (("--xla_cpu_max_isa", "AVX"),)
# Matmuls by Eigen itself, compiled once for all CPUs, instead of by kernels of YNNPACK or oneDNN.
NO_YNNPACK = (("--xla_cpu_experimental_ynn_fusion_type", ""),)
EIGEN_MATMULS = ("TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL", "false")
# XLA ends a process if a device has waited 40 seconds for another one; this is two days.
PATIENCE = (("--xla_cpu_collective_call_terminate_timeout_seconds", "172800"),)


def configure_threads(threads: int, devices: int = CPU_SHARES) -> None:
    """Set the number of CPU threads of XLA, and the instructions that all recent x86 CPUs share.

    With these settings the weights of a training do not depend on the machine:

    - Batches are split over `devices` virtual devices, however many threads and cores there are.
      A device waits for the other one as long as it takes, even if the machine is busy or asleep.
    - By default the thread pool has one thread per core of the machine, and large matmuls are
      divided by its size. XLA reads NPROC when its CPU client starts.
    - XLA compiles for the CPU that it finds, or for the oldest one with the highest instruction set
      that it is allowed, if the CPU has more. All CPUs with AVX2 have more than AVX, so that they
      get the same program; XLA_FLAGS with another ``--xla_cpu_max_isa`` takes precedence.
    - XLA would give most matmuls to YNNPACK, and Eigen, which has the others, would call oneDNN.
      Kernels of both add in an order that depends on the CPU (docs/reproducibility.md has the
      figures). XLA_FLAGS with another ``--xla_cpu_experimental_ynn_fusion_type`` takes precedence.

    If JAX has already made an array, it keeps its devices.
    """
    os.environ["NPROC"] = str(threads)
    os.environ.setdefault(*EIGEN_MATMULS)
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = [*PATIENCE, *NO_YNNPACK, *(X86_FLAGS if platform.machine() in X86 else ())]
    missing = [f"{flag}={value}" for flag, value in wanted if flag not in flags]
    os.environ["XLA_FLAGS"] = " ".join([*flags.split(), *missing])
    if "xla_force_host_platform_device_count" not in flags:
        with contextlib.suppress(RuntimeError):  # JAX has its devices already.
            jax.config.update("jax_num_cpu_devices", devices)


def configure_compilation_cache(folder: Path) -> None:
    """Keep compiled programs of a pipeline (`compilation_cache`); without them nothing differs.

    JAX's own variable JAX_COMPILATION_CACHE_DIR takes precedence: the temporary copies of
    experiments share one cache.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(compilation_cache(folder)))
    # XLA's own caches are of GPUs alone, and their path would be part of each program's name.
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def device_name() -> str:
    """Kind of the device that JAX chose: cpu, gpu or tpu."""
    return jax.default_backend()
