"""The forecaster as an ONNX graph built node by node from the native operators.

It shows what the converter's graph costs: same weights, raw units in and out, window normalisation
`last`, one target.
"""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from spline_lstm.export.spec import EdgeSpec
from spline_lstm.models.types import MODEL_TYPES

# Gates of the weights files to those of ONNX: i, f, g, o to i, o, f, g; r, z, n to z, r, n.
ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


class Graph:
    """Nodes and constants so far."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """Name of a new constant."""
        name = f"constant {len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Name of the first used output of a new node; earlier ones are left out."""
        names = [""] * (outputs - 1) + [f"{operator} {len(self.nodes)}"]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[-1]


def build(spec: EdgeSpec, opset: int) -> bytes:
    """Content of the file."""
    config, graph = spec.config, Graph()
    (target,) = config.target_indices
    z, last = _normalize(graph, spec)
    steps = graph.node("Transpose", z, perm=[1, 0, 2])
    for index in range(len(config.hidden) - 1):
        steps = _drop_direction(graph, _layer(graph, spec, index, steps, outputs=1), axis=1)
    context = _context(graph, spec, steps)
    kernel, bias = (graph.constant(spec.weights[f"head.{name}"]) for name in ("kernel", "bias"))
    outputs = graph.node(
        "Reshape", graph.node("Gemm", context, kernel, bias), graph.constant([0, -1, 1], np.int64)
    )
    change = graph.node("Mul", outputs, graph.constant(spec.scale[target]))
    level = graph.node("Gather", last, graph.constant([target], np.int64), axis=2)
    graph.node("Add", change, level)
    graph.nodes[-1].output[0] = "forecast"
    return _model(graph, spec, opset).SerializeToString()


def _normalize(graph: Graph, spec: EdgeSpec) -> tuple[str, str]:
    """(x - reference) / scale; the reference is the last row of a target, the center of others."""
    is_target = np.zeros(len(spec.center))
    is_target[list(spec.config.target_indices)] = 1
    ends = [graph.constant([value], np.int64) for value in (-1, 2**31, 1)]
    last = graph.node("Slice", "history", *ends)
    reference = last
    if not is_target.all():
        reference = graph.node("Mul", last, graph.constant(is_target))
        reference = graph.node("Add", reference, graph.constant(spec.center * (1 - is_target)))
    centered = graph.node("Sub", "history", reference)
    return graph.node("Mul", centered, graph.constant(1 / spec.scale)), last


def _layer(graph: Graph, spec: EdgeSpec, index: int, steps: str, *, outputs: int) -> str:
    """Output 1 of a layer: the states of all steps; output 2: the last state."""
    cell = MODEL_TYPES[spec.config.model_type].cell
    assert cell is not None
    operator = cell.operator

    def ordered(name: str) -> np.ndarray:
        blocks = np.split(spec.weights[f"rnn.{index}.{name}"], len(ORDER[operator]), axis=-1)
        return np.concatenate([blocks[position] for position in ORDER[operator]], axis=-1)

    units, bias = spec.config.hidden[index], ordered("bias")
    recurrent_bias = np.zeros_like(bias)
    attributes = {"hidden_size": units}
    if operator == "GRU":
        recurrent_bias[2 * units :] = spec.weights[f"rnn.{index}.recurrent_bias"]
        attributes["linear_before_reset"] = 1
    kernels = (
        graph.constant(ordered(name).T[None]) for name in ("input_kernel", "recurrent_kernel")
    )
    biases = graph.constant(np.concatenate([bias, recurrent_bias])[None])
    return graph.node(operator, steps, *kernels, biases, outputs=outputs, **attributes)


def _context(graph: Graph, spec: EdgeSpec, steps: str) -> str:
    """What the head reads [batch, width]."""
    top = len(spec.config.hidden) - 1
    if not MODEL_TYPES[spec.config.model_type].attention:
        return _drop_direction(graph, _layer(graph, spec, top, steps, outputs=2), axis=0)
    states = _drop_direction(graph, _layer(graph, spec, top, steps, outputs=1), axis=1)
    query = graph.node("Gather", states, graph.constant(-1, np.int64), axis=0)
    named = {
        name: graph.constant(value)
        for name, value in spec.weights.items()
        if name.startswith("attention.")
    }
    keys = graph.node("MatMul", states, named["attention.key_kernel"])
    asked = graph.node("Gemm", query, named["attention.query_kernel"], named["attention.key_bias"])
    scores = graph.node(
        "MatMul",
        graph.node("Tanh", graph.node("Add", keys, asked)),
        named["attention.score_kernel"],
    )
    shares = graph.node(
        "Unsqueeze", graph.node("Softmax", scores, axis=0), graph.constant([2], np.int64)
    )
    weighted = graph.node("Mul", states, shares)
    summed = graph.node("ReduceSum", weighted, graph.constant([0], np.int64), keepdims=0)
    return graph.node("Concat", summed, query, axis=1)


def _drop_direction(graph: Graph, states: str, *, axis: int) -> str:
    return graph.node("Squeeze", states, graph.constant([axis], np.int64))


def _model(graph: Graph, spec: EdgeSpec, opset: int) -> onnx.ModelProto:
    config = spec.config
    ends = {"history": (config.lookback, len(config.features)), "forecast": (config.horizon, 1)}
    history, forecast = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *shape])
        for name, shape in ends.items()
    )
    made = helper.make_graph(graph.nodes, "by hand", [history], [forecast], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model
