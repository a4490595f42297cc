import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import BenchmarkParams
from spline_lstm.export.checksum import BLANK, MARK, sealed
from spline_lstm.export.gate import Check, deviating_repeats, judge, latency, measure_file
from spline_lstm.export.tflite_canonical import pack, unpack
from tests.export.oracle import ROOT, make_golden, make_option, make_spec

MODEL = ("lstm", 8, (0, 1), "revin")
WINDOW = {"history": np.ones((1, 4, 2), np.float32)}
PASSING = {
    "beyond_rounding": 1e-6,
    "rmse_increase": 0.0,
    "deviating_repeats": 0,
    "p95_ms": 0.1,
    "size_mb": 0.1,
}


def make_params(**changes):
    values = {
        "calls": 100,
        "warmup_calls": 3,
        "repeats": 5,
        "max_abs_diff": 1e-3,
        "max_rmse_increase": 1e-4,
        "quantized": {"max_abs_diff": 0.05, "max_rmse_increase": 0.02},
        "max_p95_ms": 200.0,
        "max_size_mb": 10.0,
    }
    return BenchmarkParams(**{**values, **changes})


def measure(path, content, spec=None, *, windows=12, **changes):
    # A checksum that fits, so that what the file computes is judged.
    path.write_bytes(sealed(content))
    spec = spec or make_spec(*MODEL)
    return measure_file(path, make_golden(spec, windows), spec.target_scale, make_params(**changes))


def verdicts(report):
    return {check.name: check.passed for check in report.checks}


def corrupt_onnx(content, random, change):
    """The file with one element of a float constant changed, by a share of the largest element."""
    model = onnx.load_from_string(content)
    constants = [
        entry for entry in model.graph.initializer if entry.data_type == onnx.TensorProto.FLOAT
    ]
    chosen = constants[random.integers(len(constants))]
    values = numpy_helper.to_array(chosen).copy()
    corrupt(values, random, change)
    chosen.CopyFrom(numpy_helper.from_array(values, chosen.name))
    return model.SerializeToString()


def corrupt_tflite(content, random, change):
    model = unpack(content)
    floats = [
        tensor.buffer
        for tensor in model.subgraphs[0].tensors
        if tensor.type == schema.TensorType.FLOAT32
    ]
    buffers = [model.buffers[index] for index in floats if index]
    chosen = buffers[random.integers(len(buffers))]
    values = chosen.data.view(np.float32).copy()
    corrupt(values, random, change)
    chosen.data = values.view(np.uint8)
    return pack(model)


def corrupt(values, random, change):
    values.flat[random.integers(values.size)] += change * np.abs(values).max()


CORRUPT = {".onnx": corrupt_onnx, ".tflite": corrupt_tflite}


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_sound_file_passes_every_check(exported, tmp_path, suffix):
    content = exported(suffix, *MODEL).content
    report = measure(tmp_path / f"model{suffix}", content)
    assert report.passed
    assert report.failures == []
    assert list(verdicts(report)) == ["loads", "parity", "accuracy", "repeats", "latency", "size"]
    assert report.figures["size_bytes"] == len(content)
    assert 0 < report.figures["p50_ms"] <= report.figures["p95_ms"] <= report.figures["p99_ms"]
    assert report.figures["max_abs_diff"] < 1e-5


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize("name", ["covariates", "only quantiles", "probability"])
def test_sound_file_of_every_kind_of_input_and_output_passes(exported, tmp_path, suffix, name):
    report = measure(tmp_path / f"model{suffix}", exported(suffix, name).content, make_option(name))
    assert report.failures == []


