"""Networks of rows as exported files: raw rows in, the predictions of the trained network out."""

import jax
import numpy as np
import pytest
from flax import nnx

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import BenchmarkParams
from spline_lstm.export.gate import measure_file
from spline_lstm.export.golden import load_golden
from spline_lstm.export.onnx_export import export_onnx
from spline_lstm.export.row_spec import RowSpec, pieces_of
from spline_lstm.export.sessions import read_metadata, session_of
from spline_lstm.export.tflite_export import export_tflite
from spline_lstm.models.build import build, to_arrays
from spline_lstm.models.saved_rows import RowModel
from spline_lstm.rows.transforms import NumberTransform, fit_quantiles, fit_standard
from tests.models.rows import SIZES, make_row_config

RNG = np.random.default_rng(0)
# Skewed, whole, and constant numbers.
RAW = np.column_stack([100 * RNG.gamma(1, size=300), RNG.integers(0, 5, 300), np.full(300, 7.0)])
QUANTILES = [fit_quantiles(column, 64) for column in RAW.T]
STANDARD = [fit_standard(column) for column in RAW.T]
CASES = {
    "ft_transformer": ("three", QUANTILES, {}),
    "tabm": ("two", QUANTILES, {}),
    "mlp": (
        "regression",
        STANDARD,
        {"ensemble_size": 2, "label_center": 500.0, "label_scale": 20.0},
    ),
}
CATEGORIES = {"d": ["u", "v", None], "e": [f"text {index}" for index in range(SIZES[1] - 1)]}


def make_spec(model_type: str) -> tuple[RowSpec, list[NumberTransform]]:
    labels, transforms, options = CASES[model_type]
    config = make_row_config(model_type, labels, **options)
    keys = jax.random.split(jax.random.key(0), config.ensemble_size)

    def draw(key):
        weights = nnx.state(build(config, key=key), nnx.Param)
        noise = jax.random.normal(key)
        return jax.tree.map(lambda leaf: leaf + 0.3 * noise * (leaf + 0.5), weights)

    members = [to_arrays(jax.jit(draw)(key)) for key in keys]
    weights = members[0]
    if len(members) > 1:
        weights = {name: np.stack([each[name] for each in members]) for name in weights}
    spec = RowSpec(config, "model", "preprocessor", weights, pieces_of(transforms), CATEGORIES)
    return spec, transforms


def make_raw(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Raw numbers, some missing, some beyond those of training; ids, some out of range."""
    rng = np.random.default_rng(1)
    numbers = RAW[:count].astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.2] = np.nan
    numbers[0] = [1e5, -3.0, 8.0]
    ids = rng.integers(-1, np.array(SIZES) + 1, size=(count, 2)).astype(np.int32)
    return numbers, ids


def trained_answer(
    spec: RowSpec, transforms: list[NumberTransform], numbers: np.ndarray, ids: np.ndarray
) -> np.ndarray:
    z = [
        item.apply(column.astype(np.float64))
        for item, column in zip(transforms, numbers.T, strict=True)
    ]
    missing = np.isnan(numbers)
    scores = np.where(missing, 0, np.column_stack(z)).astype(np.float32)
    return RowModel(spec.config, "", "", spec.weights).predict_data_units(scores, missing, ids)


@pytest.fixture(scope="module", params=CASES)
def exported(request):
    """Spec, transforms and the ONNX file of a network."""
    spec, transforms = make_spec(request.param)
    return spec, transforms, export_onnx(spec, 17)


@pytest.mark.parametrize("count", [40, 1])
def test_the_onnx_file_answers_what_the_network_predicts(exported, count):
    spec, transforms, model = exported
    numbers, ids = make_raw(count)
    expected = trained_answer(spec, transforms, numbers, ids)
    (answer,) = (
        session_of(model.content, ".onnx").answer({"numbers": numbers, "categories": ids}).values()
    )
    np.testing.assert_allclose(answer / spec.unit, expected / spec.unit, atol=2e-5)


def test_the_file_passes_the_gate_and_says_how_to_feed_it(exported, tmp_path):
    spec, transforms, model = exported
    numbers, ids = make_raw()
    labels = np.arange(len(numbers)) % 2
    arrays = {
        "numbers": numbers,
        "categories": ids,
        "prediction": trained_answer(spec, transforms, numbers, ids),
        "truth": labels.astype(np.float32),
    }
    np.savez(tmp_path / "golden.npz", **arrays)
    (tmp_path / "model.onnx").write_bytes(model.content)
    golden = load_golden(tmp_path / "golden.npz")
    params = BenchmarkParams(calls=100, warmup_calls=1, repeats=3, max_p95_ms=1000.0)
    report = measure_file(tmp_path / "model.onnx", golden, spec.unit, params)
    assert report.passed, report.failures
    metadata = read_metadata(tmp_path / "model.onnx")
    assert metadata["categories"] == CATEGORIES
    assert metadata["classes"] == list(spec.config.classes)
    assert metadata["numbers"] == ["a", "b", "c"]
    wrong = {**arrays, "prediction": arrays["prediction"] + 0.1 * spec.unit.astype(np.float32)}
    np.savez(tmp_path / "golden.npz", **wrong)
    failed = measure_file(
        tmp_path / "model.onnx", load_golden(tmp_path / "golden.npz"), spec.unit, params
    )
    assert any("parity" in failure for failure in failed.failures)


def test_the_same_spec_gives_the_same_bytes(exported):
    spec, _, model = exported
    assert export_onnx(spec, 17).content == model.content


@pytest.mark.parametrize("model_type", CASES)
def test_the_tflite_file_answers_what_the_network_predicts(model_type):
    spec, transforms = make_spec(model_type)
    numbers, ids = make_raw()
    session = session_of(export_tflite(spec).content, ".tflite")
    (answer,) = session.answer({"numbers": numbers, "categories": ids}).values()
    expected = trained_answer(spec, transforms, numbers, ids)
    np.testing.assert_allclose(answer / spec.unit, expected / spec.unit, atol=2e-5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"prediction": np.zeros((2, 1))}, "lacks 'numbers'"),
        (
            {
                "numbers": np.zeros((2, 3)),
                "categories": np.zeros((2, 0)),
                "prediction": np.full((2, 1), np.nan),
                "truth": np.zeros(2),
            },
            "not finite",
        ),
        (
            {
                "numbers": np.zeros((3, 3)),
                "categories": np.zeros((2, 0)),
                "prediction": np.zeros((2, 1)),
                "truth": np.zeros(2),
            },
            "the same number of rows",
        ),
    ],
)
def test_golden_rows_that_are_unusable_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "golden.npz", **arrays)
    with pytest.raises(ArtifactError, match=message):
        load_golden(tmp_path / "golden.npz")
