"""An ONNX graph in one canonical order: equal graphs are equal bytes.

Nodes are sorted depth first from the outputs, each after what it reads; names come from the
positions of the nodes; what nothing reads is dropped.
"""

import onnx


def order_onnx(graph: onnx.GraphProto) -> None:
    """Sort nodes and constants in place and name them by their positions."""
    _sort(graph)
    _drop_idle_constants(graph)
    _rename(graph)


def _sort(graph: onnx.GraphProto) -> None:
    """Put every node that is needed after what it reads.

    The converter's own order comes from hashed sets.
    """
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


def _drop_idle_constants(graph: onnx.GraphProto) -> None:
    """Remove constants that no node reads, and the converter's notes about values."""
    used = {name for node in graph.node for name in node.input}
    constants = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(constants)


def _rename(graph: onnx.GraphProto) -> None:
    """Name nodes and values by position.

    The converter's names count everything that the process converted before.
    """
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
