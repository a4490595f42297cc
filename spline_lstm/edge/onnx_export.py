"""A forecaster as an ONNX file with native recurrent nodes."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from spline_lstm.edge.exported import (
    INPUT_TYPES,
    METADATA_KEY,
    ExportedModel,
    conversion,
)
from spline_lstm.edge.shapes import input_shapes, output_shapes
from spline_lstm.edge.spec import EdgeSpec
from spline_lstm.edge.tensorflow_import import load_tensorflow, load_tf2onnx
from spline_lstm.edge.twin import build_twin
from spline_lstm.errors import ExportError

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
        _prune(model.graph)
        _describe(model, spec)
        _sort(model.graph)
        _rename(model.graph)
        onnx.checker.check_model(model, full_check=True)
        operators = Counter(node.op_type for node in model.graph.node)
        _check_operators(operators, spec)
        return ExportedModel(model.SerializeToString(deterministic=True), dict(sorted(operators.items())))


def _convert(twin: Any, opset: int) -> onnx.ModelProto:
    signature = twin.forecast.input_signature
    model, _ = load_tf2onnx().convert.from_function(twin.forecast, input_signature=signature, opset=opset)
    return model


def _start_from_zero_state(graph: onnx.GraphProto) -> None:
    """Drop the initial states: the twin starts from zero, which is what ONNX takes where none is given."""
    for node in graph.node:
        if node.op_type in RECURRENT:
            del node.input[4:]


def _prune(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that nothing reads, and what the converter noted about them."""
    kept: list[onnx.NodeProto] = []
    used = {output.name for output in graph.output}
    for node in reversed(graph.node):
        if used.intersection(node.output):
            used.update(node.input)
            kept.append(node)
    constants = [constant for constant in graph.initializer if constant.name in used]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


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
        raise ExportError(f"model.onnx has the inputs or outputs {found}, but must have {sorted(shapes)}")
    del field[:]
    for name, shape in shapes.items():
        kind = onnx.helper.np_dtype_to_tensor_dtype(INPUT_TYPES.get(name, np.dtype(np.float32)))
        field.append(onnx.helper.make_tensor_value_info(name, kind, ["batch", *shape]))


def _sort(graph: onnx.GraphProto) -> None:
    """Put every node behind what it reads, by the graph alone: the converter's order comes from hashed sets."""
    maker = {name: node for node in graph.node for name in node.output}
    ordered: dict[str, onnx.NodeProto] = {}
    waiting = [(maker[value.name], False) for value in reversed(graph.output)]
    while waiting:
        node, inputs_done = waiting.pop()
        if node.output[0] in ordered:
            continue
        if inputs_done:
            ordered[node.output[0]] = node
            continue
        waiting.append((node, True))
        waiting += [(maker[name], False) for name in reversed(node.input) if name in maker]
    nodes = list(ordered.values())
    del graph.node[:]
    graph.node.extend(nodes)


def _rename(graph: onnx.GraphProto) -> None:
    """Names by position: those of the converter count everything that the process converted before."""
    names = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        for position, name in enumerate(node.input):
            node.input[position] = names.setdefault(name, f"{node.name}.in{position}")
        for position, name in enumerate(node.output):
            node.output[position] = names.setdefault(name, f"{node.name}.out{position}")
    for constant in graph.initializer:
        constant.name = names[constant.name]
    constants = sorted(graph.initializer, key=lambda constant: constant.name)
    del graph.initializer[:]
    graph.initializer.extend(constants)


def _check_operators(operators: Counter[str], spec: EdgeSpec) -> None:
    config = spec.config
    expected = "GRU" if config.model_type == "gru" else "LSTM"
    count = len(config.hidden) * (2 if config.bidirectional else 1) * config.ensemble_size
    loops = {name: operators[name] for name in CONTROL_FLOW if operators[name]}
    found = {name: operators[name] for name in RECURRENT if operators[name]}
    if loops or found != {expected: count}:
        raise ExportError(
            f"model.onnx has the recurrent nodes {found} and the loops {loops}, but must have {count} {expected} nodes "
            "and no loop; use another export.opset or tf2onnx version"
        )
