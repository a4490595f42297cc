"""Files that are recorded without TensorFlow, byte for byte next to those of its converters."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from spline_lstm.export.onnx_export import convert_onnx, export_onnx
from spline_lstm.export.recorder import Unrecorded
from spline_lstm.export.tf_twin import record_twin
from spline_lstm.export.tflite_export import convert_tflite, export_tflite
from tests.export.oracle import (
    MULTIVARIATE,
    OPTIONS,
    ROOT,
    SKIPS,
    UNIVARIATE,
    make_option,
    make_spec,
    write_folder,
)

OPSET = 17
FROZEN = {**SKIPS, "linear_skip": "frozen"}
# Arguments of `make_spec`: options that are recorded, and options beside which they share code.
RECORDED = {
    "plain": {},
    "plain gru": {"model_type": "gru", "normalization": "none", "hidden": (5,)},
    "several targets": {"features": 8, "targets": (0, 1), "normalization": "none"},
    "one segment": {"features": 3, "targets": (1, 2), "segment": 5},
    "segments": {"segment": 2, "lookback": 6, "head_units": 6},
    "attention": {"model_type": "attention_lstm", "features": 8, "targets": (0, 1)},
    "skips": {**FROZEN, "stack": "shrunk"},
    "skips of members": {**FROZEN, "stack": "shrunk", "model_type": "gru", "ensemble_size": 2},
    "skips of targets": {
        **SKIPS, "stack": "shrunk", "features": 3, "targets": (0, 1), "normalization": "none",
    },
    "only seasonal": {**SKIPS, "linear_skip": "none"},
    "only linear": {"linear_skip": "frozen", "stack": "shrunk", "model_type": "attention_lstm"},
}  # fmt: skip


def untrained(spec):
    """The network as it starts, which a stack leaves out."""
    weights = dict(spec.weights)
    zero = [name for name in weights if name.endswith("bias")]
    weights |= {name: np.zeros_like(weights[name]) for name in [*zero, "factor"]}
    stack = np.zeros_like(weights["stack.weights"])
    stack[:, 0] = 1.0
    return replace(spec, weights={**weights, "stack.weights": stack})


def bounded(spec, *bounds):
    return replace(spec, bounds=np.array(bounds))


SPECS = {name: make_spec(**arguments) for name, arguments in RECORDED.items()} | {
    "combined": make_option("combined"),
    "untrained": untrained(make_spec(**FROZEN, stack="shrunk")),
    "positive": bounded(make_spec(), [0.0, np.inf]),
    "bounded": bounded(make_spec(features=2, targets=(0, 1)), [-np.inf, 9.0], [1.0, 50.0]),
    "positive targets": bounded(make_spec(features=2, targets=(0, 1)), [0.0, np.inf], [0.0, 1.0]),
}


@pytest.mark.parametrize("name", SPECS)
def test_recorded_onnx_file_is_the_converted_one(name):
    record_twin(SPECS[name], unroll=False)
    assert export_onnx(SPECS[name], OPSET) == convert_onnx(SPECS[name], OPSET)


@pytest.mark.parametrize("name", SPECS)
def test_recorded_tflite_file_is_the_converted_one(name):
    record_twin(SPECS[name], unroll=True)
    assert export_tflite(SPECS[name]) == convert_tflite(SPECS[name])


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_the_other_tests_are_recorded_only_if_they_are_compared_here(name):
    compared = {"one segment", "combined"}
    for unroll in (False, True):
        try:
            record_twin(make_option(name), unroll=unroll)
        except Unrecorded:
            assert name not in compared
        else:
            assert name in compared


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize(
    "arguments", [{"horizon": 1}, {"features": 2, "future_features": ("feature 1",)}]
)
def test_options_that_differ_are_left_to_tensorflow(arguments, unroll):
    with pytest.raises(Unrecorded):
        record_twin(make_spec(**arguments), unroll=unroll)


def with_weight(spec, name, change):
    """The model with other numbers in one of its weights."""
    return replace(spec, weights={**spec.weights, name: change(spec.weights[name].copy())})


def with_first(number):
    def change(weight):
        weight.flat[0] = number
        return weight

    return change


REWRITTEN = {
    "negative zero": with_weight(make_spec(), "rnn.1.bias", with_first(-0.0)),
    "subnormal": with_weight(make_spec(), "head.bias", with_first(1e-42)),
    "infinite": with_weight(make_spec(), "head.bias", with_first(np.inf)),
    "equal members": with_weight(
        make_spec(**FROZEN, ensemble_size=2),
        "rnn.1.input_kernel",
        lambda weight: np.repeat(weight[:1], 2, axis=0),
    ),
    "scale of one": replace(make_spec(**FROZEN), scale=np.ones(1)),
    "scale of one by itself": replace(make_spec(), scale=np.ones(1)),
    "bound of negative zero": bounded(make_spec(), [-0.0, np.inf]),
}


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("name", REWRITTEN)
def test_numbers_that_a_converter_rewrites_are_left_to_tensorflow(name, unroll):
    with pytest.raises(Unrecorded):
        record_twin(REWRITTEN[name], unroll=unroll)


@pytest.mark.parametrize("kind", ["lstm", "gru", "attention_lstm"])
@pytest.mark.parametrize(("features", "targets"), [UNIVARIATE, MULTIVARIATE])
def test_default_models_are_exported_without_tensorflow(kind, features, targets, tmp_path):
    folder = write_folder(tmp_path, make_spec(kind, features, targets))
    code = (
        "import sys; from pathlib import Path; from stages import export; "
        "export.main(Path(sys.argv[1])); "
        "sys.exit(str(slow) if (slow := {'tensorflow', 'tf2onnx'} & {*sys.modules}) else 0)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stderr.strip(), done.returncode) == ("", 0)
