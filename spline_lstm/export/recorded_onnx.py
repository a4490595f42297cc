"""A recorded graph as an ONNX model, with the nodes that TensorFlow and tf2onnx come to.

TensorFlow's optimizer moves constants together before tf2onnx sees them::

    (x * a) * b      ->  x * (a * b)
    (x + y) + b      ->  x + (y + b)
    (x * y) * b      ->  x * (y * b)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from spline_lstm.export.recorder import Graph, Node, Unrecorded, Value

SIMPLE = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "max": "Max",
    "min": "Min",
    "exp": "Exp",
    "log": "Log",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "matmul": "MatMul",
    "product": "MatMul",
    "softmax": "Softmax",
    "bias": "Add",
}
END = np.iinfo(np.int32).max
OPSET, IR_VERSION = 17, 8
# What tf2onnx calls itself, so that a file does not depend on who wrote it.
PRODUCER, PRODUCER_VERSION = "tf2onnx", "1.17.0 None"


def recorded_onnx(graph: Graph, opset: int) -> onnx.ModelProto:
    """The model of a graph, with inputs and outputs that have names only; `finished` orders it.

    Raises
    ------
    Unrecorded
        The converter may choose other nodes.
    """
    if opset != OPSET:
        raise Unrecorded("another opset")
    return _Writer(graph).model()


class _Writer:
    """Turns values into names, each once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names: dict[tuple[int, int], str] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[Any, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        for name, value in self._graph.inputs.items():
            self._names[id(value), 0] = name
        for node in self._graph.nodes:
            for index, name in enumerate(self._outputs_of(node)):
                self._names[id(node), index] = name
        self._name_outputs()
        graph = onnx.GraphProto(node=self._nodes, initializer=self._constants.values())
        graph.input.extend(onnx.ValueInfoProto(name=name) for name in self._graph.inputs)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._graph.outputs)
        return onnx.ModelProto(
            ir_version=IR_VERSION,
            producer_name=PRODUCER,
            producer_version=PRODUCER_VERSION,
            graph=graph,
            opset_import=[helper.make_opsetid("", OPSET)],
        )

    def _name_outputs(self) -> None:
        renamed = {self._name(value): name for name, value in self._graph.outputs.items()}
        if len(renamed) < len(self._graph.outputs) or {*renamed} & {*self._graph.inputs}:
            raise Unrecorded("an output that is another end")
        for node in self._nodes:
            for names in (node.input, node.output):
                for position, name in enumerate(names):
                    names[position] = renamed.get(name, name)

    def _name(self, value: Any, kind: type = np.float32) -> str:
        """The name of a value or constant; equal constants are one."""
        if isinstance(value, Value):
            if _is_last_state(value):
                raise Unrecorded("the last state of a layer")
            return self._names[id(value if value.node is None else value.node), value.index]
        array = np.asarray(value, kind)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            name = f"constant.{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(array, name)
        return self._constants[key].name

    def _write(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: int = 1,
        domain: str | None = None,
        **options: Any,
    ) -> list[str]:
        """A node; the names of what it computes."""
        names = [f"node.{len(self._nodes)}.{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, domain=domain, **options))
        return names

    def _outputs_of(self, node: Node) -> list[str]:
        if node.kind in {"add", "mul"}:
            return self._pair(node)
        if node.kind in SIMPLE:
            return self._write(SIMPLE[node.kind], [self._name(each) for each in node.inputs])
        if node.kind not in WRITERS:
            raise Unrecorded(node.kind)
        return WRITERS[node.kind](self, node)

    def _pair(self, node: Node) -> list[str]:
        first, second = _moved(self._graph, node)
        if isinstance(second, tuple):
            second = self._write(SIMPLE[node.kind], [self._name(each) for each in second])[0]
            return self._write(SIMPLE[node.kind], [self._name(first), second])
        return self._write(SIMPLE[node.kind], [self._name(first), self._name(second)])

    def _reshape(self, node: Node) -> list[str]:
        source = node.inputs[0]
        while source.node is not None and self._graph.readers[id(source.node)] == 1:
            if source.node.kind != "reshape" and not _is_turned(source.node):
                break
            source = source.node.inputs[0]
        return self._reshaped(source, node)

    def _reshaped(self, source: Value, node: Node, domain: str | None = None) -> list[str]:
        sizes = [-1 if size is None else size for size in node.shapes[0]]
        read = [self._name(source), self._name(sizes, np.int64)]
        return self._write("Reshape", read, domain=domain)

    def _transpose(self, node: Node) -> list[str]:
        if _is_turned(node):
            return self._reshaped(node.inputs[0], node, domain="")
        order = list(node.options["order"])
        return self._write("Transpose", [self._name(node.inputs[0])], perm=order)

    def _expand(self, node: Node) -> list[str]:
        source, axis = node.inputs[0], node.options["axis"]
        if _is_last_state(source):
            if axis:
                raise Unrecorded("an axis of the last state")
            # As the node of the layer gives it, with this axis.
            return [self._names[id(source.node), 1]]
        return self._write("Unsqueeze", [self._name(source), self._name([axis], np.int64)])

    def _stack(self, node: Node) -> list[str]:
        axis, domain = node.options["axis"], "" if len(node.inputs) > 1 else None
        axes = self._name([axis], np.int64)
        parts = [
            self._write("Unsqueeze", [self._name(each), axes], domain=domain)[0]
            for each in node.inputs
        ]
        return parts if domain is None else self._write("Concat", parts, domain=domain, axis=axis)

    def _concat(self, node: Node) -> list[str]:
        read = [self._name(each) for each in node.inputs]
        return self._write("Concat", read, axis=node.options["axis"])

    def _gather(self, node: Node) -> list[str]:
        indices = self._name(node.options["indices"], np.int32)
        read = [self._name(node.inputs[0]), indices]
        return self._write("Gather", read, axis=node.options["axis"])

    def _slice(self, node: Node) -> list[str]:
        starts, drops = node.options["starts"], node.options["drops"]
        axes = list(range(len(starts)))
        if drops[-1] and len(axes) == 4:
            # `...` stands for the axes before.
            axes = axes[-1:]
        ends = [starts[axis] + 1 if drops[axis] else END for axis in axes]
        tables = ([starts[axis] for axis in axes], ends, axes)
        read = [self._name(node.inputs[0]), *(self._name(each, np.int64) for each in tables)]
        found = self._write("Slice", read, domain="")
        dropped = [axis for axis in axes if drops[axis]]
        return self._squeezed(found[0], dropped) if dropped else found

    def _squeezed(self, name: str, axes: Sequence[int]) -> list[str]:
        return self._write("Squeeze", [name, self._name(axes, np.int64)], domain="")

    def _layer(self, node: Node) -> list[str]:
        """States and last state; the latter has an axis too many, see `_expand`."""
        sequence, *weights = node.inputs
        kernel, recurrent, *biases = map(GATES[node.kind], weights)
        biases = biases if node.kind == "gru" else [*biases, np.zeros_like(biases[0])]
        blocks = (kernel, recurrent, np.concatenate(biases))
        read = [self._name(sequence), *(self._name(each[np.newaxis]) for each in blocks)]
        options = OPTIONS[node.kind] | {"hidden_size": node.shapes[1][1]}
        outputs = 3 if node.kind == "lstm" else 2
        states, final, *_ = self._write(node.kind.upper(), read, outputs, domain="", **options)
        return [*self._squeezed(states, [1]), final]


WRITERS: dict[str, Callable[[_Writer, Node], list[str]]] = {
    "reshape": _Writer._reshape,
    "transpose": _Writer._transpose,
    "expand": _Writer._expand,
    "stack": _Writer._stack,
    "concat": _Writer._concat,
    "gather": _Writer._gather,
    "slice": _Writer._slice,
    "lstm": _Writer._layer,
    "gru": _Writer._layer,
}


def _moved(graph: Graph, node: Node) -> tuple[Any, Any]:
    """The operands of a sum or product after constants have moved; a pair is an operation."""
    first, second = node.inputs
    inner, constant = (second, first) if not isinstance(first, Value) else (first, second)
    if isinstance(constant, Value) or inner.node is None or inner.node.kind != node.kind:
        return first, second
    if graph.readers[id(inner.node)] > 1:
        raise Unrecorded("a constant that several operations read")
    left, right = _moved(graph, inner.node)
    if isinstance(right, tuple):
        raise Unrecorded("constants")
    if not isinstance(right, Value):
        combine = np.add if node.kind == "add" else np.multiply
        return left, combine(right, constant, dtype=np.float32)
    if not isinstance(left, Value):
        raise Unrecorded("constants")
    return left, ((constant, right) if constant is first else (right, constant))


def _is_last_state(value: Value) -> bool:
    return value.node is not None and value.node.kind in GATES and value.index == 1


def _is_turned(node: Node) -> bool:
    """Whether a node transposes [1, batch, units] or [batch, 1, units], as a reshape does."""
    if node.kind != "transpose" or node.options["order"] != (1, 0, 2):
        return False
    return 1 in node.inputs[0].shape[:2]


def _i_o_f_c(weights: np.ndarray) -> np.ndarray:
    """Transposed weights of the gates i, f, g, o in the order of ONNX."""
    i, f, g, o = np.split(weights, 4, axis=-1)
    return np.concatenate([i, o, f, g], axis=-1).T


GATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"lstm": _i_o_f_c, "gru": np.transpose}
OPTIONS: dict[str, dict[str, Any]] = {
    "lstm": {"activations": ["Sigmoid", "Tanh", "Tanh"], "direction": "forward"},
    "gru": {"activations": ["Sigmoid", "Tanh"], "direction": "forward", "linear_before_reset": 1},
}
