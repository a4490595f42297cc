"""Forecasts out of an exported file, with onnxruntime or LiteRT alone: what a service or a device does.

>>> forecast = open_session(Path("models/edge/model.onnx"))  # doctest: +SKIP
>>> forecast(history)  # doctest: +SKIP
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float

from spline_lstm.errors import ArtifactError

Forecast = Callable[[Float[np.ndarray, "batch lookback features"]], Float[np.ndarray, "batch horizon targets"]]

XNNPACK_NOTICE = b"INFO: Created TensorFlow Lite XNNPACK delegate"


def open_session(path: Path) -> Forecast:
    """The forecaster of an exported file, on one thread.

    Returns
    -------
    callable : history [batch, lookback, F_total] to forecast [batch, horizon, F_target], float32, data units

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


def session_of(content: bytes, suffix: str) -> Forecast:
    """As `open_session`, for the content of a file; raises whatever the runtime raises."""
    kinds = {".onnx": _onnx_session, ".tflite": _tflite_session}
    if suffix not in kinds:
        raise ValueError(f"unknown suffix {suffix!r}; known: {', '.join(kinds)}")
    return kinds[suffix](content)


def _onnx_session(content: bytes) -> Forecast:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (name,) = (entry.name for entry in session.get_inputs())

    def forecast(history: np.ndarray) -> np.ndarray:
        return session.run(None, {name: np.ascontiguousarray(history, np.float32)})[0]

    return forecast


def _tflite_session(content: bytes) -> Forecast:
    interpreter: Any = Interpreter(model_content=content, num_threads=1)
    ((entry,), (result,)) = interpreter.get_input_details(), interpreter.get_output_details()
    row = tuple(int(size) for size in entry["shape_signature"][1:])
    allocated: list[int] = []

    def allocate(batch: int) -> None:
        # strict: the batch is the one axis that may change.
        interpreter.resize_tensor_input(entry["index"], [batch, *row], strict=True)
        interpreter.allocate_tensors()
        allocated[:] = [batch]

    def forecast(history: np.ndarray) -> np.ndarray:
        history = np.ascontiguousarray(history, np.float32)
        if history.shape[1:] != row:
            raise ValueError(f"history must have the shape [batch, {row[0]}, {row[1]}], but has {list(history.shape)}")
        if allocated != [len(history)]:
            allocate(len(history))
        interpreter.set_tensor(entry["index"], history)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    with _notice_dropped():
        allocate(1)
    return forecast


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
