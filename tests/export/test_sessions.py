import hashlib
import re

import numpy as np
import onnx
import pytest

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.checksum import BLANK, MARK, sealed
from spline_lstm.export.sessions import open_session, read_metadata
from tests.export.oracle import forward, make_history, make_inputs, make_option, make_spec

MODEL = ("lstm", 1, (0,), "last")
PANEL = ("lstm", 8, (0, 1), "revin")
SUFFIXES = (".onnx", ".tflite")


@pytest.fixture(params=SUFFIXES)
def path(request, exported, tmp_path):
    path = tmp_path / f"model{request.param}"
    path.write_bytes(exported(request.param, *MODEL).content)
    return path


def test_opened_file_forecasts_batches_of_changing_size(path):
    forecast, spec = open_session(path), make_spec(*MODEL)
    history = make_history(spec, 9)
    for batch in (1, 9, 2, 1):
        np.testing.assert_allclose(
            forecast(history[:batch]), forward(spec, history[:batch]), rtol=1e-5
        )


def test_history_may_be_float64_and_strided(path):
    history = make_history(make_spec(*MODEL), 8)
    wide = np.repeat(history, 2, axis=0).astype(np.float64)[::2]
    np.testing.assert_array_equal(open_session(path)(wide), open_session(path)(history))


def test_answers_stay_when_later_calls_are_made(path):
    forecast, history = open_session(path), make_history(make_spec(*MODEL), 2)
    first = forecast(history[:1])
    kept = first.copy()
    forecast(history[1:])
    np.testing.assert_array_equal(first, kept)


def test_opening_and_running_write_nothing(path, capfd):
    open_session(path)(make_history(make_spec(*MODEL), 1))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_file_is_named(tmp_path, suffix):
    with pytest.raises(ArtifactError, match=rf"nothing\{suffix} is missing"):
        open_session(tmp_path / f"nothing{suffix}")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".pb"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no checksum"),
        (b"no model", "no checksum"),
        (sealed(b"no model" + MARK + BLANK.encode()), "cannot be loaded"),
    ],
)
def test_file_that_holds_no_model_is_refused(tmp_path, suffix, content, words):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=words):
        open_session(path)


def test_history_of_another_shape_is_refused(path):
    with pytest.raises(
        ValueError, match=r"history must have the shape \[1, 5, 1\], but has \[1, 4, 1\]"
    ):
        open_session(path)(np.zeros((1, 4, 1), np.float32))


def test_no_windows_are_refused_before_they_end_the_process(path):
    with pytest.raises(ValueError, match="no window or row; give one or more"):
        open_session(path)(make_history(make_spec(*MODEL), 1)[:0])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_inputs_that_are_missing_or_unknown_are_named(forecaster, path, suffix):
    inputs = make_inputs(make_option("covariates"), 2)
    with pytest.raises(
        ValueError, match="takes the inputs history, future, static, but is given history, static"
    ):
        forecaster(suffix, "covariates")(inputs["history"], static=inputs["static"])
    with pytest.raises(ValueError, match="takes the inputs history, but is given history, future"):
        open_session(path)(make_history(make_spec(*MODEL), 1), np.zeros((1, 3, 2), np.float32))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_windows_of_all_inputs_must_be_equally_many(forecaster, suffix):
    inputs = make_inputs(make_option("covariates"), 2)
    with pytest.raises(ValueError, match=r"static must have the shape \[2, 2\], but has \[1, 2\]"):
        forecaster(suffix, "covariates")(**{**inputs, "static": inputs["static"][:1]})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ids_may_be_int64_but_no_floats(forecaster, suffix):
    session, inputs = forecaster(suffix, "covariates"), make_inputs(make_option("covariates"), 2)
    wide = {**inputs, "static": inputs["static"].astype(np.int64)}
    np.testing.assert_array_equal(session(**wide), session(**inputs))
    with pytest.raises(TypeError, match="Cannot cast"):
        session(**{**inputs, "static": inputs["static"].astype(np.float32)})


def digest_without_itself(content: bytes) -> str:
    """SHA-256 of a file whose own checksum is replaced by zeros."""
    blank = re.sub(rb'(?<="sha256": ")[0-9a-f]{64}', b"0" * 64, content)
    return hashlib.sha256(blank).hexdigest()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_says_what_to_feed_it_and_where_it_comes_from(exported, tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(exported(suffix, *PANEL).content)
    spec = make_spec(*PANEL)
    found = read_metadata(path)
    assert found.pop("sha256") == digest_without_itself(path.read_bytes())
    assert found == {
        "run_id": spec.run_id,
        "preprocessor_run_id": spec.preprocessor_run_id,
        "model_type": "lstm",
        "output": "value",
        "features": [f"feature {index}" for index in range(8)],
        "targets": ["feature 0", "feature 1"],
        "future_features": [],
        "statics": {},
        "categories": {},
        "quantiles": [],
        "lookback": 5,
        "horizon": 3,
        "frequency": "5min",
        "time_zone": "UTC",
        "clock": Clock("fixed", step=300_000_000_000).to_json(),
        "scaling": None,
        "bounds": None,
        "inputs": {"history": "[batch, lookback, features] float32, data units"},
        "outputs": {"forecast": "[batch, horizon, targets] float32, data units"},
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_says_which_ids_and_quantiles_stand_for_what(exported, tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(exported(suffix, "gru decoder").content)
    found = read_metadata(path)
    assert list(found["inputs"]) == ["history", "future", "static"]
    assert found["future_features"] == ["feature 1", "feature 3"]
    assert found["statics"] == {
        "static 0": ["text 1", "text 2"],
        "static 1": ["text 1", "text 2", "text 3", "text 4"],
    }
    path.write_bytes(exported(suffix, "only quantiles").content)
    found = read_metadata(path)
    assert list(found["outputs"]) == ["forecast", "quantiles"]
    assert found["quantiles"] == [0.1, 0.5, 0.9]


def test_file_of_other_origin_is_refused(tmp_path):
    shape = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Neg", ["x"], ["y"])], "other", [shape], [result]
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="has no metadata"):
        read_metadata(path)
