"""Variants with weights in fewer bits, against the formulas with the weights they contain."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from spline_lstm.export.formats import quantize
from spline_lstm.export.onnx_export import onnx_variant
from spline_lstm.export.sessions import session_of
from spline_lstm.export.tflite_canonical import unpack
from spline_lstm.export.tflite_export import tflite_variant
from tests.export.oracle import forward, make_history, make_spec

MAKE = {".onnx": onnx_variant, ".tflite": tflite_variant}
SIZES = {"hidden": (20, 16), "lookback": 3}
TYPES = ["lstm", "gru"]
# Recurrent weights of 20 and 16 units and the kernel between them have 1,024 elements or more;
# only these change.
LARGE = ("rnn.0.recurrent_kernel", "rnn.1.recurrent_kernel", "rnn.1.input_kernel")


def as_float16(kernel):
    return kernel.astype(np.float16).astype(np.float32)


def as_int8(kernel):
    """One scale per gate and unit, which is a column of the kernel."""
    scale = np.abs(kernel).max(axis=0) / 127
    return np.round(kernel / scale) * scale


ROUNDED = {"float16": as_float16, "int8": as_int8}


def make(model_type):
    return make_spec(model_type, 2, (1,), "last", **SIZES)


def rounded(spec, variant):
    large = {
        name: value for name, value in spec.weights.items() if name in LARGE and value.size >= 1024
    }
    return replace(
        spec,
        weights={
            **spec.weights,
            **{name: ROUNDED[variant](value) for name, value in large.items()},
        },
    )


@pytest.fixture(scope="module")
def contents(wide_exports):
    return {
        (suffix, kind): wide_exports(suffix, make(kind)).content
        for suffix in MAKE
        for kind in TYPES
    }


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("variant", ROUNDED)
@pytest.mark.parametrize("suffix", MAKE)
def test_variant_is_the_network_with_rounded_weights(contents, suffix, variant, kind):
    spec, content = make(kind), contents[suffix, kind]
    made = MAKE[suffix](content, variant)
    history = make_history(spec, 9)
    found = session_of(made.content, suffix)(history)
    off = np.abs(found - forward(rounded(spec, variant), history)).max() / spec.target_scale[0]
    # LiteRT rounds the inputs of an int8 product as well.
    assert off < (0.05 if (suffix, variant) == (".tflite", "int8") else 1e-5)
    changed = np.abs(found - session_of(content, suffix)(history)).max() / spec.target_scale[0]
    assert 1e-5 < changed < (2e-3 if variant == "float16" else 0.1)
    assert len(made.content) < len(content)


@pytest.mark.parametrize("suffix", MAKE)
@pytest.mark.parametrize("variant", ROUNDED)
def test_variant_keeps_metadata_and_its_bytes_are_those_of_its_graph(contents, suffix, variant):
    content = contents[suffix, "gru"]
    made = MAKE[suffix](content, variant)
    assert made.content == MAKE[suffix](content, variant).content
    if suffix == ".onnx":
        before, after = onnx.load_from_string(content), onnx.load_from_string(made.content)
        # Each file has a checksum of its own.
        ours, theirs = (json.loads(each.metadata_props[0].value) for each in (after, before))
        assert ours.pop("sha256") != theirs.pop("sha256")
        assert ours == theirs
        assert {entry.domain for entry in after.opset_import} == {""}
    else:
        before, after = unpack(content), unpack(made.content)
        assert [entry.name for entry in after.metadata] == [entry.name for entry in before.metadata]
    assert made.operators["GRU" if suffix == ".onnx" else "FULLY_CONNECTED"] >= 2


def test_quantised_weights_are_off_by_half_a_step_at_most():
    weights = np.random.default_rng(0).normal(size=(2, 5, 40)).astype(np.float32)
    weights[1, 2] = 0
    integers, scale = quantize(weights)
    assert scale.shape == (2, 5)
    assert np.abs(integers).max() == 127
    assert (np.abs(integers * scale[..., None] - weights) <= scale[..., None] * 0.5001).all()


@pytest.mark.parametrize("variant", ROUNDED)
@pytest.mark.parametrize("suffix", MAKE)
def test_a_variant_that_would_be_a_copy_is_not_made(wide_exports, suffix, variant):
    spec = make_spec("gru", 2, (1,), "last", hidden=(4,), lookback=3)
    assert MAKE[suffix](wide_exports(suffix, spec).content, variant) is None