def test_quantiles_off_the_trained_model_fail_parity(exported, tmp_path):
    spec = make_option("only quantiles")
    golden = make_golden(spec)
    golden.quantiles[0, 0, 0, 2] += 0.1 * spec.target_scale[0]
    path = tmp_path / "model.onnx"
    path.write_bytes(exported(".onnx", "only quantiles").content)
    report = measure_file(path, golden, spec.target_scale, make_params())
    assert [name for name, passed in verdicts(report).items() if not passed] == ["parity"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("suffix", CORRUPT)
def test_one_corrupted_weight_is_found(exported, tmp_path, suffix, seed):
    damaged = CORRUPT[suffix](exported(suffix, *MODEL).content, np.random.default_rng(seed), 0.05)
    report = measure(tmp_path / f"model{suffix}", damaged)
    assert not verdicts(report)["parity"]
    assert f"model{suffix}: parity: " in report.failures[0]
    assert "the limit is 0.001" in report.failures[0]


@pytest.mark.parametrize("suffix", CORRUPT)
def test_file_that_answers_nan_fails_all_that_it_answers(exported, tmp_path, suffix):
    # A seed that hits what is added to the forecast: cells of onnxruntime turn NaN into numbers.
    random = np.random.default_rng({".onnx": 74, ".tflite": 0}[suffix])
    damaged = CORRUPT[suffix](exported(suffix, *MODEL).content, random, np.nan)
    report = measure(tmp_path / f"model{suffix}", damaged)
    found = verdicts(report)
    assert found["loads"]
    assert not any(found[name] for name in ("parity", "accuracy", "repeats"))


@pytest.mark.parametrize("seed", range(4))
def test_a_nan_that_cells_turn_into_numbers_is_found_all_the_same(exported, tmp_path, seed):
    damaged = corrupt_onnx(exported(".onnx", *MODEL).content, np.random.default_rng(seed), np.nan)
    report = measure(tmp_path / "model.onnx", damaged)
    assert math.isfinite(report.figures["max_abs_diff"])
    assert not verdicts(report)["parity"]
    assert not verdicts(report)["accuracy"]


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_damaged_file_fails_to_load_and_nothing_else_is_measured(tmp_path, suffix):
    content = b"not a model " + MARK + BLANK.encode()
    report = measure(tmp_path / f"model{suffix}", content)
    assert verdicts(report) == {"loads": False}
    assert report.figures == {"size_bytes": 87, "size_mb": 87e-6}


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_flipped_byte_is_no_verdict_but_a_damaged_file(exported, tmp_path, suffix):
    content, spec = exported(suffix, *MODEL).content, make_spec(*MODEL)
    path = tmp_path / f"model{suffix}"
    for position in np.random.default_rng(0).integers(len(content), size=20):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match="checksum"):
            measure_file(path, make_golden(spec), spec.target_scale, make_params())


def test_file_of_another_model_fails_to_load(exported, tmp_path):
    report = measure(tmp_path / "model.onnx", exported(".onnx", "lstm", 1, (0,), "last").content)
    assert verdicts(report) == {"loads": False}


def test_missing_file_is_no_verdict(tmp_path):
    spec = make_spec(*MODEL)
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing"):
        measure_file(tmp_path / "model.onnx", make_golden(spec), spec.target_scale, make_params())


@pytest.mark.parametrize(
    ("figure", "check", "beyond"),
    [
        ("beyond_rounding", "parity", 1.1e-3),
        ("rmse_increase", "accuracy", 1.1e-4),
        ("deviating_repeats", "repeats", 1),
        ("p95_ms", "latency", 201.0),
        ("size_mb", "size", 10.1),
    ],
)
@pytest.mark.parametrize("nan", [False, True])
def test_each_figure_beyond_its_limit_fails_its_check_alone(figure, check, beyond, nan):
    checks = judge({**PASSING, figure: np.nan if nan else beyond}, make_params())
    assert [entry.name for entry in checks if not entry.passed] == [check]


def test_figure_at_its_limit_passes():
    assert Check("size", 10.0, 10.0, "MB").passed
    assert str(Check("size", 10.5, 10.0, "MB")) == "size: 10.5 MB, the limit is 10"


def recurrent_tflite(recurrent_weight):
    """A file whose fused recurrent layer keeps its state in a variable, and so between calls."""
    floats = {"history": (1, 3, 1), "forecast": (1, 3, 1), "state": (1, 1)}
    constants = {"kernel": [[0.5]], "recurrent": [[recurrent_weight]], "bias": [0.1]}
    buffers, tensors = [schema.BufferT()], {}
    for name, values in constants.items():
        buffers.append(schema.BufferT(data=np.float32(values).view(np.uint8).reshape(-1)))
        tensors[name] = schema.TensorT(
            shape=np.shape(values), buffer=len(buffers) - 1, hasRank=True
        )
    for name, shape in floats.items():
        tensors[name] = schema.TensorT(
            shape=shape, name=name.encode(), isVariable=name == "state", hasRank=True
        )
    for name in ("history", "forecast"):
        tensors[name].shapeSignature = [-1, *floats[name][1:]]
    position = {name: index for index, name in enumerate(tensors)}
    layer = schema.OperatorT(
        inputs=[position[name] for name in ("history", "kernel", "recurrent", "bias", "state")],
        outputs=[position["forecast"]],
        builtinOptionsType=schema.BuiltinOptions.SequenceRNNOptions,
        builtinOptions=schema.SequenceRNNOptionsT(),
    )
    graph = schema.SubGraphT(
        [*tensors.values()], [position["history"]], [position["forecast"]], [layer]
    )
    kind = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_RNN
    code = schema.OperatorCodeT(deprecatedBuiltinCode=kind, builtinCode=kind, version=1)
    place = schema.BufferT(data=np.frombuffer(MARK + BLANK.encode(), np.uint8))
    return pack(
        schema.ModelT(version=3, operatorCodes=[code], subgraphs=[graph], buffers=[*buffers, place])
    )


