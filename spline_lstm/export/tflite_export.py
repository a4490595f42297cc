"""A forecaster as a TFLite file of builtin operators, without loops and without state between calls."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from spline_lstm.core.errors import ExportError
from spline_lstm.export.formats import METADATA_KEY, ExportedModel, conversion
from spline_lstm.export.spec import EdgeSpec, input_shapes, output_shapes
from spline_lstm.export.tf_import import load_tensorflow
from spline_lstm.export.tf_twin import build_twin
from spline_lstm.export.tflite_canonical import order_tflite
from spline_lstm.export.tflite_file import count_operators, pack, unpack

# Holds a hash of the graph's internal names, which count everything that the process converted before.
CONVERSION_METADATA = b"CONVERSION_METADATA"


def export_tflite(spec: EdgeSpec) -> ExportedModel:
    """Convert the unrolled twin, name its parts, add the metadata.

    Raises
    ------
    ExportError
        The conversion failed, or needs operators that are not built into TFLite.
    """
    tf = load_tensorflow()
    with conversion("model.tflite"):
        twin = build_twin(tf, spec, unroll=True)
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [twin.forecast.get_concrete_function()], twin
        )
        model = unpack(converter.convert())
        _rename(model, spec)
        _describe(model, spec)
        order_tflite(model)
        operators = count_operators(model)
        _check_operators(operators)
        return ExportedModel(pack(model), operators)


def _check_operators(operators: Mapping[str, int]) -> None:
    foreign = sorted({"CUSTOM", "WHILE", "CALL_ONCE", "VAR_HANDLE"} & set(operators))
    if foreign:
        raise ExportError(
            f"model.tflite has the operators {', '.join(foreign)}; only stateless builtins may go in"
        )


def _rename(model: Any, spec: EdgeSpec) -> None:
    """Name inputs and outputs, in their order; the other names depend on what the process converted before."""
    ((graph,), (signature,)) = model.subgraphs, model.signatureDefs
    for tensor in graph.tensors:
        tensor.name = None
    graph.inputs = _named(graph, signature.inputs, list(input_shapes(spec.config)))
    graph.outputs = _named(graph, signature.outputs, list(output_shapes(spec.config)))


def _named(graph: Any, ends: list[Any], names: list[str]) -> list[int]:
    """Name the tensors of one side of the signature; their positions in the order of `names`."""
    positions = {end.name.decode(): end.tensorIndex for end in ends}
    if sorted(positions) != sorted(names):
        raise ExportError(
            f"model.tflite has the inputs or outputs {sorted(positions)}, but must have {sorted(names)}"
        )
    for name, position in positions.items():
        graph.tensors[position].name = name.encode()
    return [positions[name] for name in names]


def _describe(model: Any, spec: EdgeSpec) -> None:
    """Put the metadata into a buffer of its own, in place of the converter's."""
    entries = [entry for entry in model.metadata if entry.name != CONVERSION_METADATA]
    content = schema.BufferT(data=np.frombuffer(spec.metadata_text().encode(), np.uint8))
    model.buffers.append(content)
    entries.append(schema.MetadataT(name=METADATA_KEY.encode(), buffer=len(model.buffers) - 1))
    model.metadata = entries
