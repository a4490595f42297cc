"""A forecaster as an ONNX file with native recurrent nodes."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from spline_lstm.core.errors import ExportError
from spline_lstm.export.formats import INPUT_TYPES, METADATA_KEY, ExportedModel, conversion
from spline_lstm.export.onnx_canonical import order_onnx
from spline_lstm.export.spec import EdgeSpec, input_shapes, output_shapes
from spline_lstm.export.tf_import import load_tensorflow, load_tf2onnx
from spline_lstm.export.tf_twin import build_twin
from spline_lstm.models.types import MODEL_TYPES

RECURRENT = ("LSTM", "GRU")
CONTROL_FLOW = ("Loop", "Scan", "If")


def export_onnx(spec: EdgeSpec, opset: int) -> ExportedModel:
    """Convert the twin, clean the graph, check it.

    Raises
    ------
    ExportError
        The conversion failed, or a recurrent layer did not become one LSTM or GRU node.
    """
    tf = load_tensorflow()
    with conversion("model.onnx"):
        model = _convert(build_twin(tf, spec, unroll=False), opset)
        _start_from_zero_state(model.graph)
        _describe(model, spec)
        exported = finished(model)
        _check_operators(Counter(exported.operators), spec)
        return exported


def finished(model: onnx.ModelProto) -> ExportedModel:
    """Bring the nodes into their order, check the model, write it."""
    order_onnx(model.graph)
    onnx.checker.check_model(model, full_check=True)
    operators = Counter(node.op_type for node in model.graph.node)
    return ExportedModel(
        model.SerializeToString(deterministic=True), dict(sorted(operators.items()))
    )


def _convert(twin: Any, opset: int) -> onnx.ModelProto:
    signature = twin.forecast.input_signature
    model, _ = load_tf2onnx().convert.from_function(
        twin.forecast, input_signature=signature, opset=opset
    )
    return model


def _start_from_zero_state(graph: onnx.GraphProto) -> None:
    """Drop the initial states: the twin starts from zero, which is what ONNX takes where none is given."""
    for node in graph.node:
        if node.op_type in RECURRENT:
            del node.input[4:]


def _describe(model: onnx.ModelProto, spec: EdgeSpec) -> None:
    """Name graph, inputs and outputs; the batch axis is free; metadata goes along."""
    graph = model.graph
    graph.name, graph.doc_string = "spline_lstm", ""
    _declare(graph.input, input_shapes(spec.config))
    _declare(graph.output, output_shapes(spec.config))
    versions = [entry for entry in model.opset_import if entry.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(versions)
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.metadata_text()})


def _declare(field: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Put inputs or outputs in their order, with their names, types and shapes."""
    found = sorted(value.name for value in field)
    if found != sorted(shapes):
        raise ExportError(
            f"model.onnx has the inputs or outputs {found}, but must have {sorted(shapes)}"
        )
    del field[:]
    for name, shape in shapes.items():
        kind = onnx.helper.np_dtype_to_tensor_dtype(INPUT_TYPES.get(name, np.dtype(np.float32)))
        field.append(onnx.helper.make_tensor_value_info(name, kind, ["batch", *shape]))


def _check_operators(operators: Counter[str], spec: EdgeSpec) -> None:
    config = spec.config
    cell = MODEL_TYPES[config.model_type].cell
    expected = cell.operator if cell else ""
    count = len(config.hidden) * config.directions * config.ensemble_size
    loops = {name: operators[name] for name in CONTROL_FLOW if operators[name]}
    found = {name: operators[name] for name in RECURRENT if operators[name]}
    if loops or found != {expected: count}:
        raise ExportError(
            f"model.onnx has the recurrent nodes {found} and the loops {loops}, but must have {count} {expected} nodes "
            "and no loop; use another export.opset or tf2onnx version"
        )
