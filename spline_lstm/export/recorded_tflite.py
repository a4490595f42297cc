"""A recorded graph as a TFLite model, with the operators that TensorFlow's converter chooses.

What the converter joins is joined here: a product with its bias and its ReLU, reshapes one after
another, a factor before a product with its weights, and the steps of the approximation of GELU.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from spline_lstm.export.recorder import Graph, Node, Shape, Unrecorded, Value
from spline_lstm.export.tflite_canonical import ABSENT

Code = schema.BuiltinOperator
Kind = schema.BuiltinOptions
RELU = schema.ActivationFunctionType.RELU
# Elementwise operations -> operator, and the options that it has, if any.
SIMPLE: dict[str, tuple[int, int, type | None]] = {
    "add": (Code.ADD, Kind.AddOptions, schema.AddOptionsT),
    "sub": (Code.SUB, Kind.SubOptions, schema.SubOptionsT),
    "mul": (Code.MUL, Kind.MulOptions, schema.MulOptionsT),
    "max": (Code.MAXIMUM, Kind.NONE, None),
    "min": (Code.MINIMUM, Kind.NONE, None),
    "exp": (Code.EXP, Kind.ExpOptions, schema.ExpOptionsT),
    "log": (Code.LOG, Kind.NONE, None),
    "relu": (Code.RELU, Kind.NONE, None),
    "sigmoid": (Code.LOGISTIC, Kind.NONE, None),
    "tanh": (Code.TANH, Kind.NONE, None),
}
JOINING = {"add", "sub", "mul"}
# Operator -> first release of the runtime that has it; all others are in the oldest one named.
RUNTIMES = {Code.BATCH_MATMUL: "2.3.0", Code.GELU: "2.9.0"}
OLDEST_RUNTIME = "1.14.0"
RUNTIME_BYTES = 16


def recorded_tflite(graph: Graph) -> Any:
    """The ``schema.ModelT`` of a graph, with named inputs and outputs; `order_tflite` orders it.

    Raises
    ------
    Unrecorded
        The converter may choose other operators.
    """
    return _Writer(graph).model()


class _Writer:
    """Turns values into tensors, each once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers = [schema.BufferT()]
        self._codes: list[int] = []
        self._places: dict[tuple[int, int], int] = {}
        # Weights that many products share, by their id; what is scaled must keep its own.
        self._weights: dict[int, int] = {}
        self._scaled: list[np.ndarray] = []
        # Of a ReLU after a reshape: its product, which the ReLU is part of.
        self._products: dict[int, int] = {}

    def model(self) -> Any:
        ends = []
        for name, value in self._graph.inputs.items():
            self._places[id(value), 0] = self._tensor(value.shape, name=name)
            ends.append(self._places[id(value), 0])
        for node in self._graph.nodes:
            # What is joined to its reader is written here, too; `order_tflite` drops it.
            for index, place in enumerate(self._outputs_of(node)):
                self._places[id(node), index] = place
        found = [self._place(value) for value in self._graph.outputs.values()]
        for name, place in zip(self._graph.outputs, found, strict=True):
            if self._tensors[place].name is not None:
                raise Unrecorded("an output that is another end")
            self._tensors[place].name = name.encode()
        graph = schema.SubGraphT(
            tensors=self._tensors,
            inputs=ends,
            outputs=found,
            operators=self._operators,
            name=b"main",
        )
        codes = [
            schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=1)
            for code in self._codes
        ]
        runtime = max([OLDEST_RUNTIME, *(RUNTIMES.get(code, "") for code in self._codes)])
        self._buffers.append(
            schema.BufferT(data=_bytes_of(runtime.encode().ljust(RUNTIME_BYTES, b"\0")))
        )
        return schema.ModelT(
            version=3,
            operatorCodes=codes,
            subgraphs=[graph],
            description=b"MLIR Converted.",
            buffers=self._buffers,
            metadata=[schema.MetadataT(b"min_runtime_version", len(self._buffers) - 1)],
            signatureDefs=[
                schema.SignatureDefT(
                    inputs=_named(self._graph.inputs, ends),
                    outputs=_named(self._graph.outputs, found),
                    signatureKey=b"serving_default",
                )
            ],
        )

    def _tensor(self, shape: Shape, kind: int = 0, buffer: int = 0, name: str = "") -> int:
        sizes = np.array([1 if size is None else size for size in shape], np.int32)
        signature = np.array([-1 if size is None else size for size in shape], np.int32)
        tensor = schema.TensorT(
            shape=sizes,
            type=kind,
            buffer=buffer,
            name=name.encode() if name else None,
            quantization=schema.QuantizationParametersT(),
            shapeSignature=signature if None in shape else None,
            hasRank=True,
        )
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _constant(self, values: Any, kind: type = np.float32) -> int:
        array = np.ascontiguousarray(np.asarray(values, kind))
        self._buffers.append(schema.BufferT(data=_bytes_of(array.tobytes())))
        number = schema.TensorType.FLOAT32 if kind is np.float32 else schema.TensorType.INT32
        # `ascontiguousarray` gives a number an axis.
        return self._tensor(np.shape(values), number, len(self._buffers) - 1)

    def _write(
        self,
        code: int,
        inputs: Sequence[int],
        shapes: Sequence[Shape],
        kind: int = Kind.NONE,
        options: Any = None,
    ) -> list[int]:
        """An operator; the tensors that it computes."""
        if code not in self._codes:
            self._codes.append(code)
        outputs = [self._tensor(shape) for shape in shapes]
        self._operators.append(
            schema.OperatorT(
                opcodeIndex=self._codes.index(code),
                inputs=np.array(inputs, np.int32),
                outputs=np.array(outputs, np.int32),
                builtinOptionsType=kind,
                builtinOptions=options,
            )
        )
        return outputs

    def _place(self, value: Any) -> int:
        """The tensor of a value or constant."""
        if not isinstance(value, Value):
            return self._constant(value)
        return self._places[id(value if value.node is None else value.node), value.index]

    def _outputs_of(self, node: Node) -> list[int]:
        if (hidden := gelu_input(node)) is not None:
            options = schema.GeluOptionsT()
            options.approximate = True
            inside = [self._place(hidden)]
            return self._write(Code.GELU, inside, node.shapes, Kind.GeluOptions, options)
        if node.kind == "mul" and _is_one(node.inputs[1]):
            return [self._place(node.inputs[0])]
        if node.kind == "mul" and _scales_one_output(node):
            raise Unrecorded("a factor of a product with one output")
        if node.kind == "max" and _is_zero(node.inputs[1]):
            return self._positive(node)
        if node.kind in SIMPLE and not (node.kind == "relu" and _is_reshaped(node)):
            return self._simple(node)
        if node.kind not in WRITERS:
            raise Unrecorded(node.kind)
        return WRITERS[node.kind](self, node)

    def _positive(self, node: Node) -> list[int]:
        """ReLU, which a sum or product that nothing else reads takes part in."""
        source = node.inputs[0].node
        if source is None or source.kind not in JOINING or self._graph.readers[id(source)] > 1:
            return self._write(Code.RELU, [self._place(node.inputs[0])], node.shapes)
        return self._simple(source, RELU)

    def _simple(self, node: Node, activation: int = 0) -> list[int]:
        code, kind, make = SIMPLE[node.kind]
        options: Any = make() if make else None
        if node.kind in JOINING:
            options.fusedActivationFunction = activation
        if node.kind in {"add", "sub"}:
            options.potScaleInt16 = True
        inputs = map(_finite, node.inputs) if node.kind in {"max", "min"} else node.inputs
        read = [self._place(each) for each in inputs]
        return self._write(code, read, node.shapes, kind, options)

    def _product(self, product: Node, bias: Any = None, activation: int = 0) -> int:
        """FULLY_CONNECTED of a product, its bias and what follows."""
        x, kernel = product.inputs
        if (scaled := x.node) is not None and scaled.kind == "mul":
            inner, factor = scaled.inputs
            if not isinstance(factor, Value) and np.size(factor) == 1:
                if self._graph.readers[id(scaled)] > 1:
                    raise Unrecorded("a factor that several operations read")
                kernel, x = kernel * factor, inner
                self._scaled.append(kernel)
        if id(kernel) not in self._weights:
            self._weights[id(kernel)] = self._constant(kernel.T)
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        weights = self._weights[id(kernel)]
        read = [self._place(x), weights, ABSENT if bias is None else self._place(bias)]
        kind = Kind.FullyConnectedOptions
        return self._write(Code.FULLY_CONNECTED, read, product.shapes, kind, options)[0]

    def _matmul(self, node: Node) -> list[int]:
        return [self._product(node)]

    def _bias(self, node: Node) -> list[int]:
        return [self._product(*_product_and_bias(node))]

    def _relu(self, node: Node) -> list[int]:
        """ReLU of a product, which comes before its reshape."""
        reshaped = node.inputs[0].node
        product, bias = _product_and_bias(reshaped.inputs[0].node)
        self._products[id(node)] = self._product(product, bias, RELU)
        return self._reshaped(self._products[id(node)], node.shapes[0])

    def _reshape(self, node: Node) -> list[int]:
        source = node.inputs[0]
        while source.node is not None and source.node.kind == "reshape":
            source = source.node.inputs[0]
        place = self._products.get(id(source.node))
        return self._reshaped(self._place(source) if place is None else place, node.shapes[0])

    def _reshaped(self, place: int, shape: Shape) -> list[int]:
        sizes = self._constant([-1 if size is None else size for size in shape], np.int32)
        return self._write(Code.RESHAPE, [place, sizes], [shape])

    def _transpose(self, node: Node) -> list[int]:
        order = self._constant(node.options["order"], np.int32)
        return self._write(Code.TRANSPOSE, [self._place(node.inputs[0]), order], node.shapes)

    def _expand(self, node: Node) -> list[int]:
        axis = self._constant(node.options["axis"], np.int32)
        read = [self._place(node.inputs[0]), axis]
        kind, options = Kind.ExpandDimsOptions, schema.ExpandDimsOptionsT()
        return self._write(Code.EXPAND_DIMS, read, node.shapes, kind, options)

    def _softmax(self, node: Node) -> list[int]:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        read = [self._place(node.inputs[0])]
        return self._write(Code.SOFTMAX, read, node.shapes, Kind.SoftmaxOptions, options)

    def _values_product(self, node: Node) -> list[int]:
        options = schema.BatchMatMulOptionsT()
        read = [self._place(each) for each in node.inputs]
        return self._write(Code.BATCH_MATMUL, read, node.shapes, Kind.BatchMatMulOptions, options)

    def _concat(self, node: Node) -> list[int]:
        options = schema.ConcatenationOptionsT()
        options.axis = node.options["axis"]
        read = [self._place(each) for each in node.inputs]
        kind = Kind.ConcatenationOptions
        return self._write(Code.CONCATENATION, read, node.shapes, kind, options)

    def _stack(self, node: Node) -> list[int]:
        options = schema.PackOptionsT()
        options.valuesCount, options.axis = len(node.inputs), node.options["axis"]
        read = [self._place(each) for each in node.inputs]
        return self._write(Code.PACK, read, node.shapes, Kind.PackOptions, options)

    def _unstack(self, node: Node) -> list[int]:
        options = schema.UnpackOptionsT()
        options.num = len(node.shapes)
        read = [self._place(node.inputs[0])]
        return self._write(Code.UNPACK, read, node.shapes, Kind.UnpackOptions, options)

    def _split(self, node: Node) -> list[int]:
        options = schema.SplitOptionsT()
        options.numSplits = len(node.shapes)
        axis = self._constant(node.options["axis"], np.int32)
        read = [axis, self._place(node.inputs[0])]
        return self._write(Code.SPLIT, read, node.shapes, Kind.SplitOptions, options)

    def _gather(self, node: Node) -> list[int]:
        options = schema.GatherOptionsT()
        options.axis = node.options["axis"]
        indices = self._constant(node.options["indices"], np.int32)
        read = [self._place(node.inputs[0]), indices]
        return self._write(Code.GATHER, read, node.shapes, Kind.GatherOptions, options)

    def _slice(self, node: Node) -> list[int]:
        source = node.inputs[0]
        starts, drops = list(node.options["starts"]), list(node.options["drops"])
        # An axis that the slice does not name ends at its size, which a mask overrules.
        rest = [size or 0 for size in source.shape[len(starts) :]]
        ends = [start + 1 if drop else 0 for start, drop in zip(starts, drops, strict=True)]
        starts, drops = starts + [0] * len(rest), drops + [False] * len(rest)
        options = schema.StridedSliceOptionsT()
        options.beginMask = _mask(
            start == 0 and not drop for start, drop in zip(starts, drops, strict=True)
        )
        options.endMask = _mask(not drop for drop in drops)
        options.shrinkAxisMask = _mask(drops)
        tables = (starts, [*ends, *rest], [1] * len(starts))
        read = [self._place(source), *(self._constant(each, np.int32) for each in tables)]
        return self._write(Code.STRIDED_SLICE, read, node.shapes, Kind.StridedSliceOptions, options)


