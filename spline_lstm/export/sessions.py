"""Forecasts out of an exported file, with onnxruntime or LiteRT alone: what a service or a device does.

>>> session = open_session(Path("models/edge/model.onnx"))  # doctest: +SKIP
>>> session(history)  # doctest: +SKIP
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float, Int

from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.formats import FORECAST, FUTURE, HISTORY, STATIC

# Inputs by name to outputs by name.
Answer = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]

ONNX_TYPES = {"tensor(float)": np.dtype(np.float32), "tensor(int32)": np.dtype(np.int32)}
XNNPACK_NOTICE = b"INFO: Created TensorFlow Lite XNNPACK delegate"


@dataclass(frozen=True)
class Session:
    """A loaded file.

    Attributes
    ----------
    answer : inputs by name (history, and future and static where the model has them) to outputs by name (forecast,
        and quantiles where the model has them), data units; raises ValueError or TypeError for other inputs
    """

    answer: Answer

    def __call__(
        self,
        history: Float[np.ndarray, "batch lookback features"],
        future: Float[np.ndarray, "batch horizon future_features"] | None = None,
        static: Int[np.ndarray, "batch statics"] | None = None,
    ) -> Float[np.ndarray, "batch horizon targets"]:
        """Point forecast, float32, data units."""
        given = {HISTORY: history, FUTURE: future, STATIC: static}
        return self.answer({name: value for name, value in given.items() if value is not None})[
            FORECAST
        ]


@dataclass(frozen=True)
class Input:
    """What a file says of one of its inputs: shape of one window, and type."""

    row: tuple[int, ...]
    dtype: np.dtype


def open_session(path: Path) -> Session:
    """The forecaster of an exported file, on one thread.

    Raises
    ------
    ArtifactError
        The file is missing, damaged or of an unknown kind.
    """
    try:
        return session_of(path.read_bytes(), path.suffix)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; run `dvc repro` to make it") from None
    except Exception as error:
        # onnxruntime's errors share no base class, LiteRT raises ValueError and RuntimeError.
        raise ArtifactError(f"{path} cannot be loaded ({error}); run `dvc repro` again") from error


def session_of(content: bytes, suffix: str) -> Session:
    """As `open_session`, for the content of a file; raises whatever the runtime raises."""
    kinds = {".onnx": _onnx_session, ".tflite": _tflite_session}
    if suffix not in kinds:
        raise ValueError(f"unknown suffix {suffix!r}; known: {', '.join(kinds)}")
    return Session(kinds[suffix](content))


def _onnx_session(content: bytes) -> Answer:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    inputs = {
        entry.name: Input(tuple(entry.shape[1:]), ONNX_TYPES[entry.type])
        for entry in session.get_inputs()
    }
    names = [entry.name for entry in session.get_outputs()]

    def answer(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, _checked(given, inputs)), strict=True))

    return answer


def _tflite_session(content: bytes) -> Answer:
    interpreter: Any = Interpreter(model_content=content, num_threads=1)
    details = {entry["name"]: entry for entry in interpreter.get_input_details()}
    inputs = {
        name: Input(
            tuple(int(size) for size in entry["shape_signature"][1:]), np.dtype(entry["dtype"])
        )
        for name, entry in details.items()
    }
    places = {entry["name"]: entry["index"] for entry in interpreter.get_output_details()}
    allocated: list[int] = []

    def allocate(batch: int) -> None:
        for name, entry in details.items():
            # strict: the batch is the one axis that may change.
            interpreter.resize_tensor_input(entry["index"], [batch, *inputs[name].row], strict=True)
        interpreter.allocate_tensors()
        allocated[:] = [batch]

    def answer(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        checked = _checked(given, inputs)
        batch = len(checked[HISTORY])
        if allocated != [batch]:
            allocate(batch)
        for name, value in checked.items():
            interpreter.set_tensor(details[name]["index"], value)
        interpreter.invoke()
        return {name: interpreter.get_tensor(place) for name, place in places.items()}

    with _notice_dropped():
        allocate(1)
    return answer


def _checked(given: Mapping[str, np.ndarray], inputs: Mapping[str, Input]) -> dict[str, np.ndarray]:
    """Contiguous arrays of the right types; ValueError names an input that is missing, unknown or misshapen."""
    if given.keys() != inputs.keys():
        raise ValueError(
            f"the model takes the inputs {', '.join(inputs)}, but is given {', '.join(given)}"
        )
    batch = len(given[HISTORY])
    checked = {}
    for name, entry in inputs.items():
        value = given[name]
        if value.shape != (batch, *entry.row):
            raise ValueError(
                f"{name} must have the shape {[batch, *entry.row]}, but has {list(value.shape)}"
            )
        # same_kind: ids may be int64, but no float may become an id.
        checked[name] = np.ascontiguousarray(
            value.astype(entry.dtype, casting="same_kind", copy=False)
        )
    return checked


@contextmanager
def _notice_dropped() -> Iterator[None]:
    """Drop the line that LiteRT writes on the process's stderr at its first allocation; pass others on."""
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