@pytest.mark.parametrize(("recurrent_weight", "stateless"), [(-1.0, False), (0.0, True)])
def test_tflite_file_that_keeps_its_state_is_found(tmp_path, recurrent_weight, stateless):
    # h' = x / 2 + 0.1 - h oscillates, and three steps are half a period. A golden set of one
    # window: the fused layer supports only the batch size of its state.
    spec = make_spec("lstm", 1, (0,), "last", lookback=3, horizon=3)
    report = measure(tmp_path / "model.tflite", recurrent_tflite(recurrent_weight), spec, windows=1)
    assert verdicts(report)["loads"]
    assert verdicts(report)["repeats"] is stateless


def test_quantised_files_have_limits_of_their_own(exported, tmp_path):
    path, spec = tmp_path / "model.onnx", make_spec(*MODEL)
    golden = make_golden(spec)
    golden.forecast[...] += np.float32(0.01) * spec.target_scale.astype(np.float32)
    path.write_bytes(exported(".onnx", *MODEL).content)
    params = make_params(max_rmse_increase=1.0)
    report = measure_file(path, golden, spec.target_scale, params)
    assert [name for name, passed in verdicts(report).items() if not passed] == ["parity"]
    assert measure_file(path, golden, spec.target_scale, params, quantized=True).passed


def test_state_between_calls_is_found():
    state = SimpleNamespace(h=np.float32(0))

    def forecast(window):
        state.h = state.h / 2 + window["history"].sum()
        return {"forecast": np.full((1, 2, 1), state.h, np.float32)}

    # The state comes to rest at 16, as far as float32 can tell, after some 24 calls.
    assert deviating_repeats(forecast, WINDOW, 5) == 5


def test_state_is_found_behind_an_answer_that_is_overwritten():
    answer = np.zeros((1, 2, 1), np.float32)

    def forecast(window):
        answer[...] += 1
        return {"forecast": answer}

    assert deviating_repeats(forecast, WINDOW, 5) == 5


def test_answers_that_stay_the_same_but_are_not_finite_deviate():
    assert (
        deviating_repeats(
            lambda window: {"forecast": np.full((1, 2, 1), np.nan, np.float32)}, WINDOW, 7
        )
        == 7
    )
    assert deviating_repeats(lambda window: {"forecast": window["history"] * 2}, WINDOW, 7) == 0


def test_state_is_found_in_every_output():
    count = iter(range(100))

    def answer(window):
        return {
            "forecast": window["history"],
            "quantiles": np.full((1, 2), next(count), np.float32),
        }

    assert deviating_repeats(answer, WINDOW, 5) == 5


def test_latency_times_single_windows_in_turn_after_the_warm_up():
    history, seen = np.arange(3, dtype=np.float32).reshape(3, 1, 1), []
    figures = latency(
        lambda window: seen.append(window["history"].item()),
        {"history": history},
        calls=6,
        warmup_calls=3,
    )
    assert seen == [0, 1, 2] * 3
    assert list(figures) == ["p50_ms", "p95_ms", "p99_ms"]
    assert all(0 < value < 100 for value in figures.values())


def test_peak_memory_grows_with_what_is_allocated():
    # In its own process: in this one, other tests may have set a higher peak.
    code = (
        "import numpy as np; from spline_lstm.export.gate import peak_memory_mb; "
        "before = peak_memory_mb(); held = np.ones(80_000_000, np.uint8); "
        "assert peak_memory_mb() > max(before, held.nbytes / 1e6)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)
