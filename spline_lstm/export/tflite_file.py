"""TFLite files as the schema's objects, and back."""

from collections import Counter
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"
# Runtimes read weights in place, with instructions that want this alignment (schema.fbs: force_align).
BUFFER_ALIGNMENT = 16
OPERATOR_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}


class AlignedBuilder(flatbuffers.Builder):
    """A builder that aligns byte vectors, which Python's generated code forgets."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802
        """Begin a vector."""
        return super().StartVector(
            elemSize, numElems, BUFFER_ALIGNMENT if elemSize == 1 else alignment
        )


def unpack(content: bytes) -> Any:
    """The ``schema.ModelT`` of a file."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))


def pack(model: Any) -> bytes:
    """Bytes of a ``schema.ModelT``."""
    builder = AlignedBuilder()
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def count_operators(model: Any) -> dict[str, int]:
    """Operator name -> number of nodes, sorted by name."""
    (graph,) = model.subgraphs
    names = [OPERATOR_NAMES[code.builtinCode] for code in model.operatorCodes]
    return dict(
        sorted(Counter(names[operator.opcodeIndex] for operator in graph.operators).items())
    )