WRITERS: dict[str, Callable[[_Writer, Node], list[int]]] = {
    "matmul": _Writer._matmul,
    "bias": _Writer._bias,
    "relu": _Writer._relu,
    "softmax": _Writer._softmax,
    "product": _Writer._values_product,
    "reshape": _Writer._reshape,
    "transpose": _Writer._transpose,
    "expand": _Writer._expand,
    "concat": _Writer._concat,
    "stack": _Writer._stack,
    "unstack": _Writer._unstack,
    "split": _Writer._split,
    "gather": _Writer._gather,
    "slice": _Writer._slice,
}


def gelu_input(node: Node) -> Value | None:
    """What the approximation of GELU is taken of, if `node` is its last step (`tf_network`)."""
    match node:
        case Node("mul", (Value(node=Node("mul", (_, x))), Value(node=Node("add", (_, last))))):
            return x if isinstance(last, Value) and last.node and last.node.kind == "tanh" else None
    return None


def _product_and_bias(node: Node | None) -> tuple[Node, Any]:
    if node is not None and node.kind == "matmul":
        return node, None
    if node is None or node.kind != "bias" or node.inputs[0].node.kind != "matmul":
        raise Unrecorded("a bias or ReLU without a product")
    return node.inputs[0].node, node.inputs[1]


