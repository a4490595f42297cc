"""Smaller ONNX files of a forecaster, made of its float32 file.

Weights are stored in float16 or int8 and widened by standard nodes, which onnxruntime folds away when it opens
the file: the recurrent nodes, the speed and the arithmetic stay those of float32. (Products of integers were
measured, too: onnxruntime's DynamicQuantizeLSTM is 5 to 15 % slower at [64, 32], three to six times as far
off, no standard operator, and has no form for a GRU.)

::

    float16   Cast(weight)                int8   Mul(Cast(weight), scale of each row)
"""

import onnx
from onnx import helper, numpy_helper

from spline_lstm.export.formats import ExportedModel
from spline_lstm.export.onnx_export import finished
from spline_lstm.export.quantization import is_large, quantize

# Operator -> inputs that are weights; biases and embedding tables keep float32 beside int8 weights.
WEIGHTS = {"LSTM": (1, 2), "GRU": (1, 2), "MatMul": (1,), "Gemm": (1,)}


def onnx_variant(content: bytes, variant: str) -> ExportedModel:
    """The variant float16 or int8 of a float32 file."""
    model = onnx.load_from_string(content)
    graph = model.graph
    widen = {"float16": _from_float16, "int8": _from_int8}[variant]
    wanted = (
        _weights(graph) if variant == "int8" else {constant.name for constant in graph.initializer}
    )
    for constant in list(graph.initializer):
        if (
            constant.name in wanted
            and constant.data_type == onnx.TensorProto.FLOAT
            and is_large(tuple(constant.dims))
        ):
            # `order_onnx` puts them in front of their readers.
            graph.node.extend(widen(graph, constant))
    return finished(model)


def _weights(graph: onnx.GraphProto) -> set[str]:
    return {node.input[place] for node in graph.node for place in WEIGHTS.get(node.op_type, ())}


def _from_float16(graph: onnx.GraphProto, constant: onnx.TensorProto) -> list[onnx.NodeProto]:
    name, values = constant.name, numpy_helper.to_array(constant)
    constant.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}.stored"))
    return [helper.make_node("Cast", [f"{name}.stored"], [name], to=onnx.TensorProto.FLOAT)]


def _from_int8(graph: onnx.GraphProto, constant: onnx.TensorProto) -> list[onnx.NodeProto]:
    name, (integers, scale) = constant.name, quantize(numpy_helper.to_array(constant))
    constant.CopyFrom(numpy_helper.from_array(integers, f"{name}.stored"))
    graph.initializer.append(numpy_helper.from_array(scale[..., None], f"{name}.scale"))
    return [
        helper.make_node("Cast", [f"{name}.stored"], [f"{name}.wide"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.wide", f"{name}.scale"], [name]),
    ]
