"""How JAX is started: device, threads, compilation cache; call before the first array is made."""

import contextlib
import os
import platform
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

from spline_lstm.core.pipeline import compilation_cache
from spline_lstm.models.sharding import CPU_SHARES

X86 = ("x86_64", "AMD64")
# What XLA's CPU compiler knows a call by whose computation becomes one function of machine code.
ONE_FUNCTION = {"inlineable": "false", "xla_cpu_small_call": "true"}
INLINED = {"inlineable": "true", "xla_cpu_small_call": "false"}
_is_compact = ContextVar("compact_loops", default=False)
# AVX2 brings FMA. Tiles of 6 rows and 2 vectors fill its 16 registers.
X86_FLAGS = (
    ("--xla_cpu_max_isa", "AVX2"),
    (
        "--xla_backend_extra_options",
        "xla_force_enable_experimental_llvm_ir_gemm,xla_llvm_ir_gemm_tile_size=6:8:2*vectwidth",
    ),
)
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
    - XLA compiles for the CPU that it finds, with instructions up to AVX2 and FMA, which nearly
      every x86 CPU since 2015 has; XLA_FLAGS with another ``--xla_cpu_max_isa`` takes precedence.
    - XLA would give most matmuls to YNNPACK, and Eigen, which has the others, would call oneDNN.
      Kernels of both add in an order that depends on the CPU (docs/reproducibility.md has the
      figures). XLA_FLAGS with another ``--xla_cpu_experimental_ynn_fusion_type`` takes precedence.

    Programs compiled with `small_matmuls` multiply by XLA's own code instead of by Eigen. It adds
    the terms of each output one after the other, by FMA, whatever the width of vectors.

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


def small_matmuls() -> dict[str, bool]:
    """Options of a program whose matmuls XLA writes itself, which is faster for small ones.

    Eigen copies its operands into blocks that suit the cache first. That pays from about 300 rows
    and columns on, where such a program takes longer instead.
    """
    if jax.default_backend() != "cpu" or platform.machine() not in X86:
        return {}
    return {"xla_cpu_multi_thread_eigen": False}


@contextlib.contextmanager
def compact_loops() -> Iterator[None]:
    """While a program is traced in here, each loop made by `scan` becomes one function."""
    before = _is_compact.set(True)
    try:
        yield
    finally:
        _is_compact.reset(before)


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]], initial: Any, inputs: Any, *, reverse: bool = False
) -> tuple[Any, Any]:
    """`lax.scan`; within `compact_loops` compiled as one function of machine code.

    Otherwise each operation of a loop is a function that a runtime calls; for the steps of a small
    recurrent network that takes up to a sixth of the time. For a CPU and programs with
    `small_matmuls`. XLA cannot do so with every operation: with a sort it ends with an error.
    """
    # XLA has no loop for a single turn, and ends the process if it is marked as one.
    if not _is_compact.get() or len(jax.tree.leaves(inputs)[0]) < 2:
        return lax.scan(step, initial, inputs, reverse=reverse)

    def loop(initial: Any, inputs: Any) -> tuple[Any, Any]:
        # Calls inside take their marks from the outer one, as long as they have none.
        with set_xla_metadata(**INLINED):
            return lax.scan(step, initial, inputs, reverse=reverse)

    with set_xla_metadata(**ONE_FUNCTION):
        return jax.jit(loop)(initial, inputs)


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
