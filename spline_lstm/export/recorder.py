"""What the twin needs of TensorFlow, as a recorder: calls become the nodes of a small graph.

`tf_twin` takes the module ``tensorflow`` as an argument. With a `Recorder` in its place the same
code writes down what it computes, without TensorFlow: arrays stay arrays, what depends on the
inputs of the file is a `Value`. Equal nodes are one node. `recorded_onnx` and `recorded_tflite`
turn the graph into files. A function or a form that no file has been compared for is `Unrecorded`:
then TensorFlow and its converters write the file.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Numbers in a constant that is compared by its content.
SMALL = 64
# Sizes of the axes; None: the batch.
Shape = tuple[int | None, ...]


class Unrecorded(Exception):  # noqa: N818
    """The graph needs what cannot be recorded, and so is left to TensorFlow."""


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes
    ----------
    kind : name of the operation
    inputs : values and arrays that it reads, in order
    options : the rest of its arguments
    shapes : of its outputs
    """

    kind: str
    inputs: tuple[Any, ...]
    options: Mapping[str, Any]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, eq=False)
class Value:
    """An output of a node, or an input of the graph; float32.

    Attributes
    ----------
    shape : sizes of its axes, None for the batch
    node : None for an input
    index : which output of the node it is
    """

    # NumPy leaves operators between its arrays and values to the methods below.
    __array_ufunc__ = None
    recorder: "Recorder" = field(repr=False)
    shape: Shape
    node: Node | None = None
    index: int = 0

    def __add__(self, other: Any) -> "Value":
        return self.recorder.pair("add", self, other)

    def __radd__(self, other: Any) -> "Value":
        return self.recorder.pair("add", other, self)

    def __sub__(self, other: Any) -> "Value":
        return self.recorder.pair("sub", self, other)

    def __rsub__(self, other: Any) -> "Value":
        return self.recorder.pair("sub", other, self)

    def __mul__(self, other: Any) -> "Value":
        return self.recorder.pair("mul", self, other)

    def __rmul__(self, other: Any) -> "Value":
        return self.recorder.pair("mul", other, self)

    def __truediv__(self, other: Any) -> "Value":
        if isinstance(other, Value):
            raise Unrecorded("a quotient of two values")
        if np.all(np.asarray(other, np.float32) == 1):
            raise Unrecorded("a divisor that converters leave out")
        # As both converters do.
        return self.recorder.pair("mul", self, np.float32(1) / np.asarray(other, np.float32))

    def __getitem__(self, key: Any) -> "Value":
        return self.recorder.sliced(self, key if isinstance(key, tuple) else (key,))


@dataclass(frozen=True)
class Graph:
    """What the outputs of a file are computed with.

    Attributes
    ----------
    inputs, outputs : values by name, in the order of the file
    nodes : those that an output needs, each after what it reads
    readers : id of a node -> number of nodes and outputs that read it
    """

    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]
    nodes: Sequence[Node]
    readers: Mapping[int, int]


