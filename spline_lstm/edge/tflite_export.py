"""A forecaster as a TFLite file of builtin operators, without loops and without state between calls."""

from collections import Counter
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from spline_lstm.edge.exported import METADATA_KEY, ExportedModel, conversion
from spline_lstm.edge.shapes import input_shapes, output_shapes
from spline_lstm.edge.spec import EdgeSpec
from spline_lstm.edge.tensorflow_import import load_tensorflow
from spline_lstm.edge.tflite_order import order_tflite
from spline_lstm.edge.twin import build_twin
from spline_lstm.errors import ExportError

FILE_IDENTIFIER = b"TFL3"
# Runtimes read weights in place, with instructions that want this alignment (schema.fbs: force_align).
BUFFER_ALIGNMENT = 16
# Holds a hash of the graph's internal names, which count everything that the process converted before.
CONVERSION_METADATA = b"CONVERSION_METADATA"

OPERATOR_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


class AlignedBuilder(flatbuffers.Builder):
    """A builder that aligns byte vectors, which Python's generated code forgets."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802
        """Begin a vector."""
        return super().StartVector(elemSize, numElems, BUFFER_ALIGNMENT if elemSize == 1 else alignment)


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
        converter = tf.lite.TFLiteConverter.from_concrete_functions([twin.forecast.get_concrete_function()], twin)
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(converter.convert()))
        operators = _operators(model)
        _rename(model, spec)
        _describe(model, spec)
        order_tflite(model)
        return ExportedModel(pack(model), operators)


def _operators(model: Any) -> dict[str, int]:
    (graph,) = model.subgraphs
    names = [OPERATOR_NAMES[code.builtinCode] for code in model.operatorCodes]
    counts = Counter(names[operator.opcodeIndex] for operator in graph.operators)
    foreign = sorted({"CUSTOM", "WHILE", "CALL_ONCE", "VAR_HANDLE"} & set(names))
    if foreign:
        raise ExportError(f"model.tflite has the operators {', '.join(foreign)}; only stateless builtins may go in")
    return dict(sorted(counts.items()))


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
        raise ExportError(f"model.tflite has the inputs or outputs {sorted(positions)}, but must have {sorted(names)}")
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


def pack(model: Any) -> bytes:
    """Bytes of a ``schema.ModelT``."""
    builder = AlignedBuilder()
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())
