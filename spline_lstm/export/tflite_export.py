"""A model as a TFLite file of builtin operators, and its smaller variants.

The file has no loops and no state between calls. The variants are made from the float32 file:

``float16``: weights are widened to float32 once, when the file is opened.
``int8``: weights of matrix products are integers; the runtime turns the inputs of a product into
integers on the way (dynamic range); everything between the products stays float32.

These are the forms that ``tf.lite.Optimize.DEFAULT`` writes, without converting the network again,
which takes seconds:
https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from spline_lstm.core.errors import ExportError
from spline_lstm.export.checksum import sealed
from spline_lstm.export.formats import (
    METADATA_KEY,
    ExportedModel,
    conversion,
    is_large,
    quantize,
)
from spline_lstm.export.recorded_tflite import recorded_tflite
from spline_lstm.export.recorder import Unrecorded
from spline_lstm.export.spec import AnySpec
from spline_lstm.export.tf_import import load_tensorflow
from spline_lstm.export.tf_twin import build_twin, record_twin
from spline_lstm.export.tflite_canonical import count_operators, order_tflite, pack, unpack

FULLY_CONNECTED, DEQUANTIZE = (
    schema.BuiltinOperator.FULLY_CONNECTED,
    schema.BuiltinOperator.DEQUANTIZE,
)
# Versions of the operators that take such weights
# (tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc).
WITH_INT8_WEIGHTS, FROM_FLOAT16 = 12, 3


def export_tflite(spec: AnySpec) -> ExportedModel:
    """Record the unrolled twin, or convert it; name inputs and outputs, add the metadata.

    Raises
    ------
    ExportError
        The conversion failed, or needs operators that are not built into TFLite.
    """
    with conversion("model.tflite"):
        try:
            model = recorded_tflite(record_twin(spec, unroll=True))
        except Unrecorded:
            return convert_tflite(spec)
        return _ordered(model, spec)


def convert_tflite(spec: AnySpec) -> ExportedModel:
    """As `export_tflite`, by TensorFlow's converter in any case."""
    tf = load_tensorflow()
    with conversion("model.tflite"):
        twin = build_twin(tf, spec, unroll=True)
        # Without the function beside them, which would be traced again when they are saved.
        weights = tf.Module()
        weights.variables_of_twin = twin.variables
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [twin.forecast.get_concrete_function()], weights
        )
        # They contain a hash of the graph's internal names, which count everything that the
        # process converted before.
        converter.exclude_conversion_metadata = True
        model = unpack(converter.convert())
        _rename(model, spec)
        return _ordered(model, spec)


def _ordered(model: Any, spec: AnySpec) -> ExportedModel:
    _describe(model, spec)
    order_tflite(model)
    operators = count_operators(model)
    _check_operators(operators)
    return ExportedModel(sealed(pack(model)), operators)


def _check_operators(operators: Mapping[str, int]) -> None:
    foreign = sorted({"CUSTOM", "WHILE", "CALL_ONCE", "VAR_HANDLE"} & set(operators))
    if foreign:
        raise ExportError(
            f"model.tflite has the operators {', '.join(foreign)}; "
            "only stateless builtin operators are allowed"
        )


def _rename(model: Any, spec: AnySpec) -> None:
    """Name inputs and outputs, in their order.

    The other names go: they depend on what the process converted before.
    """
    ((graph,), (signature,)) = model.subgraphs, model.signatureDefs
    for tensor in graph.tensors:
        tensor.name = None
    graph.inputs = _named(graph, signature.inputs, list(spec.inputs))
    graph.outputs = _named(graph, signature.outputs, list(spec.outputs))


def _named(graph: Any, ends: list[Any], names: list[str]) -> list[int]:
    """Name the tensors of one side of the signature; their positions in the order of `names`."""
    positions = {end.name.decode(): end.tensorIndex for end in ends}
    if sorted(positions) != sorted(names):
        raise ExportError(
            f"model.tflite has the inputs or outputs {sorted(positions)}, but must have "
            f"{sorted(names)}"
        )
    for name, position in positions.items():
        graph.tensors[position].name = name.encode()
    return [positions[name] for name in names]


def _describe(model: Any, spec: AnySpec) -> None:
    """Put our metadata into its own buffer."""
    content = schema.BufferT(data=np.frombuffer(spec.metadata_text().encode(), np.uint8))
    model.buffers.append(content)
    entry = schema.MetadataT(name=METADATA_KEY.encode(), buffer=len(model.buffers) - 1)
    model.metadata = [*(model.metadata or []), entry]


def tflite_variant(content: bytes, variant: str) -> ExportedModel | None:
    """The variant float16 or int8 of a float32 file; None if it would store no weight otherwise."""
    model = unpack(content)
    (graph,) = model.subgraphs
    changed = {"float16": _to_float16, "int8": _to_int8}[variant](model, graph)
    if not changed:
        return None
    order_tflite(model)
    return ExportedModel(sealed(pack(model)), count_operators(model))


def _to_float16(model: Any, graph: Any) -> int:
    """Store the large constants in float16; how many there are."""
    model.operatorCodes.append(_code(DEQUANTIZE, FROM_FLOAT16))
    chosen = _large_constants(model, graph)
    for index in chosen:
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
    return len(chosen)


def _to_int8(model: Any, graph: Any) -> int:
    """Store the large weights of matrix products in int8; how many there are."""
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
    return len(chosen)


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
    # Operators up to 127 are written to two fields, for readers older than the second one.
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
