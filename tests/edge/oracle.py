"""The forecaster as plain NumPy in float64, straight from its formulas, and small models to try it on."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save

from spline_lstm.artifacts import content_id, write_arrays, write_bytes, write_json
from spline_lstm.edge.golden import Golden
from spline_lstm.edge.spec import EdgeSpec, weight_shapes
from spline_lstm.models.config import ModelConfig

ROOT = Path(__file__).resolve().parent.parent.parent

# Arguments of `make_spec`: every model type, number of features and normalisation meets every other.
UNIVARIATE, MULTIVARIATE = (1, (0,)), (8, (0, 1))
PAIRS = [
    ("lstm", *MULTIVARIATE, "none"),
    ("lstm", *UNIVARIATE, "last"),
    ("lstm", *MULTIVARIATE, "revin"),
    ("gru", *UNIVARIATE, "none"),
    ("gru", *MULTIVARIATE, "last"),
    ("gru", *UNIVARIATE, "revin"),
    ("attention_lstm", *MULTIVARIATE, "none"),
    ("attention_lstm", *UNIVARIATE, "last"),
    ("attention_lstm", *MULTIVARIATE, "revin"),
]
# The rest of the grid.
OTHERS = [(kind, *(MULTIVARIATE if count == 1 else UNIVARIATE), norm) for kind, count, _, norm in PAIRS]


def make_spec(
    model_type="lstm",
    features=1,
    targets=(0,),
    normalization="last",
    level=(100.0,),
    *,
    hidden=(4, 3),
    lookback=5,
    horizon=3,
):
    """A forecaster with random weights; centers around `level`, scales of 1 to 50."""
    random = np.random.default_rng(0)
    names = tuple(f"feature {index}" for index in range(features))
    config = ModelConfig(
        model_type=model_type,
        hidden=hidden,
        dropout=0.0,
        normalization=normalization,
        lookback=lookback,
        horizon=horizon,
        features=names,
        targets=tuple(names[index] for index in targets),
        target_indices=tuple(targets),
    )
    weights = {
        name: random.normal(0, 0.6, shape).astype(np.float32) for name, shape in sorted(weight_shapes(config).items())
    }
    center = np.array(level) + random.normal(0, 3, features)
    scale = np.exp(random.uniform(0, 4, features))
    behind = content_id("preprocessor")
    run_id = content_id(behind, config.to_json(), save(weights))
    return EdgeSpec(config, run_id, behind, 300_000_000_000, center, scale, weights)


def make_history(spec, windows):
    """[windows, lookback, F_total] float32, data units, a few scales around the centers."""
    random = np.random.default_rng(1)
    z = random.normal(0, 1.5, (windows, spec.config.lookback, len(spec.config.features)))
    return (z * spec.scale + spec.center).astype(np.float32)


def make_golden(spec, windows=12):
    history = make_history(spec, windows)
    forecast = forward(spec, history)
    truth = forecast + np.random.default_rng(2).normal(0, 0.5, forecast.shape) * spec.target_scale
    truth[0, 0, 0] = np.nan
    return Golden(history, forecast.astype(np.float32), truth.astype(np.float32))


def write_folder(folder, spec, golden=None):
    """A pipeline folder as the stages train-flax-rnn and evaluate leave it."""
    golden = golden or make_golden(spec)
    write_bytes(folder / "params.yaml", (ROOT / "params.yaml").read_bytes())
    write_bytes(folder / "models/rnn/best.safetensors", save(dict(spec.weights)))
    identity = {"run_id": spec.run_id, "preprocessor_run_id": spec.preprocessor_run_id}
    write_json(folder / "models/rnn/model.json", {**identity, **spec.config.to_json(), "n_params": 1})
    write_json(
        folder / "models/preprocessor.json",
        {
            "run_id": spec.preprocessor_run_id,
            "features": list(spec.config.features),
            "targets": list(spec.config.targets),
            "target_indices": list(spec.config.target_indices),
            "scaler": {"kind": "standard", "center": spec.center.tolist(), "scale": spec.scale.tolist()},
            "frequency_ns": spec.frequency_ns,
        },
    )
    arrays = {"history": golden.history, "forecast": golden.forecast, "truth": golden.truth}
    write_arrays(folder / "data/golden.npz", arrays)
    return folder


def forward(spec, history):
    """[windows, lookback, F_total] data units to [windows, horizon, F_target] data units, float64."""
    config, weights = spec.config, {name: value.astype(np.float64) for name, value in spec.weights.items()}
    indices = list(config.target_indices)
    z = (history.astype(np.float64) - spec.center) / spec.scale
    shift, spread = window_scale(z[:, :, indices], config.normalization)
    z[:, :, indices] = (z[:, :, indices] - shift) / spread
    for index in range(len(config.hidden)):
        layer = {name.split(".")[2]: value for name, value in weights.items() if name.startswith(f"rnn.{index}.")}
        z = (gru if config.model_type == "gru" else lstm)(z, layer)
    context = z[:, -1]
    if config.model_type == "attention_lstm":
        context = attention(z, {name.split(".")[1]: value for name, value in weights.items() if "attention" in name})
    outputs = context @ weights["head.kernel"] + weights["head.bias"]
    outputs = outputs.reshape(-1, config.horizon, len(indices)) * spread + shift
    return outputs * spec.scale[indices] + spec.center[indices]


def window_scale(targets, normalization):
    if normalization == "last":
        return targets[:, -1:], 1.0
    if normalization == "revin":
        return targets.mean(axis=1, keepdims=True), np.sqrt(targets.var(axis=1, keepdims=True) + 1e-5)
    return 0.0, 1.0


def lstm(x, layer):
    h = c = np.zeros((len(x), layer["recurrent_kernel"].shape[0]))
    states = []
    for t in range(x.shape[1]):
        gates = x[:, t] @ layer["input_kernel"] + h @ layer["recurrent_kernel"] + layer["bias"]
        i, f, g, o = np.split(gates, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


def gru(x, layer):
    h = np.zeros((len(x), layer["recurrent_kernel"].shape[0]))
    states = []
    for t in range(x.shape[1]):
        r_x, z_x, n_x = np.split(x[:, t] @ layer["input_kernel"] + layer["bias"], 3, axis=1)
        r_h, z_h, n_h = np.split(h @ layer["recurrent_kernel"], 3, axis=1)
        r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
        n = np.tanh(n_x + r * (n_h + layer["recurrent_bias"]))
        h = (1 - z) * n + z * h
        states.append(h)
    return np.stack(states, axis=1)


def attention(states, weights):
    last = states[:, -1]
    keys = states @ weights["key_kernel"] + weights["key_bias"]
    query = last @ weights["query_kernel"]
    scores = np.tanh(keys + query[:, np.newaxis]) @ weights["score_kernel"]
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return np.concatenate([np.einsum("bt,btu->bu", shares, states), last], axis=1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
