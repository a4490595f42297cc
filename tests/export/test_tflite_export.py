import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tests.export.oracle import CONVERTED, PAIRS, make_history, make_spec

MODEL = ("lstm", 1, (0,), "last")
STATEFUL = {
    "CUSTOM",
    "WHILE",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "LSTM",
    "VAR_HANDLE",
    "ASSIGN_VARIABLE",
    "CALL_ONCE",
}


@pytest.mark.parametrize("arguments", PAIRS)
def test_operators_are_stateless_builtins(exported, arguments):
    operators = exported(".tflite", *arguments).operators
    assert set(operators) <= set(vars(schema.BuiltinOperator)) - STATEFUL


@pytest.mark.parametrize("name", CONVERTED)
def test_operators_of_every_option_are_stateless_builtins(exported, name):
    assert set(exported(".tflite", name).operators) <= set(vars(schema.BuiltinOperator)) - STATEFUL


def test_lstm_needs_one_matmul_per_step_and_layer(exported):
    # 5 steps: one projection of all inputs of a layer, 4 recurrent products; in the end the head.
    assert exported(".tflite", *MODEL).operators["FULLY_CONNECTED"] == 2 * (1 + 4) + 1


@pytest.mark.parametrize("arguments", PAIRS)
def test_weights_are_aligned_for_reading_in_place(exported, arguments):
    model = schema.Model.GetRootAs(exported(".tflite", *arguments).content)
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    starts = [
        buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers if buffer.DataLength()
    ]
    assert len(starts) > 8
    assert all(start % 16 == 0 for start in starts)


def test_input_and_output_are_named_and_their_batch_is_free(exported):
    interpreter = Interpreter(model_content=exported(".tflite", *MODEL).content)
    ends = (*interpreter.get_input_details(), *interpreter.get_output_details())
    shapes = {end["name"]: end["shape_signature"].tolist() for end in ends}
    assert shapes == {"history": [-1, 5, 1], "forecast": [-1, 3, 1]}


def test_every_input_and_output_is_named_in_its_order(exported):
    names = {}
    for name in ("gru decoder", "independent decoder"):
        interpreter = Interpreter(model_content=exported(".tflite", name).content)
        ends = (interpreter.get_input_details(), interpreter.get_output_details())
        names[name] = [[end["name"] for end in side] for side in ends]
    assert names["gru decoder"] == [["history", "future", "static"], ["forecast"]]
    assert names["independent decoder"] == [["history"], ["forecast", "quantiles"]]


def test_signature_answers_by_name(exported, forecaster):
    interpreter = Interpreter(model_content=exported(".tflite", *MODEL).content)
    history = make_history(make_spec(*MODEL), 1)
    answer = interpreter.get_signature_runner("serving_default")(history=history)
    np.testing.assert_array_equal(answer["forecast"], forecaster(".tflite", *MODEL)(history))
