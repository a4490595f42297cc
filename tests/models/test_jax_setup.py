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


# float64 holds the product of two float32 exactly, so that this is an FMA, rounded once more. The
# sizes leave rows and columns over that fill neither a tile nor a vector.
IN_SEQUENCE = """
import numpy as np
from spline_lstm.models.jax_setup import configure_threads, small_matmuls
configure_threads(1)
import jax, jax.numpy as jnp
a, b = (np.random.default_rng(0).normal(size=size).astype("f4") for size in ((22, 768), (768, 41)))
product = jax.jit(jnp.matmul).lower(a, b)
whole = product.compile(compiler_options=small_matmuls())
total = np.zeros((22, 41), "f4")
for k in range(768):
    total = (a[:, k, None].astype("f8") * b[k] + total).astype("f4")
print("ynn" in product.compile().as_text(), "ynn" in whole.as_text(), (whole(a, b) == total).all())
"""


def test_no_matmul_is_left_to_kernels_that_depend_on_the_cpu():
    def uses_ynnpack_and_adds_in_sequence(flags: str) -> list[str]:
        environment = os.environ | {"XLA_FLAGS": flags}
        command = [sys.executable, "-c", IN_SEQUENCE]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    by_eigen, by_xla, in_sequence = uses_ynnpack_and_adds_in_sequence("")
    assert by_eigen == by_xla == "False"
    if os.uname().machine == "x86_64":
        assert in_sequence == "True"
        ynnpack = "--xla_cpu_experimental_ynn_fusion_type=individual_dot"
        assert uses_ynnpack_and_adds_in_sequence(ynnpack)[0] == "True"


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
