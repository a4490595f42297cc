"""How JAX is started: the instruction set of its matmuls does not depend on the CPU."""

import os
import subprocess
import sys

import pytest

from tests.builders import ROOT

# Gradients of weights are products of this form, which XLA hands to Eigen.
PROGRAM = """
import hashlib
import numpy as np
from spline_lstm.models.jax_setup import configure_threads
configure_threads(2)
import jax
a, b = (np.random.default_rng(0).normal(size=(192, width)).astype("f4") for width in (64, 256))
product = np.asarray(jax.jit(lambda a, b: a.T @ b)(a, b))
print(hashlib.sha256(product.tobytes()).hexdigest())
"""


def product_hash(**variables: str) -> str:
    names = ("ONEDNN", "CONTRACTION")
    environment = {
        key: value for key, value in os.environ.items() if not any(name in key for name in names)
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_matmuls_do_not_depend_on_the_instruction_set_that_onednn_would_choose():
    default = product_hash()
    assert default == product_hash(ONEDNN_MAX_CPU_ISA="SSE41")
    if os.uname().machine != "x86_64":
        pytest.skip("oneDNN's instruction sets are those of x86-64")
    # With its kernels they would.
    kernels = {"TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "true"}
    assert product_hash(**kernels) != product_hash(ONEDNN_MAX_CPU_ISA="SSE41", **kernels)


def test_no_matmul_is_left_to_ynnpack_whose_kernels_depend_on_the_cpu():
    program = (
        "from spline_lstm.models.jax_setup import configure_threads\n"
        "configure_threads(1)\n"
        "import jax, jax.numpy as jnp\n"
        "product = jax.jit(jnp.matmul).lower(jnp.ones((64, 768)), jnp.ones((768, 256)))\n"
        "print('ynn' in product.compile().as_text())\n"
    )

    def uses_ynnpack(flags: str) -> str:
        environment = os.environ | {"XLA_FLAGS": flags}
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert uses_ynnpack("") == "False"
    if os.uname().machine == "x86_64":
        assert uses_ynnpack("--xla_cpu_experimental_ynn_fusion_type=individual_dot") == "True"


def test_the_names_of_compiled_programs_do_not_depend_on_the_folder(tmp_path):
    code = (
        "import pathlib, sys\n"
        "import jax, jax.numpy as jnp\n"
        "from jax.experimental.compilation_cache.compilation_cache import reset_cache\n"
        "from spline_lstm.models.jax_setup import configure_compilation_cache\n"
        "for name in ('a', 'b'):\n"
        "    configure_compilation_cache(pathlib.Path(sys.argv[1]) / name)\n"
        "    jax.jit(lambda x: 2 * x + 1)(jnp.zeros(7))\n"
        "    jax.clear_caches()\n"
        "    reset_cache()\n"
    )
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("JAX_")}
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    first, second = (
        sorted(path.name for path in tmp_path.glob(f"{name}/.cache/jax/*-cache")) for name in "ab"
    )
    assert first == second != []
