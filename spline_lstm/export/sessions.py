"""Forecasts from an exported file with only onnxruntime or LiteRT, as on a service or a device.

>>> session = open_session(Path("models/edge/model.onnx"))  # doctest: +SKIP
>>> session(history)  # doctest: +SKIP
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from jaxtyping import Float, Int

from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.checksum import check_seal
from spline_lstm.export.formats import FORECAST, FUTURE, HISTORY, METADATA_KEY, STATIC

# Inputs by name to outputs by name.
Answer = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]

ONNX_TYPES = {"tensor(float)": np.dtype(np.float32), "tensor(int32)": np.dtype(np.int32)}
XNNPACK_NOTICE = b"INFO: Created TensorFlow Lite XNNPACK delegate"


@dataclass(frozen=True)
class Tensor:
    """What a file declares about an input or output: shape of one window or row, and type."""

    row: tuple[int, ...]
    dtype: np.dtype


@dataclass(frozen=True)
class Session:
    """A loaded file.

    Attributes
    ----------
    answer : inputs by name to outputs by name
        Inputs are history, future and static if the model reads them, and the scaling if the file
        is fed it; outputs are forecast, and quantiles if the model has them. Raises ValueError or
        TypeError for other inputs.
    inputs, outputs : name -> Tensor
    """

    answer: Answer
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    outputs: Mapping[str, Tensor] = field(default_factory=dict)

    def __call__(
        self,
        history: Float[np.ndarray, "batch lookback features"],
        future: Float[np.ndarray, "batch horizon future_features"] | None = None,
        static: Int[np.ndarray, "batch statics"] | None = None,
        **scaling: Float[np.ndarray, "batch columns"],
    ) -> Float[np.ndarray, "batch horizon targets"]:
        """Point forecast, float32, data units (less center, if the file is fed its `scaling`)."""
        given = {HISTORY: history, FUTURE: future, STATIC: static, **scaling}
        return self.answer({name: value for name, value in given.items() if value is not None})[
            FORECAST
        ]


def open_session(path: Path) -> Session:
    """Load an exported file; it runs on one thread.

    Raises
    ------
    ArtifactError
        The file is missing, damaged or of an unknown format.
    """
    content = read_sealed(path)
    try:
        return session_of(content, path.suffix)
    except Exception as error:
        # onnxruntime's errors share no base class, LiteRT raises ValueError and RuntimeError.
        raise ArtifactError(f"{path} cannot be loaded ({error}); run `dvc repro` again") from error


def read_sealed(path: Path) -> bytes:
    """The content of an exported file, after its checksum was found to be right.

    Raises
    ------
    ArtifactError
        The file is missing, or a byte of it was changed.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(
            f"{path} is missing; `dvc repro` of its folder makes the files that export.formats and "
            "export.variants of params.yaml name"
        ) from None
    check_seal(content, str(path))
    return content


def session_of(content: bytes, suffix: str) -> Session:
    """Load the content of a file, like `open_session`; raises whatever the runtime raises."""
    kinds = {".onnx": _onnx_session, ".tflite": _tflite_session}
    if suffix not in kinds:
        raise ValueError(f"unknown suffix {suffix!r}; known: {', '.join(kinds)}")
    return kinds[suffix](content)


def onnx_session(content: bytes) -> Any:
    """A file as a session of onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _onnx_session(content: bytes) -> Session:
    session = onnx_session(content)
    inputs, outputs = (
        {entry.name: Tensor(tuple(entry.shape[1:]), ONNX_TYPES[entry.type]) for entry in entries}
        for entries in (session.get_inputs(), session.get_outputs())
    )
    names = list(outputs)

    def answer(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, _checked(given, inputs)), strict=True))

    return Session(answer, inputs, outputs)


def _tflite_session(content: bytes) -> Session:
    # Only .tflite files need LiteRT.
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

    interpreter: Any = Interpreter(model_content=content, num_threads=1)
    details, answered = (
        {entry["name"]: entry for entry in entries}
        for entries in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    inputs, outputs = (
        {
            name: Tensor(
                tuple(int(size) for size in entry["shape_signature"][1:]), np.dtype(entry["dtype"])
            )
            for name, entry in entries.items()
        }
        for entries in (details, answered)
    )
    positions = {name: entry["index"] for name, entry in answered.items()}
    allocated: list[int] = []

    def allocate(batch: int) -> None:
        for name, entry in details.items():
            # strict: the batch is the only axis that may change.
            interpreter.resize_tensor_input(entry["index"], [batch, *inputs[name].row], strict=True)
        interpreter.allocate_tensors()
        allocated[:] = [batch]

    def answer(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        checked = _checked(given, inputs)
        batch = len(next(iter(checked.values())))
        if allocated != [batch]:
            allocate(batch)
        for name, value in checked.items():
            interpreter.set_tensor(details[name]["index"], value)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in positions.items()}

    with _notice_dropped():
        allocate(1)
    return Session(answer, inputs, outputs)


def _checked(
    given: Mapping[str, np.ndarray], inputs: Mapping[str, Tensor]
) -> dict[str, np.ndarray]:
    """Contiguous arrays of the right types.

    ValueError if an input is missing, unknown or has another shape, or if there are no windows.
    """
    if given.keys() != inputs.keys():
        raise ValueError(
            f"the model takes the inputs {', '.join(inputs)}, but is given {', '.join(given)}"
        )
    batch = len(next(iter(given.values())))
    if batch == 0:
        # ONNX Runtime ends the process if a recurrent network is given none.
        raise ValueError("the model is given no window or row; give one or more")
    checked = {}
    for name, entry in inputs.items():
        value = given[name]
        if value.shape != (batch, *entry.row):
            raise ValueError(
                f"{name} must have the shape {[batch, *entry.row]}, but has {list(value.shape)}"
            )
        # same_kind: ids may be int64, but a float must not become an id.
        checked[name] = np.ascontiguousarray(
            value.astype(entry.dtype, casting="same_kind", copy=False)
        )
    return checked


@contextmanager
def _notice_dropped() -> Iterator[None]:
    """Drop the line that LiteRT writes to stderr at its first allocation; pass on all others."""
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            held.seek(0)
            os.write(2, b"".join(line for line in held if not line.startswith(XNNPACK_NOTICE)))


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of an exported file: model, features, shapes, units.

    `EdgeSpec.metadata` wrote it.

    Raises
    ------
    ArtifactError
        The file has none.
    """
    read = _tflite_metadata if path.suffix == ".tflite" else _onnx_metadata
    text = read(path.read_bytes())
    if text is None:
        raise ArtifactError(
            f"{path} has no metadata, so it was not exported by this pipeline; run `dvc repro`"
        )
    return json.loads(text)


def _onnx_metadata(content: bytes) -> str | None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)


def _tflite_metadata(content: bytes) -> str | None:
    # As above; it takes a fifth of a second to load.
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415

    model: Any = schema.Model.GetRootAs(content)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == METADATA_KEY.encode():
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
    return None
