"""What serving and the layers below evaluation may import."""

import json
import subprocess
import sys

import pytest

from tests.builders import ROOT
from tools.import_closure import import_closure

TRAINING = ("spline_lstm/training/", "spline_lstm/evaluation/", "spline_lstm/models/saved_model")
HEAVY = {"jax", "flax", "optax", "tensorflow", "tf2onnx"}
BELOW_EVALUATION = (
    "inference",
    "training",
    "export",
    "series",
    "models",
    "windows",
    "reporting",
    "tables",
    "core",
)


def modules_of(folder):
    return sorted(
        f"spline_lstm.{folder}.{path.stem}"
        for path in (ROOT / "spline_lstm" / folder).glob("[a-z]*.py")
    )


def test_serving_an_exported_file_imports_no_training():
    files = import_closure("spline_lstm.inference.exported")
    assert not [path for path in files if path.startswith(TRAINING)]


def test_serving_an_exported_file_loads_no_framework():
    code = (
        "import json, sys, spline_lstm.inference.exported, spline_lstm.inference.frames\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout)
    assert not HEAVY & set(loaded)
    assert not [name for name in loaded if name.startswith("spline_lstm.training")]


@pytest.mark.parametrize("folder", BELOW_EVALUATION)
def test_nothing_below_evaluation_imports_it(folder):
    modules = modules_of(folder)
    assert modules
    for module in modules:
        reached = import_closure(module)
        assert not [path for path in reached if path.startswith("spline_lstm/evaluation/")], module
