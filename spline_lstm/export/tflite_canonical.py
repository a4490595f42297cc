"""TFLite files as objects of the schema and back, and in one canonical order.

The converter numbers constants, tensors, buffers and operators in an order that comes from memory
addresses: it differs from process to process while the graph stays the same. Here the order is
that of a walk through the graph, so that equal graphs are equal bytes::

    operators        depth first from the outputs, each after what it reads
    tensors          the inputs, then per operator its constants at their first use, and its outputs
    buffers          0 is the empty one; then the constants in tensor order; then the metadata
    operator codes   at their first use
"""

from collections import Counter
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"
# Runtimes read weights in place, with instructions that need this alignment (schema.fbs:
# force_align).
BUFFER_ALIGNMENT = 16
OPERATOR_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}

# The index that stands for an input which an operator leaves out.
ABSENT = -1


class AlignedBuilder(flatbuffers.Builder):
    """A builder that aligns byte vectors, which the generated Python code fails to do."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802
        """Start a vector."""
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


def order_tflite(model: Any) -> None:
    """Put everything in a ``schema.ModelT`` in canonical order, in place.

    Equal constants are merged, and what nothing reads is dropped. Inputs and outputs of the graph
    keep their order.
    """
    (graph,) = model.subgraphs
    _merge_constants(model, graph)
    graph.operators = _ordered_operators(graph)
    tensors = _ordered_tensors(graph)
    _renumber_tensors(model, graph, {old: new for new, old in enumerate(tensors)})
    graph.tensors = [graph.tensors[old] for old in tensors]
    _reorder_buffers(model, graph)
    _reorder_codes(model, graph)


def _merge_constants(model: Any, graph: Any) -> None:
    """Make operators read the first of several equal constants."""
    first: dict[Any, int] = {}
    same = {ABSENT: ABSENT}
    for index, tensor in enumerate(graph.tensors):
        content = _content(model, tensor)
        key = (
            index if content is None else (content, _comparable(tensor, without=("buffer", "name")))
        )
        same[index] = first.setdefault(key, index)
    for operator in graph.operators:
        operator.inputs = [same[int(index)] for index in operator.inputs]


def _content(model: Any, tensor: Any) -> bytes | None:
    """Bytes of a constant; None for a computed tensor."""
    data = model.buffers[tensor.buffer].data
    return None if data is None or len(data) == 0 else np.asarray(data, np.uint8).tobytes()


def _comparable(item: Any, without: tuple[str, ...] = ()) -> Any:
    """The schema's objects, lists and arrays as nested tuples."""
    if isinstance(item, list | tuple | np.ndarray):
        return tuple(_comparable(value) for value in item)
    if hasattr(item, "__dict__"):
        return tuple(
            (name, _comparable(value))
            for name, value in sorted(vars(item).items())
            if name not in without
        )
    return item


def _ordered_operators(graph: Any) -> list[Any]:
    maker = {
        int(index): position
        for position, item in enumerate(graph.operators)
        for index in item.outputs
    }
    ordered: dict[int, Any] = {}
    waiting = [
        (maker[int(index)], False) for index in reversed(graph.outputs) if int(index) in maker
    ]
    while waiting:
        position, inputs_done = waiting.pop()
        operator = graph.operators[position]
        if position in ordered:
            continue
        if inputs_done:
            ordered[position] = operator
            continue
        waiting.append((position, True))
        waiting += [
            (maker[int(index)], False) for index in reversed(operator.inputs) if int(index) in maker
        ]
    return list(ordered.values())


def _ordered_tensors(graph: Any) -> list[int]:
    """Old indices of the tensors, in their new order."""
    numbers = dict.fromkeys(int(index) for index in graph.inputs)
    for operator in graph.operators:
        numbers |= dict.fromkeys(int(index) for index in (*operator.inputs, *operator.outputs))
    numbers |= dict.fromkeys(int(index) for index in graph.outputs)
    numbers.pop(ABSENT, None)
    return list(numbers)


def _renumber_tensors(model: Any, graph: Any, numbers: dict[int, int]) -> None:
    numbers = {**numbers, ABSENT: ABSENT}
    for operator in graph.operators:
        operator.inputs = [numbers[int(index)] for index in operator.inputs]
        operator.outputs = [numbers[int(index)] for index in operator.outputs]
    graph.inputs = [numbers[int(index)] for index in graph.inputs]
    graph.outputs = [numbers[int(index)] for index in graph.outputs]
    (signature,) = model.signatureDefs
    for end in (*signature.inputs, *signature.outputs):
        end.tensorIndex = numbers[end.tensorIndex]
    signature.inputs.sort(key=lambda end: graph.inputs.index(end.tensorIndex))
    signature.outputs.sort(key=lambda end: graph.outputs.index(end.tensorIndex))


def _reorder_buffers(model: Any, graph: Any) -> None:
    buffers = [schema.BufferT()]

    def moved(buffer: Any) -> int:
        buffers.append(buffer)
        return len(buffers) - 1

    for tensor in graph.tensors:
        tensor.buffer = (
            0 if _content(model, tensor) is None else moved(model.buffers[tensor.buffer])
        )
    model.metadata = sorted(model.metadata or [], key=lambda entry: entry.name)
    for entry in model.metadata:
        entry.buffer = moved(model.buffers[entry.buffer])
    model.buffers = buffers


def _reorder_codes(model: Any, graph: Any) -> None:
    used = list(dict.fromkeys(operator.opcodeIndex for operator in graph.operators))
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for operator in graph.operators:
        operator.opcodeIndex = used.index(operator.opcodeIndex)
