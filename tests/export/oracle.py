"""The model as plain NumPy in float64, straight from its formulas, and small models to test it."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from scipy.special import boxcox, inv_boxcox

from spline_lstm.core.artifacts import (
    content_id,
    with_run_id,
    write_arrays,
    write_bytes,
    write_json,
)
from spline_lstm.core.clock import Clock
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.export.golden import Golden
from spline_lstm.export.spec import EdgeSpec
from spline_lstm.models.combined import Combination, network_arrays
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.linear import LinearForecaster, Scale
from spline_lstm.models.weight_shapes import weight_shapes
from spline_lstm.windows.power import Power
from spline_lstm.windows.scaling import Scaler
from tests.builders import make_preprocess_params, make_preprocessor, make_schema

ROOT = Path(__file__).resolve().parent.parent.parent

CLOCK = Clock("fixed", step=300_000_000_000)
# Arguments of `make_spec`: every model type, number of features and normalisation in every pair.
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
OTHERS = [
    (kind, *(MULTIVARIATE if count == 1 else UNIVARIATE), norm) for kind, count, _, norm in PAIRS
]

COVARIATES = {
    "future_features": ("feature 1", "feature 3"),
    "static_sizes": (3, 5),
    "static_dims": (2, 3),
}
# Behind the targets, as preprocessing puts them; one is known in advance as well.
CATEGORIES = {
    "targets": (1, 0),
    "categories": ("feature 2", "feature 3"),
    "category_sizes": (3, 5),
    "category_dims": (2, 3),
    "future_features": ("feature 3",),
}
SEGMENTS = {"lookback": 8, "horizon": 4, "segment": 2}
QUANTILES = {"quantiles": (0.1, 0.5, 0.9)}
INDEPENDENT = {"channels": "independent"}
SKIPS = {
    "lookback": 9, "network_lookback": 6, "horizon": 4, "segment": 2, "seasons": (3, 7),
    "linear_skip": "trained", "seasonal_skip": True,
}  # fmt: skip
# Keyword arguments of `make_spec`: single options, and options that share code.
OPTIONS = {
    "future": {"future_features": ("feature 3",)},
    "covariates": COVARIATES,
    "categories": CATEGORIES,
    "categories of channels": {
        **CATEGORIES, **INDEPENDENT, "model_type": "gru", "segment": 5, "normalization": "revin",
    },
    "segment": {"lookback": 8, "segment": 3},
    "one segment": {"lookback": 4, "segment": 4},
    "decoder": {**SEGMENTS, "decoder": "segments"},
    "attending decoder": {
        **SEGMENTS, "decoder": "segments", "model_type": "attention_lstm", **COVARIATES,
    },
    "gru decoder": {
        **SEGMENTS, "decoder": "segments", "model_type": "gru", "normalization": "revin",
        **COVARIATES,
    },
    "bidirectional": {"bidirectional": True, "layer_norm": True},
    "attending both ways": {
        "bidirectional": True, "model_type": "attention_lstm", "normalization": "none",
    },
    "gru both ways": {"bidirectional": True, "model_type": "gru", **SEGMENTS, **COVARIATES},
    "layer norm": {"layer_norm": True, "model_type": "gru", **INDEPENDENT, "normalization": "none"},
    "independent": {**INDEPENDENT, **COVARIATES, "normalization": "revin"},
    "independent decoder": {
        **SEGMENTS, "decoder": "segments", **INDEPENDENT, "layer_norm": True, "model_type": "gru",
        **QUANTILES,
    },
    "probability": {
        "output": "probability", "normalization": "none", "ensemble_size": 2, **COVARIATES,
        "head_units": 6,
    },
    "quantiles": {**QUANTILES, "normalization": "revin", "bidirectional": True, **INDEPENDENT},
    "only quantiles": {**QUANTILES, "normalization": "none"},
    "ensemble": {"ensemble_size": 3, "model_type": "gru", **QUANTILES, "layer_norm": True},
    "powers": {"exponents": (0.0, 0.5)},
    "powers of quantiles": {
        "exponents": (-0.5, 0.0), **QUANTILES, "normalization": "robust", "mask_indices": (3, 1),
        "model_type": "gru", "ensemble_size": 2,
    },
    "robust": {"normalization": "robust", "lookback": 6},
    "masks": {"mask_indices": (3, 1), "normalization": "robust", "model_type": "attention_lstm"},
    "masks of channels": {
        **SEGMENTS, **INDEPENDENT, "mask_indices": (1, 3), "normalization": "robust",
        "model_type": "attention_lstm", "lookback": 7,
    },
    "masks and moments": {"mask_indices": (3, 1), "normalization": "revin", "model_type": "gru"},
    "attending ensemble": {
        "ensemble_size": 2, "model_type": "attention_lstm", **INDEPENDENT, "layer_norm": True,
        "normalization": "revin",
    },
    "network lookback": {
        "lookback": 8, "network_lookback": 5, "segment": 2, "normalization": "revin",
    },
    "seasonal skip": {**SKIPS, "linear_skip": "none", **COVARIATES},
    "frozen": {"linear_skip": "frozen", **QUANTILES, "normalization": "revin"},
    "combined": {**SKIPS, "stack": "shrunk", "ensemble_size": 2, "model_type": "attention_lstm"},
    "combined channels": {
        **SKIPS, "stack": "shrunk", "model_type": "gru", **INDEPENDENT, "normalization": "none",
        **COVARIATES,
    },
    "beside": {
        **SKIPS, "linear_skip": "beside", "stack": "shrunk", "model_type": "gru", **INDEPENDENT,
        "normalization": "revin", "ensemble_size": 2,
    },
    "beside powers": {
        "linear_skip": "beside", "stack": "shrunk", "exponents": (0.0, 0.5), "seasons": (2,),
    },
    "combined powers": {
        **SKIPS, "stack": "shrunk", "model_type": "gru", "exponents": (0.0, 0.5),
    },
    "combined powers of quantiles": {
        **SKIPS, **QUANTILES, "exponents": (0.5, 0.0), "normalization": "robust",
    },
}  # fmt: skip


# Their conversion covers each option in both formats; converting the others is slow.
QUICK = {
    "covariates", "gru decoder", "independent decoder", "gru both ways", "probability",
    "attending ensemble", "only quantiles", "categories of channels", "robust", "masks of channels",
    "combined", "combined channels", "powers", "powers of quantiles", "combined powers",
}  # fmt: skip
CONVERTED = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS
]


def make_option(name):
    """A model with the options of this name, of four features and two targets."""
    return make_spec(**{"features": 4, "targets": (2, 0), **OPTIONS[name]})


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
    exponents=(),
    **options,
):
    """A forecaster with random weights; centers around `level`, scales of 1 to 50.

    With `exponents`, one per target, these are powers: of values around 100, up to 1,000 and down
    to 10.
    """
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
        **options,
    )
    weights = {
        name: random.normal(0, 0.6, shape).astype(np.float32)
        for name, shape in sorted(weight_shapes(config).items())
    }
    center = np.array(level) + random.normal(0, 3, features)
    scale = np.exp(random.uniform(0, 4, features))
    if config.is_combined:
        weights |= combination(config, center, scale, random).arrays()
    for name in config.categories:
        center[names.index(name)], scale[names.index(name)] = 0.0, 1.0
    center[list(config.mask_indices)], scale[list(config.mask_indices)] = 0.0, 1.0
    statics = {
        f"static {index}": tuple(f"text {row}" for row in range(1, size))
        for index, size in enumerate(config.static_sizes)
    }
    power = None
    if exponents:
        indices, exponent = list(targets), np.full(features, np.nan)
        exponent[indices] = exponents
        unit = np.array([20.0 if each else 1.0 for each in exponents])
        center[indices] = boxcox(100.0 / unit, exponents)
        scale[indices] = 0.5 * (100.0 / unit) ** exponents
        ends = [np.full(features, value) for value in (5.0, 1.0, 10.0, 1000.0, 100.0, 50.0)]
        ends[1][indices] = unit
        power = Power(exponent, *ends)
    return with_run_ids(
        EdgeSpec(config, "", "", CLOCK, center, scale, weights, statics, power=power)
    )


def combination(config, center, scale, random):
    """A linear forecaster of two scales for each target, and every kind of weight."""
    lookback, horizon, indices = config.lookback, config.horizon, list(config.target_indices)
    forecasters = []
    for index in indices:
        of_values = [center[index], scale[index], -np.inf]
        of_logs = [np.log(abs(center[index])), 0.3, abs(center[index]) / 20]
        scales = [
            Scale(log, *(np.full(2, constant) for constant in constants))
            for log, constants in ((False, of_values), (True, of_logs))
        ]
        kernel = random.normal(0, 0.3, (2, lookback, horizon))
        intercept = random.normal(0, 0.3, (2, horizon))
        forecasters.append(
            LinearForecaster(tuple(scales), kernel, intercept, np.array([0.75, 0.25]))
        )
    stack = random.uniform(size=(len(indices), 3 + len(config.seasons)))
    return Combination(
        tuple(forecasters),
        random.uniform(0.1, 0.5, (horizon, len(indices))).astype(np.float32),
        random.uniform(0.2, 1.0, config.ensemble_size).astype(np.float32),
        None if config.stack == "none" else stack / stack.sum(axis=1, keepdims=True),
    )


def with_run_ids(spec):
    """The forecaster with the ids that belong to its content."""
    preprocessor = preprocessor_content(spec)["run_id"]
    run_id = content_id(preprocessor, spec.config.to_json(), save(dict(spec.weights)))
    return replace(spec, run_id=run_id, preprocessor_run_id=preprocessor)


def preprocessor_content(spec):
    """Content of preprocessor.json of a pipeline whose columns are the features of the model."""
    config = spec.config
    features = tuple(config.features)
    preprocessor = make_preprocessor(
        table_schema=make_schema(target_cols=list(config.targets)),
        params=make_preprocess_params(frequency="5min"),
        clock=spec.clock,
        columns=features,
        features=features,
        target_indices=np.array(config.target_indices, dtype=np.int32),
        scaler=Scaler("standard", spec.center, spec.scale, power=spec.power),
        options=TargetOptions(max_missing_inputs=0.5 if config.mask_indices else 0.0),
        neutral=(0.0,) * len(features),
    )
    content = preprocessor.to_json()
    # The ids only: no schema gives their embeddings a length.
    content["statics"] = {name: list(texts) for name, texts in spec.statics.items()}
    content["categories"] = {name: list(texts) for name, texts in spec.categories.items()}
    return with_run_id(content)


def make_history(spec, windows):
    """[windows, lookback, F_total] float32, data units, a few scales around the centers."""
    random = np.random.default_rng(1)
    z = random.normal(0, 1.5, (windows, spec.config.lookback, len(spec.config.features)))
    masks = list(spec.config.mask_indices)
    # Among the windows are some without any observation of a target, and of all targets.
    z[:, :, masks] = z[:, :, masks] > 0.5
    z[::5, :, masks[:1]] = z[::7, :, masks] = 0.0
    values = z * spec.scale + spec.center
    if spec.power is not None:
        for index in spec.config.target_indices:
            values[..., index] = 100.0 * np.exp(0.5 * z[..., index])
    return with_ids(spec.config, spec.config.features, values).astype(np.float32)


def with_ids(config, names, values):
    """Category ids, from one below to one beyond their range, in their columns."""
    rows = np.arange(values[..., 0].size).reshape(values.shape[:-1])
    for name, size in zip(config.categories, config.category_sizes, strict=True):
        if name in names:
            values[..., names.index(name)] = rows % (size + 2) - 1
    return values


def make_inputs(spec, windows):
    """All inputs by name; static ids run from one below to one beyond their range."""
    config, random = spec.config, np.random.default_rng(3)
    inputs = {"history": make_history(spec, windows)}
    if config.future_features:
        indices = [config.features.index(name) for name in config.future_features]
        z = random.normal(0, 1.5, (windows, config.horizon, len(indices)))
        future = with_ids(
            config, config.future_features, z * spec.scale[indices] + spec.center[indices]
        )
        inputs["future"] = future.astype(np.float32)
    if config.static_sizes:
        columns = [np.arange(windows) % (size + 2) - 1 for size in config.static_sizes]
        inputs["static"] = np.stack(columns, axis=1).astype(np.int32)
    return inputs


def make_golden(spec, windows=12):
    inputs = make_inputs(spec, windows)
    outputs = forward_all(spec, **inputs)
    forecast = outputs["forecast"]
    truth = forecast + np.random.default_rng(2).normal(0, 0.5, forecast.shape) * spec.target_scale
    truth[0, 0, 0] = np.nan
    floats = {name: value.astype(np.float32) for name, value in outputs.items()}
    return Golden(**inputs, **floats, truth=truth.astype(np.float32))


def write_folder(folder, spec, golden=None):
    """A pipeline folder as the stages train-flax-rnn and evaluate leave it."""
    golden = golden or make_golden(spec)
    write_bytes(folder / "params.yaml", (ROOT / "params.yaml").read_bytes())
    write_bytes(folder / "models/rnn/best.safetensors", save(dict(spec.weights)))
    identity = {"run_id": spec.run_id, "preprocessor_run_id": spec.preprocessor_run_id}
    write_json(
        folder / "models/rnn/model.json", {**identity, **spec.config.to_json(), "n_params": 1}
    )
    write_json(folder / "models/preprocessor.json", preprocessor_content(spec))
    arrays = {field.name: getattr(golden, field.name) for field in fields(golden)}
    write_arrays(
        folder / "data/golden.npz",
        {name: value for name, value in arrays.items() if value is not None},
    )
    return folder


def forward(spec, history):
    """[windows, lookback, F_total] to [windows, horizon, F_target], both data units, float64."""
    return forward_all(spec, history)["forecast"]


def forward_all(spec, history, future=None, static=None):
    """All outputs by name, data units, float64."""
    config = spec.config
    indices = list(config.target_indices)
    z = (powers(spec, history.astype(np.float64)) - spec.center) / spec.scale
    if future is not None:
        known = [config.features.index(name) for name in config.future_features]
        future = (future.astype(np.float64) - spec.center[known]) / spec.scale[known]
    of_network = network_arrays(spec.weights)
    members = [of_network] if config.ensemble_size == 1 else [
        {name: value[member] for name, value in of_network.items()}
        for member in range(config.ensemble_size)
    ]  # fmt: skip
    scale, center = spec.scale[indices][:, None], spec.center[indices][:, None]
    linear = linear_of(spec, history) if config.is_combined else None
    seen = None if linear is None else (raised(spec, linear) - center[:, 0]) / scale[:, 0]
    outputs = [network(config, as_float64(m), z, future, static, seen) for m in members]
    if config.is_combined:
        return with_linear(spec, history[:, :, indices].astype(np.float64), linear, outputs)
    mean = np.mean(outputs, axis=0)
    outputs = {"forecast": bounded(spec, mean * scale + center)[..., config.median]}
    if config.quantiles:
        outputs["quantiles"] = bounded(spec, np.sort(mean, axis=-1) * scale + center)
    return outputs


def linear_of(spec, history):
    """The linear forecast [windows, horizon, targets], data units."""
    parts = Combination.of(spec.weights, spec.config).forecasters
    return np.stack(
        [
            part.predict(history[:, :, index].astype(np.float64))
            for part, index in zip(parts, spec.config.target_indices, strict=True)
        ],
        axis=2,
    )


def with_linear(spec, targets, linear, outputs):
    """What the networks add to the linear forecast, and the stack; `targets` in data units."""
    config, weights = spec.config, spec.weights
    scale = (spec.target_scale * weights["residual_scale"])[..., None]
    transformed = raised(spec, linear)[..., None]
    shares = weights["factor"].astype(np.float64) / len(outputs)
    added = sum(share * output for share, output in zip(shares, outputs, strict=True)) * scale
    if config.quantiles:
        base = linear[..., None]
        if spec.power is not None:
            base, added = 0.0, bounded(spec, transformed + added)
            linear = 0.0
        point = linear + added[..., config.median]
        return {"forecast": point, "quantiles": base + np.sort(added, axis=-1)}
    network = linear + added[..., 0]
    if spec.power is not None:
        network = bounded(spec, transformed + added)[..., 0]
    if config.stack == "none":
        return {"forecast": network}
    members = [linear, network, np.repeat(targets[:, -1:], config.horizon, axis=1)]
    steps = np.arange(config.horizon)
    members += [targets[:, -season + steps % season] for season in config.seasons]
    share = weights["stack.weights"].T
    return {"forecast": sum(w * member for w, member in zip(share, members, strict=True))}


def powers(spec, history):
    """History with its targets transformed."""
    indices, history = list(spec.config.target_indices), history.copy()
    history[:, :, indices] = raised(spec, history[:, :, indices])
    return history


def raised(spec, targets):
    """Targets [windows, rows, targets] transformed."""
    if spec.power is None:
        return targets
    indices = list(spec.config.target_indices)
    floors, exponents, units = (
        part[indices] for part in (spec.power.floor, spec.power.exponent, spec.power.unit)
    )
    return boxcox(np.maximum(targets, floors) / units, exponents)


def bounded(spec, forecast):
    """Transformed forecasts [windows, horizon, targets, levels] in data units, in their bounds."""
    if spec.power is None:
        return forecast
    found = []
    for position, index in enumerate(spec.config.target_indices):
        exponent, unit, low, high = (
            getattr(spec.power, name)[index] for name in ("exponent", "unit", "low", "high")
        )
        ends = boxcox(np.array([low, high]) / unit, exponent)
        found.append(unit * inv_boxcox(np.clip(forecast[:, :, position], *ends), exponent))
    return np.stack(found, axis=2)


def as_float64(weights):
    return {name: value.astype(np.float64) for name, value in weights.items()}


def network(config, weights, z, future, static, linear=None):
    """One member: z-scores to [windows, horizon, targets, levels], z-scores or probabilities."""
    indices = list(config.target_indices)
    vectors = [np.zeros((len(z), 0))]
    for index, size in enumerate(config.static_sizes):
        ids = np.array([row if 0 <= row < size else 0 for row in static[:, index]])
        vectors.append(weights[f"static.{index}.table"][ids])
    vector = np.concatenate(vectors, axis=1)
    observed = np.ones((*z.shape[:2], len(indices)), bool)
    if config.mask_indices:
        observed = z[:, :, list(config.mask_indices)] > 0.5
    z = embedded(config, weights, z, config.features)
    future = None if future is None else embedded(config, weights, future, config.future_features)
    if config.channels == "mixed":
        return one_network(config, weights, z, indices, future, vector, observed, linear)
    others = [index for index in range(z.shape[2]) if index not in indices]
    forecasts = []
    for channel, index in enumerate(indices):
        name = np.tile(weights["channel.table"][channel], (len(z), 1))
        told_apart = np.concatenate([vector, name], axis=1)
        forecasts.append(
            one_network(
                config,
                weights,
                z[:, :, [index, *others]],
                [0],
                future,
                told_apart,
                observed[:, :, [channel]],
                None if linear is None else linear[:, :, [channel]],
            )
        )
    return np.concatenate(forecasts, axis=2)


def embedded(config, weights, values, names):
    """Vectors of the category ids after the other features."""
    parts = [values[:, :, [name not in config.categories for name in names]]]
    for index, (name, size) in enumerate(
        zip(config.categories, config.category_sizes, strict=True)
    ):
        if name in names:
            ids = values[:, :, names.index(name)].astype(int)
            parts.append(
                weights[f"category.{index}.table"][np.where((ids < 0) | (ids >= size), 0, ids)]
            )
    return np.concatenate(parts, axis=2)


def one_network(config, weights, z, indices, future, vector, observed, linear=None):
    """The network on the features of `z`, whose targets are at `indices`."""
    rows = z[:, :, indices]
    read = slice(config.lookback - config.rows_read, None)
    z, observed = z[:, read], observed[:, read]
    shift, window_std = window_scale(z[:, :, indices], config.normalization, observed)
    z = z.copy()
    z[:, :, indices] = (z[:, :, indices] - shift) / window_std
    if config.segment > 1:
        z = np.pad(z, [(0, 0), (-config.rows_read % config.segment, 0), (0, 0)], mode="edge")
        z = z.reshape(len(z), -1, config.segment * z.shape[2])
        z = np.maximum(z @ weights["embedding.kernel"] + weights["embedding.bias"], 0)
    states, finals = encode(config, weights, z, vector)
    parts = queries(config, weights, states, finals, future, vector, seen_steps(config, observed))
    if future is not None and config.decoder == "dense":
        parts = [np.concatenate([parts[0], future.reshape(len(z), -1)], axis=1)]
    if config.seasonal_skip:
        seen = np.concatenate([parts[0], skips(config, rows, linear)], axis=1)
        hidden = gelu(seen @ weights["skips.kernel"] + weights["skips.bias"])
        parts = [np.concatenate([parts[0], hidden], axis=1)]
    if config.head_units:
        kernel, bias = weights["last_layer.kernel"], weights["last_layer.bias"]
        parts = [np.maximum(part @ kernel + bias, 0.0) for part in parts]
    outputs = [part @ weights["head.kernel"] + weights["head.bias"] for part in parts]
    shape = (len(z), config.horizon // len(parts), len(indices), config.levels)
    outputs = np.concatenate([output.reshape(shape) for output in outputs], axis=1)
    outputs = outputs * np.expand_dims(window_std, -1)
    if config.linear_skip not in {"frozen", "trained"}:
        outputs = outputs + np.expand_dims(shift, -1)
    if config.linear_skip == "beside":
        outputs = outputs - np.expand_dims(linear, -1)
    if config.linear_skip == "trained":
        differences = np.clip(rows - rows[:, -1:], -10, 10)
        kernel = weights["correction.kernel"]
        for target in range(len(indices)):
            outputs[:, :, target] += (differences[:, :, target] @ kernel[target])[..., None]
    return sigmoid(outputs) if config.output == "probability" else outputs


def seen_steps(config, observed):
    """Whether a target was observed in each step; all if none was."""
    filled = np.pad(
        observed, [(0, 0), (-config.rows_read % config.segment, 0), (0, 0)], mode="edge"
    )
    seen = filled.reshape(len(filled), -1, config.segment * filled.shape[2]).any(axis=2)
    return seen | ~seen.any(axis=1, keepdims=True)


def skips(config, rows, linear):
    """Level, seasonal values and linear forecast of the targets, z-scores."""
    last = rows[:, -1:]
    parts = [np.clip(last, -5, 5)]
    for season in config.seasons:
        back = [-season + step % season for step in range(config.horizon)]
        parts.append(np.clip(rows[:, back] - last, -10, 10))
    if config.linear_skip in {"frozen", "trained"}:
        parts.append(np.clip(linear - last, -10, 10))
    return np.concatenate([part.reshape(len(rows), -1) for part in parts], axis=1)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def queries(config, weights, states, finals, future, vector, seen):
    """What the head sees of the states, per segment of the horizon."""
    if config.decoder == "dense":
        units = config.hidden[-1]
        found = [np.concatenate([states[:, -1, :units], states[:, 0, units:]], axis=1)]
    else:
        found = []
        for part, position in enumerate(weights["position"]):
            step = np.tile(position, (len(states), 1))
            if future is not None:
                rows = future[:, part * config.segment : (part + 1) * config.segment]
                step = (
                    step
                    + rows.reshape(len(rows), -1) @ weights["future.kernel"]
                    + weights["future.bias"]
                )
            found.append(encode(config, weights, step[:, np.newaxis], vector, finals)[0][:, 0])
    if config.model_type == "attention_lstm":
        found = [attention(states, query, layer_of(weights, "attention"), seen) for query in found]
    return found


def encode(config, weights, steps, vector, initial=None):
    """States of the top layer, and the final state of each layer."""
    cell = gru if config.model_type == "gru" else lstm
    x = np.concatenate([steps, np.repeat(vector[:, np.newaxis], steps.shape[1], axis=1)], axis=2)
    finals = []
    for index in range(len(config.hidden)):
        states, final = cell(x, layer_of(weights, f"rnn.{index}"), initial and initial[index])
        finals.append(final)
        if config.bidirectional:
            backward, _ = cell(x[:, ::-1], layer_of(weights, f"reverse.{index}"))
            states = np.concatenate([states, backward[:, ::-1]], axis=2)
        if config.layer_norm:
            deviation = np.sqrt(states.var(axis=2, keepdims=True) + 1e-5)
            states = (states - states.mean(axis=2, keepdims=True)) / deviation
            states = states * weights[f"norm.{index}.scale"] + weights[f"norm.{index}.bias"]
        x = states
    return x, finals


def layer_of(weights, prefix):
    return {
        name.rsplit(".", 1)[1]: value
        for name, value in weights.items()
        if name.startswith(f"{prefix}.")
    }


def window_scale(targets, normalization, observed):
    last = targets[:, -1:]
    if normalization in ("revin", "robust") and not observed.all():
        return observed_scale(targets, normalization, observed)
    if normalization == "last":
        return last, np.ones_like(last)
    if normalization == "revin":
        return targets.mean(axis=1, keepdims=True), np.sqrt(
            targets.var(axis=1, keepdims=True) + 1e-5
        )
    if normalization == "robust":
        middle = np.median(targets, axis=1, keepdims=True)
        deviation = np.median(np.abs(targets - middle), axis=1, keepdims=True)
        return middle, np.maximum(deviation / 0.6744897501960817, 0.1)
    return np.zeros_like(last), np.ones_like(last)


def observed_scale(targets, normalization, observed):
    """Each window and target by itself, of its observed entries; of all if it has none."""
    shift, scale = np.zeros_like(targets[:, :1]), np.ones_like(targets[:, :1])
    for window in range(len(targets)):
        for column in range(targets.shape[2]):
            seen = observed[window, :, column]
            values = targets[window, seen if seen.any() else slice(None), column]
            one = window_scale(
                values[None, :, None], normalization, np.ones((1, len(values), 1), bool)
            )
            shift[window, 0, column], scale[window, 0, column] = (part.item() for part in one)
    return shift, scale


def lstm(x, layer, initial=None):
    zero = np.zeros((len(x), layer["recurrent_kernel"].shape[0]))
    h, c = initial or (zero, zero)
    states = []
    for t in range(x.shape[1]):
        gates = x[:, t] @ layer["input_kernel"] + h @ layer["recurrent_kernel"] + layer["bias"]
        i, f, g, o = np.split(gates, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1), (h, c)


def gru(x, layer, initial=None):
    (h,) = initial or (np.zeros((len(x), layer["recurrent_kernel"].shape[0])),)
    states = []
    for t in range(x.shape[1]):
        r_x, z_x, n_x = np.split(x[:, t] @ layer["input_kernel"] + layer["bias"], 3, axis=1)
        r_h, z_h, n_h = np.split(h @ layer["recurrent_kernel"], 3, axis=1)
        r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
        n = np.tanh(n_x + r * (n_h + layer["recurrent_bias"]))
        h = (1 - z) * n + z * h
        states.append(h)
    return np.stack(states, axis=1), (h,)


def attention(states, query, weights, seen):
    keys = states @ weights["key_kernel"] + weights["key_bias"]
    asked = query @ weights["query_kernel"]
    scores = np.tanh(keys + asked[:, np.newaxis]) @ weights["score_kernel"]
    shares = np.exp(scores) * seen
    shares /= shares.sum(axis=1, keepdims=True)
    return np.concatenate([np.einsum("bt,btu->bu", shares, states), query], axis=1)


def sigmoid(x):
    # Of large negative numbers, exp(-x) overflows.
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
