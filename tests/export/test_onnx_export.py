import json

import numpy as np
import onnx
import pytest

from spline_lstm.core.errors import ExportError
from spline_lstm.export.checksum import BLANK, KEY
from spline_lstm.export.formats import METADATA_KEY
from spline_lstm.export.onnx_export import export_onnx
from spline_lstm.export.sessions import session_of
from tests.export.oracle import CONVERTED, PAIRS, forward, make_history, make_option, make_spec

MODEL = ("lstm", 1, (0,), "last")


@pytest.fixture(scope="module")
def model(exported):
    return onnx.load_from_string(exported(".onnx", *MODEL).content)


@pytest.mark.parametrize("arguments", PAIRS)
def test_each_layer_is_one_native_node_and_nothing_loops(exported, arguments):
    operators = exported(".onnx", *arguments).operators
    assert operators["GRU" if arguments[0] == "gru" else "LSTM"] == 2
    assert not {"Loop", "Scan", "If"} & set(operators)


@pytest.mark.parametrize("name", CONVERTED)
def test_each_layer_side_and_member_is_one_native_node(exported, name):
    operators, config = exported(".onnx", name).operators, make_option(name).config
    count = len(config.hidden) * (2 if config.bidirectional else 1) * config.ensemble_size
    assert operators["GRU" if config.model_type == "gru" else "LSTM"] == count
    assert not {"Loop", "Scan", "If"} & set(operators)


def test_graph_holds_nothing_but_what_the_forecast_needs(exported):
    assert exported(".onnx", *MODEL).operators == {
        "Add": 2,  # bias of the head, level of the window
        "LSTM": 2,
        "MatMul": 1,
        "Mul": 2,  # into z-scores and back
        "Reshape": 2,  # of the last state, of the outputs
        "Slice": 2,  # last row, centered and not
        "Squeeze": 1,
        "Sub": 2,
        "Transpose": 1,
    }


def test_input_and_output_are_named_and_their_batch_is_free(model):
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"history": ["batch", 5, 1], "forecast": ["batch", 3, 1]}


def test_every_input_and_output_is_named_in_its_order(exported):
    graph = onnx.load_from_string(exported(".onnx", "independent decoder").content).graph
    assert [value.name for value in graph.output] == ["forecast", "quantiles"]
    graph = onnx.load_from_string(exported(".onnx", "gru decoder").content).graph
    assert [value.name for value in graph.input] == ["history", "future", "static"]
    types = [value.type.tensor_type.elem_type for value in graph.input]
    assert types == [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT, onnx.TensorProto.INT32]


def test_file_is_valid_and_carries_its_metadata(model):
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    found = metadata[METADATA_KEY]
    assert {**found, KEY: BLANK} == make_spec(*MODEL).metadata()
    assert found[KEY] != BLANK


@pytest.mark.parametrize("opset", [13, 18])
def test_every_opset_of_the_params_gives_the_same_answers(opset):
    spec = make_spec("attention_lstm", 2, (0,), "revin")
    model = export_onnx(spec, opset)
    assert [entry.version for entry in onnx.load_from_string(model.content).opset_import] == [opset]
    history = make_history(spec, 4)
    difference = session_of(model.content, ".onnx")(history) - forward(spec, history)
    assert np.abs(difference).max() / spec.target_scale < 1e-5


def test_opset_that_the_converter_does_not_know_is_an_export_error():
    with pytest.raises(ExportError, match=r"model\.onnx"):
        export_onnx(make_spec(), 99)
