"""A model as an ONNX file with native recurrent nodes, and its smaller variants.

The variants are made from the float32 file: weights are stored in float16 or int8 and widened by
standard nodes, which onnxruntime folds away when it opens the file. The recurrent nodes, the speed
and the arithmetic stay those of float32. (Integer products were measured, too: onnxruntime's
DynamicQuantizeLSTM is 5 to 15 % slower at [64, 32], three to six times as far off, not a standard
operator, and has no form for a GRU.)

::

    float16   Cast(weight)                int8   Mul(Cast(weight), scale of each row)
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from spline_lstm.core.errors import ExportError
from spline_lstm.export.checksum import sealed
from spline_lstm.export.formats import (
    INPUT_TYPES,
    METADATA_KEY,
    ROW_INPUT_TYPES,
    ExportedModel,
    conversion,
    is_large,
    quantize,
)
from spline_lstm.export.onnx_canonical import order_onnx
from spline_lstm.export.recorded_onnx import recorded_onnx
from spline_lstm.export.recorder import Unrecorded
from spline_lstm.export.spec import AnySpec
from spline_lstm.export.tf_import import load_tensorflow, load_tf2onnx
from spline_lstm.export.tf_twin import build_twin, record_twin
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.types import MODEL_TYPES

RECURRENT = ("LSTM", "GRU")
CONTROL_FLOW = ("Loop", "Scan", "If")
# Operator -> inputs that are weights; biases and embedding tables stay float32 beside int8 weights.
WEIGHTS = {"LSTM": (1, 2), "GRU": (1, 2), "MatMul": (1,), "Gemm": (1,)}


def export_onnx(spec: AnySpec, opset: int) -> ExportedModel:
    """Record the twin, or convert it; name what the graph has, check it.

    Raises
    ------
    ExportError
        The conversion failed, or a recurrent layer did not become one LSTM or GRU node.
    """
    with conversion("model.onnx"):
        try:
            model = recorded_onnx(record_twin(spec, unroll=False), opset)
        except Unrecorded:
            return convert_onnx(spec, opset)
        return _named(model, spec)


def convert_onnx(spec: AnySpec, opset: int) -> ExportedModel:
    """As `export_onnx`, by TensorFlow and tf2onnx in any case."""
    tf = load_tensorflow()
    with conversion("model.onnx"):
        model = _convert(build_twin(tf, spec, unroll=False), opset)
        _start_from_zero_state(model.graph)
        return _named(model, spec)


def _named(model: onnx.ModelProto, spec: AnySpec) -> ExportedModel:
    _describe(model, spec)
    exported = finished(model)
    _check_operators(Counter(exported.operators), spec)
    return exported


def finished(model: onnx.ModelProto) -> ExportedModel:
    """Put the nodes in canonical order, check the model, serialize it with its checksum."""
    order_onnx(model.graph)
    onnx.checker.check_model(model, full_check=True)
    operators = Counter(node.op_type for node in model.graph.node)
    return ExportedModel(
        sealed(model.SerializeToString(deterministic=True)), dict(sorted(operators.items()))
    )


def _convert(twin: Any, opset: int) -> onnx.ModelProto:
    signature = twin.forecast.input_signature
    model, _ = load_tf2onnx().convert.from_function(
        twin.forecast, input_signature=signature, opset=opset
    )
    return model


def _start_from_zero_state(graph: onnx.GraphProto) -> None:
    """Drop the initial states: the twin starts from zero, the default of ONNX."""
    for node in graph.node:
        if node.op_type in RECURRENT:
            del node.input[4:]


def _describe(model: onnx.ModelProto, spec: AnySpec) -> None:
    """Name graph, inputs and outputs, free the batch axis, and add the metadata."""
    graph = model.graph
    graph.name, graph.doc_string = "spline_lstm", ""
    _declare(graph.input, spec.inputs)
    _declare(graph.output, spec.outputs)
    versions = [entry for entry in model.opset_import if entry.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(versions)
    helper.set_model_props(model, {METADATA_KEY: spec.metadata_text()})


def _declare(field: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Put inputs or outputs in their order, with their names, types and shapes."""
    found = sorted(value.name for value in field)
    if found != sorted(shapes):
        raise ExportError(
            f"model.onnx has the inputs or outputs {found}, but must have {sorted(shapes)}"
        )
    del field[:]
    types = INPUT_TYPES | ROW_INPUT_TYPES
    for name, shape in shapes.items():
        kind = helper.np_dtype_to_tensor_dtype(types.get(name, np.dtype(np.float32)))
        field.append(helper.make_tensor_value_info(name, kind, ["batch", *shape]))


def _check_operators(operators: Counter[str], spec: AnySpec) -> None:
    config, expected = spec.config, {}
    cell = MODEL_TYPES[config.model_type].cell
    if cell and not isinstance(config, RowConfig):
        count = len(config.hidden) * config.directions * config.ensemble_size
        expected = {cell.operator: count}
    loops = {name: operators[name] for name in CONTROL_FLOW if operators[name]}
    found = {name: operators[name] for name in RECURRENT if operators[name]}
    if loops or found != expected:
        raise ExportError(
            f"model.onnx has the recurrent nodes {found} and the loops {loops}, but must have "
            f"the nodes {expected} and no loop; use another export.opset or tf2onnx version"
        )


def onnx_variant(content: bytes, variant: str) -> ExportedModel | None:
    """The variant float16 or int8 of a float32 file; None if it would store no weight otherwise."""
    model = onnx.load_from_string(content)
    graph = model.graph
    widen = {"float16": _from_float16, "int8": _from_int8}[variant]
    wanted = (
        _weights(graph) if variant == "int8" else {constant.name for constant in graph.initializer}
    )
    chosen = [
        constant
        for constant in graph.initializer
        if constant.name in wanted
        and constant.data_type == onnx.TensorProto.FLOAT
        and is_large(tuple(constant.dims))
    ]
    if not chosen:
        return None
    for constant in chosen:
        # `order_onnx` puts them before their readers.
        graph.node.extend(widen(graph, constant))
    return finished(model)


def _weights(graph: onnx.GraphProto) -> set[str]:
    return {node.input[index] for node in graph.node for index in WEIGHTS.get(node.op_type, ())}


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
