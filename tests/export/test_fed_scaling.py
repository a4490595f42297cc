"""Files without constants of scaling inside: fed with each window, in ONNX and TFLite."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spline_lstm.export.sessions import session_of
from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.combined import Combination
from spline_lstm.models.fed_scaling import fed_scaling
from spline_lstm.models.linear import LinearForecaster, Scale
from spline_lstm.models.linear_targets import to_arrays
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.fed_scaling import FedScaling
from spline_lstm.windows.scaling import Scaler
from tests.export.oracle import forward_all, make_inputs, make_option, make_spec

SUFFIXES = (".onnx", ".tflite")
WINDOWS = 17
# Of two series, and one of all; levels that float32 cannot resolve.
LEVELS = np.array([5e10, 1e-7, 1e3])[:, None]
SIZES = np.array([35.0, 7e-9, 1e2])[:, None]
ROWS = np.arange(WINDOWS) % 3 - 1


def fed(spec, bounds=None):
    """The model with scales of three rows instead of constants, and its z-scored twin."""
    factors = np.exp(np.random.default_rng(5).uniform(0, 1, (3, len(spec.config.features))))
    scale = SIZES * factors
    center = np.tile(LEVELS, (1, scale.shape[1]))
    for name in spec.config.categories:
        index = spec.config.features.index(name)
        center[:, index], scale[:, index] = 0.0, 1.0
    scaling = FedScaling(("meter", "trace"), {"center": center, "scale": scale})
    ones = np.ones(scale.shape[1])
    standard = replace(spec, center=0 * ones, scale=ones)
    return replace(spec, fed=scaling, bounds=bounds), standard


def fed_inputs(spec, z, scaling):
    """z-scores by input name as the file is fed them, float32."""
    known = [spec.config.features.index(name) for name in spec.config.future_features]
    sizes = {"history": scaling["scale"], "future": scaling["scale"][:, known]}
    given = {
        name: value * sizes[name][:, None] if name in sizes else value for name, value in z.items()
    }
    given |= {name: value for name, value in scaling.items() if name in spec.inputs}
    return {
        name: value.astype(np.int32 if name == "static" else np.float32)
        for name, value in given.items()
    }


MODELS = {
    "none": make_spec("lstm", 3, (1, 0), "none"),
    "revin": make_spec("gru", 2, (0,), "revin"),
    "covariates": make_option("covariates"),
    "quantiles": make_option("only quantiles"),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", MODELS)
def test_fed_file_agrees_with_the_formulas_in_z_scores(wide_exports, name, suffix):
    spec, standard = fed(MODELS[name])
    z = make_inputs(standard, WINDOWS)
    scaling = spec.fed.of(ROWS)
    session = session_of(wide_exports(suffix, spec).content, suffix)
    given = fed_inputs(spec, z, scaling)
    found, expected = session.answer(given), forward_all(standard, **z)
    targets = scaling["scale"][:, None, list(spec.config.target_indices)]
    for key, value in expected.items():
        scale = targets if value.ndim == 3 else targets[..., None]
        assert np.abs(found[key] / scale - value).max() < 1e-5
    assert "center" not in spec.inputs


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["none", "quantiles"])
def test_fed_file_clips_in_data_units(wide_exports, name, suffix):
    targets = len(MODELS[name].config.targets)
    # Below the level of every series, in the middle of the forecasts of the third.
    bounds = np.array([[1e3, np.inf], [-np.inf, 1e3 + 50.0]])[:targets]
    spec, standard = fed(MODELS[name], bounds)
    z = make_inputs(standard, 6)
    rows = np.full(6, -1)
    scaling = spec.fed.of(rows)
    found = session_of(wide_exports(suffix, spec).content, suffix).answer(
        fed_inputs(spec, z, scaling)
    )
    size = scaling["scale"][:, None, list(spec.config.target_indices)]
    for key, value in forward_all(standard, **z).items():
        scale = size if value.ndim == 3 else size[..., None]
        low, high = (side if value.ndim == 3 else side[:, None] for side in bounds.T)
        expected = np.clip(value * scale + 1e3, low, high)
        assert ((expected == low) | (expected == high)).any()
        np.testing.assert_allclose(found[key] + 1e3, expected, atol=2e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_with_constants_inside_clips_too(wide_exports, suffix):
    spec = make_spec("lstm", 1, (0,), "last", level=(3.0,))
    spec = replace(spec, bounds=np.array([[0.0, 10.0]]))
    inputs = make_inputs(spec, 40)
    found = session_of(wide_exports(suffix, spec).content, suffix).answer(inputs)["forecast"]
    expected = forward_all(spec, **inputs)["forecast"]
    assert (expected < 0).any()
    assert (expected > 10).any()
    assert (found >= 0).all()
    assert (found <= 10).all()
    np.testing.assert_allclose(found, expected.clip(0, 10), atol=1e-4)
    assert json.loads(spec.metadata_text())["bounds"] == [[0.0, 10.0]]


def linear_spec(log):
    """Two targets of two series; on the natural scale, and with `log` also on the logarithmic."""
    random = np.random.default_rng(7)
    config = replace(make_spec("lstm", 2, (0, 1)).config, model_type="linear", hidden=())
    centers = np.array([1e4, 5e10, 3e3]) if log else np.array([5e10, 1e-7, 2.0])
    sizes = centers * 0.05 if log else np.array([35.0, 7e-9, 1.0])
    natural = Scale(False, centers, sizes, np.full(3, -np.inf))
    logs = Scale(True, np.log(centers), np.full(3, 0.05), centers / 2)
    scales = (natural, logs) if log else (natural,)
    shape = (len(scales), config.lookback, config.horizon)
    forecasters = [
        LinearForecaster(
            scales,
            random.normal(0, 0.3, shape),
            random.normal(0, 0.3, (len(scales), config.horizon)),
            np.full(len(scales), 1 / len(scales)),
        )
        for _ in range(2)
    ]
    scaler = Scaler("standard", np.tile(centers[:, None], 2), np.tile(sizes[:, None], 2))
    weights = to_arrays(forecasters)
    scaling = fed_scaling(config, weights, scaler, ("a", "b"))
    spec = replace(make_spec("lstm", 2, (0, 1)), config=config, weights=weights, fed=scaling)
    return spec, forecasters


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("log", [False, True])
def test_linear_file_uses_the_constants_of_each_series(wide_exports, log, suffix):
    spec, forecasters = linear_spec(log)
    assert ("log_center" in spec.inputs, "center" in spec.inputs) == (log, log)
    scaling = spec.fed.of(ROWS)
    z = np.random.default_rng(1).normal(size=(WINDOWS, spec.config.lookback, 2))
    if log:
        z[0] += 20.0  # a level that training never saw
    found = session_of(wide_exports(suffix, spec).content, suffix).answer(
        fed_inputs(spec, {"history": z}, scaling)
    )["forecast"]
    history = z * scaling["scale"][:, None] + scaling["center"][:, None]
    expected = np.stack(
        [f.predict(history[:, :, k], ROWS) for k, f in enumerate(forecasters)], axis=2
    )
    off = (found + scaling["center"][:, None] - expected) / scaling["scale"][:, None]
    # Logarithms of float32 have a relative error of 1e-7, here a fiftieth of a scale each.
    assert np.abs(off).max() < (1e-4 if log else 1e-5)


def combined_spec(name):
    """A network beside a linear forecast, both with constants of their own for each series."""
    spec, random = make_option(name), np.random.default_rng(8)
    config, targets = spec.config, list(spec.config.target_indices)
    features = len(config.features)
    centers = np.array([[1e4], [20.0], [3e3]]) * np.exp(random.uniform(0, 0.1, features))
    sizes = centers * 0.05 * np.exp(random.uniform(0, 0.1, features))
    parts = Combination.of(spec.weights, config)
    forecasters = []
    for index, part in zip(targets, parts.forecasters, strict=True):
        own = centers[:, index] * 1.01, sizes[:, index] * 0.9, np.full(3, -np.inf)
        logs = np.log(centers[:, index]), np.full(3, 0.05), centers[:, index] / 2
        forecasters.append(replace(part, scales=(Scale(False, *own), Scale(True, *logs))))
    combination = replace(parts, forecasters=tuple(forecasters))
    scaler = Scaler("standard", centers, sizes)
    weights = dict(spec.weights) | combination.arrays()
    scaling = fed_scaling(config, weights, scaler, ("a", "b"))
    return replace(spec, weights=weights, fed=scaling), scaler


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["combined", "combined channels", "beside"])
def test_file_beside_a_linear_forecast_uses_the_constants_of_each_series(
    wide_exports, name, suffix
):
    spec, scaler = combined_spec(name)
    targets = list(spec.config.target_indices)
    scaling = spec.fed.of(ROWS)
    z = make_inputs(replace(spec, center=0 * spec.center, scale=np.ones_like(spec.scale)), WINDOWS)
    found = session_of(wide_exports(suffix, spec).content, suffix).answer(
        fed_inputs(spec, z, scaling)
    )["forecast"]
    history = (z["history"] * scaling["scale"][:, None] + scaling["center"][:, None])[..., targets]
    inputs = SimpleNamespace(
        X=z["history"].astype(np.float32), X_future=z.get("future"), X_static=z.get("static")
    )
    model = SavedModel(spec.config, "", "", spec.weights)
    expected = data_unit_outputs(model, inputs, scaler.columns(targets), ROWS, history).point
    off = (found + scaling["center"][:, None, targets] - expected) / scaling["scale"][
        :, None, targets
    ]
    assert np.abs(off).max() < 1e-4


def powered_spec(name):
    """A model whose targets go through powers, with constants of their own for each series."""
    spec = make_option(name)
    config, targets = spec.config, list(spec.config.target_indices)
    factors = np.array([1.0, 30.0, 5.0])[:, None]
    overall = spec.power
    wide = {key: factors * getattr(overall, key) for key in ("low", "high", "center", "scale")}
    power = replace(overall, **wide)
    levels, tops = power.forward(100.0 * factors + 0 * spec.center), power.forward(wide["high"])
    center, scale = np.tile(spec.center, (3, 1)), np.tile(spec.scale, (3, 1))
    center[:, targets] = levels[:, targets]
    scale[:, targets] = 0.3 * (tops - levels)[:, targets]
    scaler = Scaler("standard", center, scale, power=power)
    weights = dict(spec.weights)
    if config.is_combined:
        parts = Combination.of(spec.weights, config)
        own = 100.0 * factors[:, 0]
        natural = Scale(False, own, 0.5 * own, np.full(3, -np.inf))
        logs = Scale(True, np.log(own), np.full(3, 0.3), own / 20)
        forecasters = tuple(replace(part, scales=(natural, logs)) for part in parts.forecasters)
        weights |= replace(parts, forecasters=forecasters).arrays()
    scaling = fed_scaling(config, weights, scaler, ("a", "b"))
    return replace(spec, weights=weights, fed=scaling), scaler


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "name",
    [
        "powers",
        "combined powers",
        pytest.param("powers of quantiles", marks=pytest.mark.slow),
        pytest.param("combined powers of quantiles", marks=pytest.mark.slow),
    ],
)
def test_powers_have_the_constants_of_each_series(wide_exports, name, suffix):
    spec, scaler = powered_spec(name)
    targets = list(spec.config.target_indices)
    scaling = spec.fed.of(ROWS)
    values = make_inputs(spec, WINDOWS)["history"].astype(np.float64)
    values[:, :, targets] *= (scaler.power.center / spec.power.center)[ROWS][:, None, targets]
    # Far below what training has seen: the floor of the power, not of the naive forecasts.
    values[0, -1, targets] = 0.5
    given = (values - spec.fed.levels(ROWS)).astype(np.float32)
    assert np.array_equal(given[:, :, targets], values[:, :, targets].astype(np.float32))
    fed = {key: value.astype(np.float32) for key, value in scaling.items() if key in spec.inputs}
    found = session_of(wide_exports(suffix, spec).content, suffix).answer({"history": given, **fed})
    read = given + spec.fed.levels(ROWS)
    inputs = SimpleNamespace(
        X=scaler.transform(read, ROWS).astype(np.float32), X_future=None, X_static=None
    )
    model, columns = SavedModel(spec.config, "", "", spec.weights), scaler.columns(targets)
    expected = data_unit_outputs(model, inputs, columns, ROWS, read[:, :, targets])
    unit = columns.plain.scale[ROWS][:, None]
    assert np.abs((found["forecast"] - expected.point) / unit).max() < 2e-4
    if expected.quantiles is not None:
        off = (found["quantiles"] - expected.quantiles) / unit[..., None]
        assert np.abs(off).max() < 2e-4
    assert FedScaling.from_json(spec.fed.to_json()).whole == tuple(targets)


@pytest.mark.parametrize(
    ("center", "scale", "inside"),
    [([100.0, 1e6], [50.0, 1e3], True), ([100.0, 5e10], [50.0, 35.0], False)],
)
def test_levels_beyond_float32_are_fed(center, scale, inside):
    spec = make_spec("lstm", 2, (0, 1))
    found = fed_scaling(
        spec.config, spec.weights, Scaler("standard", np.array(center), np.array(scale))
    )
    assert (found is None) == inside
    if found is not None:
        # One row for all, whatever the series.
        assert found.of(np.array([3, -1]))["center"].tolist() == [center, center]
        assert FedScaling.from_json(json.loads(json.dumps(found.to_json()))).tables[
            "scale"
        ].tolist() == [scale]
