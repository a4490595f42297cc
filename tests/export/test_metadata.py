import onnx
import pytest

from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.metadata import read_metadata
from tests.export.oracle import make_spec

MODEL = ("lstm", 8, (0, 1), "revin")


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_file_says_what_to_feed_it_and_where_it_comes_from(exported, tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(exported(suffix, *MODEL).content)
    spec = make_spec(*MODEL)
    assert read_metadata(path) == {
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
        "frequency_ns": 300_000_000_000,
        "inputs": {"history": "[batch, lookback, features] float32, data units"},
        "outputs": {"forecast": "[batch, horizon, targets] float32, data units"},
    }


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
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
    path.write_bytes(exported(suffix, "quantiles alone").content)
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
    with pytest.raises(ArtifactError, match="carries no metadata"):
        read_metadata(path)