class Recorder:
    """The functions of TensorFlow that record, under their names there."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Value, ...]] = {}
        self._nodes: list[Node] = []
        # Modules of TensorFlow.
        self.math = self.nn = self

    def __getattr__(self, name: str) -> Any:
        if name in {"sigmoid", "tanh", "exp", "log", "relu"}:
            return self._one(name)
        raise Unrecorded(name)

    def convert_to_tensor(self, value: np.ndarray) -> np.ndarray:
        """Weights stay arrays."""
        return value

    def record(
        self, kind: str, inputs: Sequence[Any], shapes: Sequence[Shape], **options: Any
    ) -> tuple[Value, ...]:
        """The outputs of a node, which is a new one if there is no equal one."""
        read = tuple(
            each if isinstance(each, Value) else np.asarray(each, np.float32) for each in inputs
        )
        key = kind, tuple(map(_identity, read)), repr(sorted(options.items()))
        if key not in self._known:
            node = Node(kind, read, options, tuple(shapes))
            self._nodes.append(node)
            self._known[key] = tuple(
                Value(self, shape, node, index) for index, shape in enumerate(shapes)
            )
        return self._known[key]

    def graph(self, inputs: Mapping[str, Value], outputs: Mapping[str, Value]) -> Graph:
        """The part of what was recorded that `outputs` need."""
        readers = Counter(id(value.node) for value in outputs.values())
        nodes = []
        for node in reversed(self._nodes):
            if readers[id(node)]:
                nodes.append(node)
                readers.update(id(each.node) for each in node.inputs if isinstance(each, Value))
        return Graph(inputs, outputs, nodes[::-1], readers)

    def _one(self, kind: str) -> Callable[[Any], Value]:
        return lambda x: self.record(kind, [_value(x)], [x.shape])[0]

    def pair(self, kind: str, left: Any, right: Any) -> Value:
        """Elementwise function of two operands, one of which may be a constant."""
        shapes = [
            each.shape if isinstance(each, Value) else np.shape(each) for each in (left, right)
        ]
        for each in (left, right):
            if not isinstance(each, Value) and _is_neutral(kind, each):
                raise Unrecorded("a constant that converters leave out")
        return self.record(kind, [left, right], [_broadcast(*shapes)])[0]

    def maximum(self, left: Any, right: Any) -> Value:
        """The larger of two operands."""
        return self.pair("max", left, right)

    def minimum(self, left: Any, right: Any) -> Value:
        """The smaller of two operands."""
        return self.pair("min", left, right)

    def clip_by_value(self, x: Value, low: float, high: float) -> Value:
        """The nearest values between two numbers."""
        return self.maximum(self.minimum(_value(x), high), low)

    def softmax(self, x: Value) -> Value:
        """Over the last axis."""
        return self.record("softmax", [_value(x)], [x.shape])[0]

    def matmul(self, x: Value, kernel: Any) -> Value:
        """A product with weights, or of two values over their last two axes."""
        if isinstance(kernel, Value):
            shape = (*_value(x).shape[:-1], kernel.shape[-1])
            return self.record("product", [x, kernel], [shape])[0]
        if len(_value(x).shape) != 2:
            raise Unrecorded("a product of two values")
        return self.record("matmul", [x, kernel], [(x.shape[0], kernel.shape[1])])[0]

    def bias_add(self, x: Value, bias: np.ndarray) -> Value:
        """A value plus one number for each entry of its last axis."""
        # As that of a network that was not trained any further; converters leave it out.
        return self.record("bias", [_value(x), bias], [x.shape])[0] if np.any(bias) else _value(x)

    def reshape(self, x: Any, shape: Sequence[int]) -> Any:
        """Other axes; -1 stands for the batch."""
        if not isinstance(x, Value):
            return np.reshape(x, shape)
        sizes = tuple(None if size == -1 else int(size) for size in shape)
        if sum(size is None for size in sizes) != 1:
            raise Unrecorded("a shape without the batch")
        return self.record("reshape", [_value(x)], [sizes])[0]

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """The axes in another order."""
        shape = tuple(_value(x).shape[axis] for axis in order)
        return self.record("transpose", [x], [shape], order=tuple(order))[0]

    def expand_dims(self, x: Any, axis: int) -> Any:
        """A new axis of length one."""
        if not isinstance(x, Value):
            return np.expand_dims(x, axis)
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        return self.record("expand", [x], [shape], axis=axis)[0]

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Values one after another along an axis."""
        shape = list(values[0].shape)
        shape[axis] = sum(_size(_value(each).shape[axis]) for each in values)
        return self.record("concat", values, [tuple(shape)], axis=axis)[0]

    def stack(self, values: Sequence[Value], axis: int) -> Value:
        """Values along a new axis."""
        shape = list(_value(values[0]).shape)
        shape.insert(axis, len(values))
        return self.record("stack", values, [tuple(shape)], axis=axis)[0]

    def unstack(self, x: Value, axis: int) -> list[Value]:
        """The entries of the first axis."""
        if axis != 0:
            raise Unrecorded("unstack")
        return list(self.record("unstack", [_value(x)], [x.shape[1:]] * _size(x.shape[0])))

    def split(self, x: Value, count: int, axis: int) -> list[Value]:
        """Equal parts along an axis."""
        shape = list(_value(x).shape)
        shape[axis] = _size(shape[axis]) // count
        return list(self.record("split", [x], [tuple(shape)] * count, axis=axis))

    def gather(self, x: Any, indices: Any, axis: int | None = None) -> Value:
        """Entries of an axis by their constant positions."""
        if axis is None or isinstance(indices, Value):
            raise Unrecorded("gather")
        shape = list(_value(x).shape)
        shape[axis] = len(indices)
        chosen = tuple(int(index) for index in indices)
        return self.record("gather", [x], [tuple(shape)], axis=axis, indices=chosen)[0]

    def sliced(self, x: Value, key: tuple[Any, ...]) -> Value:
        """Ranges with an open end, and numbers, which drop an axis; an axis added at the end."""
        if key == (..., None):
            return self.record("new axis", [x], [(*x.shape, 1)])[0]
        if ... in key:
            place = key.index(...)
            rest = len(x.shape) - len(key) + 1
            key = (*key[:place], *[slice(None)] * rest, *key[place + 1 :])
        given = len(key)
        shape: list[int | None] = []
        for size, each in zip(
            x.shape, [*key, *[slice(None)] * (len(x.shape) - given)], strict=True
        ):
            if isinstance(each, int) and each >= 0:
                continue
            if not isinstance(each, slice) or each.stop is not None or each.step is not None:
                raise Unrecorded("a slice")
            shape.append(size if each.start is None else -each.start)
            if each.start is not None and each.start >= 0:
                raise Unrecorded("a slice")
        starts = tuple(each if isinstance(each, int) else each.start or 0 for each in key)
        drops = tuple(isinstance(each, int) for each in key)
        options = {"starts": starts, "drops": drops}
        return self.record("slice", [x], [tuple(shape)], **options)[0]

    def recurrence(self, layer: Any, sequence: Value) -> tuple[Value, tuple[Value, ...]]:
        """A whole layer, as `tf_recurrence.looped`."""
        steps, batch, _ = sequence.shape
        weights = [layer.input_kernel, layer.recurrent_kernel, layer.bias]
        weights += [layer.recurrent_bias] if layer.is_gru else []
        shapes = [(steps, batch, layer.units), (batch, layer.units)]
        states, final = self.record("gru" if layer.is_gru else "lstm", [sequence, *weights], shapes)
        return states, (final,)


def _value(x: Any) -> Value:
    if not isinstance(x, Value):
        raise Unrecorded("an operation on constants")
    return x


def _size(size: int | None) -> int:
    if size is None:
        raise Unrecorded("an axis without a size")
    return size


def _identity(read: "Value | np.ndarray") -> Any:
    """Equal for equal small constants; large ones are weights, and stay the same object."""
    if isinstance(read, Value) or read.size > SMALL:
        return id(read)
    return read.shape, read.tobytes()


def _is_neutral(kind: str, constant: Any) -> bool:
    """Whether converters may leave out or rewrite it, depending on more than is known here."""
    values = np.asarray(constant, np.float32)
    if kind in {"max", "min"}:
        return bool(np.any(np.signbit(values) & (values == 0)))
    if kind == "mul":
        return values.size > 1 and bool((values == 1).all())
    return kind in {"add", "sub"} and not values.any()


def _broadcast(left: Shape, right: Shape) -> Shape:
    length = max(len(left), len(right))
    pairs = zip(
        (1,) * (length - len(left)) + tuple(left), (1,) * (length - len(right)) + tuple(right),
        strict=True,
    )  # fmt: skip
    return tuple(b if a == 1 else a for a, b in pairs)
