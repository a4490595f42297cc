"""A forecaster as an ONNX file with native recurrent nodes."""

from collections import Counter
from typing import Any

import onnx

from spline_lstm.edge.exported import INPUT, METADATA_KEY, OUTPUT, ExportedModel, conversion
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
    config, graph = spec.config, model.graph
    graph.name, graph.doc_string = "spline_lstm", ""
    shapes = {INPUT: (config.lookback, len(config.features)), OUTPUT: (config.horizon, len(config.targets))}
    for field in (graph.input, graph.output):
        (name,) = (value.name for value in field)
        del field[:]
        field.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *shapes[name]]))
    versions = [entry for entry in model.opset_import if entry.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(versions)
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.metadata_text()})


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
    expected = "GRU" if spec.config.model_type == "gru" else "LSTM"
    loops = {name: operators[name] for name in CONTROL_FLOW if operators[name]}
    found = {name: operators[name] for name in RECURRENT if operators[name]}
    if loops or found != {expected: len(spec.config.hidden)}:
        raise ExportError(
            f"model.onnx has the recurrent nodes {found} and the loops {loops}, but must have "
            f"{len(spec.config.hidden)} {expected} nodes and no loop; use another export.opset or tf2onnx version"
        )
