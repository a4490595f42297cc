"""How JAX is started: the instruction set of its matmuls does not depend on the CPU."""

import os
import subprocess
import sys

import pytest

from tests.builders import ROOT

# Gradients of weights are products of this form, which XLA hands to oneDNN.
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
    environment = {key: value for key, value in os.environ.items() if "ONEDNN" not in key}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_matmuls_use_avx2_unless_the_environment_names_another_instruction_set():
    default = product_hash()
    assert default == product_hash(ONEDNN_MAX_CPU_ISA="AVX2")
    if os.uname().machine != "x86_64":
        pytest.skip("oneDNN's instruction sets are those of x86-64")
    assert default != product_hash(ONEDNN_MAX_CPU_ISA="SSE41")
