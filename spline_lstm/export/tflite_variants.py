"""Smaller TFLite files of a forecaster, made of its float32 file.

``float16``: weights are widened to float32 once, when the file is opened.
``int8``: weights of matrix products are integers; the runtime turns the inputs of a product into integers on
the way (dynamic range), all between the products stays float32.

These are the forms that ``tf.lite.Optimize.DEFAULT`` writes, without converting the network again, which
takes seconds: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from spline_lstm.export.formats import ExportedModel
from spline_lstm.export.quantization import is_large, quantize
from spline_lstm.export.tflite_canonical import order_tflite
from spline_lstm.export.tflite_file import count_operators, pack, unpack

FULLY_CONNECTED, DEQUANTIZE = (
    schema.BuiltinOperator.FULLY_CONNECTED,
    schema.BuiltinOperator.DEQUANTIZE,
)
# Versions of the operators that take such weights (tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc).
WITH_INT8_WEIGHTS, FROM_FLOAT16 = 12, 3


def tflite_variant(content: bytes, variant: str) -> ExportedModel:
    """The variant float16 or int8 of a float32 file."""
    model = unpack(content)
    (graph,) = model.subgraphs
    {"float16": _to_float16, "int8": _to_int8}[variant](model, graph)
    order_tflite(model)
    return ExportedModel(pack(model), count_operators(model))


def _to_float16(model: Any, graph: Any) -> None:
    model.operatorCodes.append(_code(DEQUANTIZE, FROM_FLOAT16))
    for index in _large_constants(model, graph):
        values = _values(model, graph.tensors[index])
        stored = schema.TensorT(
            shape=values.shape,
            type=schema.TensorType.FLOAT16,
            buffer=_new_buffer(model, values.astype(np.float16)),
            hasRank=True,
        )
        graph.tensors.append(stored)
        graph.tensors[index].buffer = 0
        graph.operators.append(_dequantize(model, len(graph.tensors) - 1, index))


def _to_int8(model: Any, graph: Any) -> None:
    codes = model.operatorCodes
    products = [
        item for item in graph.operators if codes[item.opcodeIndex].builtinCode == FULLY_CONNECTED
    ]
    chosen = set(_large_constants(model, graph)) & {int(item.inputs[1]) for item in products}
    for index in sorted(chosen):
        tensor = graph.tensors[index]
        integers, scale = quantize(_values(model, tensor))
        tensor.type, tensor.buffer = schema.TensorType.INT8, _new_buffer(model, integers)
        zero = np.zeros(len(scale), np.int64)
        tensor.quantization = schema.QuantizationParametersT(
            scale=scale, zeroPoint=zero, quantizedDimension=0
        )
    codes.append(_code(FULLY_CONNECTED, WITH_INT8_WEIGHTS))
    for item in products:
        if int(item.inputs[1]) in chosen:
            item.opcodeIndex = len(codes) - 1


def _large_constants(model: Any, graph: Any) -> list[int]:
    return [
        index
        for index, tensor in enumerate(graph.tensors)
        if tensor.type == schema.TensorType.FLOAT32
        and model.buffers[tensor.buffer].data is not None
        and is_large(tensor.shape)
    ]


def _values(model: Any, tensor: Any) -> np.ndarray:
    return (
        np.asarray(model.buffers[tensor.buffer].data, np.uint8)
        .view(np.float32)
        .reshape(tensor.shape)
    )


def _new_buffer(model: Any, values: np.ndarray) -> int:
    model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
    return len(model.buffers) - 1


def _code(operator: int, version: int) -> Any:
    # Operators up to 127 stand in two fields, for readers from before there were more.
    return schema.OperatorCodeT(
        deprecatedBuiltinCode=operator, builtinCode=operator, version=version
    )


def _dequantize(model: Any, source: int, target: int) -> Any:
    return schema.OperatorT(
        opcodeIndex=len(model.operatorCodes) - 1,
        inputs=[source],
        outputs=[target],
        builtinOptionsType=schema.BuiltinOptions.DequantizeOptions,
        builtinOptions=schema.DequantizeOptionsT(),
    )