def _scales_one_output(node: Node) -> bool:
    """Whether weights of a product could be multiplied by a constant beforehand."""
    source, factor = node.inputs[0], node.inputs[1]
    if isinstance(factor, Value) or np.size(factor) > 1 or not isinstance(source, Value):
        return False
    while source.node is not None and source.node.kind == "reshape":
        source = source.node.inputs[0]
    return (
        source.node is not None and source.node.kind in {"matmul", "bias"} and source.shape[-1] == 1
    )


def _is_reshaped(node: Node) -> bool:
    source = node.inputs[0].node
    return source is not None and source.kind == "reshape"


def _is_zero(constant: Any) -> bool:
    """Whether a constant is 0 throughout, and not -0, which the converter tells apart."""
    return not (isinstance(constant, Value) or np.any(constant) or np.any(np.signbit(constant)))


def _is_one(constant: Any) -> bool:
    return (
        not isinstance(constant, Value) and np.size(constant) == 1 and bool(np.all(constant == 1))
    )


def _finite(bound: Any) -> Any:
    """A bound as the converter has it, the largest number instead of infinity."""
    return bound if isinstance(bound, Value) else np.nan_to_num(bound, nan=np.nan)


def _mask(bits: Any) -> int:
    return sum(1 << axis for axis, bit in enumerate(bits) if bit)


def _named(ends: Mapping[str, Value], places: Sequence[int]) -> list[Any]:
    pairs = zip(ends, places, strict=True)
    return [schema.TensorMapT(name=name.encode(), tensorIndex=place) for name, place in pairs]


def _bytes_of(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)
