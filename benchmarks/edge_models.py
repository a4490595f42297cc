"""Exports the networks that benchmarks/edge.py measures.

Run at the root: ``python -m benchmarks.edge_models FOLDER``. Untrained weights of usual size,
window normalisation `last`, lookback 24, hidden [64, 32], horizon 6. The golden forecasts come from
the Flax model. This is a separate process, because TensorFlow and JAX would disturb the measured
times.
"""

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from benchmarks.edge_by_hand import build
from spline_lstm.core.artifacts import content_id, write_arrays, write_bytes
from spline_lstm.core.params import load_params
from spline_lstm.export.export_all import export_all
from spline_lstm.export.golden import Golden
from spline_lstm.export.spec import EdgeSpec
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.models.weight_shapes import weight_shapes

CASES = [
    (name, features) for name, entry in MODEL_TYPES.items() if entry.cell for features in (1, 8)
]
WINDOWS = 1024


def make_spec(model_type: str, features: int) -> EdgeSpec:
    """A forecaster of the first of `features` columns: centers near 100, scales of 1 to 50."""
    random = np.random.default_rng(0)
    names = tuple(f"feature {index}" for index in range(features))
    config = ModelConfig(
        model_type=model_type,
        hidden=(64, 32),
        dropout=0.0,
        normalization="last",
        lookback=24,
        horizon=6,
        features=names,
        targets=names[:1],
        target_indices=(0,),
    )
    weights = {
        name: random.normal(0, shape[0] ** -0.5 if len(shape) > 1 else 0.1, shape).astype(
            np.float32
        )
        for name, shape in sorted(weight_shapes(config).items())
    }
    preprocessor_id = content_id("preprocessor")
    run_id = content_id(preprocessor_id, config.to_json(), save(weights))
    center, scale = 100 + random.normal(0, 3, features), np.exp(random.uniform(0, 4, features))
    return EdgeSpec(config, run_id, preprocessor_id, 300_000_000_000, center, scale, weights)


def make_golden(spec: EdgeSpec) -> Golden:
    """Random walks, the forecasts of the Flax model, and a truth half a scale away from them."""
    random, config = np.random.default_rng(1), spec.config
    z = np.cumsum(random.normal(0, 0.3, (WINDOWS, config.lookback, len(config.features))), axis=1)
    history = (z * spec.scale + spec.center).astype(np.float32)
    z = ((history.astype(np.float64) - spec.center) / spec.scale).astype(np.float32)
    model = SavedModel(config, spec.run_id, spec.preprocessor_run_id, spec.weights)
    found = model.predict(z).reshape(WINDOWS, config.horizon, 1).astype(np.float64)
    forecast = (found * spec.target_scale + spec.center[:1]).astype(np.float32)
    truth = forecast + random.normal(0, 0.5, forecast.shape) * spec.target_scale
    return Golden(history, forecast, truth.astype(np.float32))


def main(folder: Path) -> None:
    """A folder per case: the exported files, by_hand.onnx, golden.npz and target_scale.npz."""
    params = load_params(Path()).export
    for model_type, features in CASES:
        spec, case = make_spec(model_type, features), folder / f"{model_type}-{features}"
        for name, model in export_all(spec, params).items():
            write_bytes(case / name, model.content)
        write_bytes(case / "by_hand.onnx", build(spec, params.opset))
        write_arrays(case / "golden.npz", make_golden(spec).to_arrays())
        write_arrays(case / "target_scale.npz", {"target_scale": spec.target_scale})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
