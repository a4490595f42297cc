"""What each stage and `predict` import first: packages that take long only where they are used."""

import json
import subprocess
import sys

from tools.import_closure import ROOT

# In this order in one process: each stage may add these to what those before it have imported.
ADDED = {
    "stages.window": set(),
    "stages.ingest": {"pyarrow.parquet"},
    "stages.preprocess": set(),
    "spline_lstm.cli.predict": {"onnxruntime"},
    "stages.benchmark": set(),
    "stages.export": {"onnx"},
    "stages.backtest": set(),
    # The processes of the folds import JAX; who starts them and adds up what they send does not.
    "spline_lstm.evaluation.backtest": set(),
    "stages.report": {"matplotlib", "jinja2"},
    "stages.train_flax_rnn": {"jax", "flax", "optax", "tqdm"},
    "stages.evaluate": set(),
}
DEAR = {name for added in ADDED.values() for name in added} | {
    "duckdb",
    "lightgbm",
    "matplotlib.pyplot",
    "ray",
    "scipy.interpolate",
    "scipy.optimize",
    "scipy.signal",
    "scipy.special",
    "scipy.stats",
    "sklearn",
    "statsmodels",
    "streamlit",
    "tensorflow",
    "tf2onnx",
    "tqdm",
    "xgboost",
}
CODE = """
import importlib, json, sys
modules, dear = json.loads(sys.argv[1])
added, before = {}, set()
for module in modules:
    importlib.import_module(module)
    now = set(dear) & set(sys.modules)
    added[module], before = sorted(now - before), now
print(json.dumps(added))
"""


def test_no_stage_imports_a_dear_package_that_it_may_not_need():
    words = json.dumps([list(ADDED), sorted(DEAR)])
    command = [sys.executable, "-c", CODE, words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {name: sorted(added) for name, added in ADDED.items()}
