"""What all exported files share: the names inside them, weights in fewer bits, conversion errors.

Variants of the float32 files store their large weights in fewer bits:

``float16``: half the bytes; 11 significant bits, so a weight is off by at most 0.05 %.
``int8``: a quarter; ``weight = integer * scale`` with one scale per row, symmetric around zero.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8

from spline_lstm.core.errors import ExportError
from spline_lstm.core.params import ExportParams
from spline_lstm.windows.fed_scaling import (
    CENTER,
    LINEAR_CENTER,
    LINEAR_SCALE,
    LOG_CENTER,
    LOG_FLOOR,
    LOG_SCALE,
    POWER_HIGH,
    POWER_LOW,
    SCALE,
)

# Inputs: always the history; known-future features and static ids if the model reads them.
HISTORY, FUTURE, STATIC = "history", "future", "static"
FED = (
    CENTER, SCALE, LINEAR_CENTER, LINEAR_SCALE, LOG_CENTER, LOG_SCALE, LOG_FLOOR, POWER_LOW,
    POWER_HIGH,
)  # fmt: skip
# Outputs: always the point forecast; the quantiles if the model has them.
FORECAST, QUANTILES = "forecast", "quantiles"
INPUT_TYPES = {
    HISTORY: np.dtype(np.float32),
    FUTURE: np.dtype(np.float32),
    STATIC: np.dtype(np.int32),
    **dict.fromkeys(FED, np.dtype(np.float32)),
}
# Inputs and output of the file of a network of rows.
NUMBERS, CATEGORIES, PREDICTION = "numbers", "categories", "prediction"
ROW_INPUT_TYPES = {NUMBERS: np.dtype(np.float32), CATEGORIES: np.dtype(np.int32)}
# Key of the metadata, a JSON object.
METADATA_KEY = "spline_lstm"
# Smaller constants stay float32: they save next to nothing, and biases and scales need their bits.
MIN_ELEMENTS = 1024
INT8_LIMIT = 127


@dataclass(frozen=True)
class ExportedModel:
    """One exported file before it is written.

    Attributes
    ----------
    content : bytes of the file
    operators : operator name -> number of nodes, sorted by name
    """

    content: bytes
    operators: Mapping[str, int]


def exported_files(params: ExportParams) -> dict[str, tuple[str, str | None]]:
    """Key in the metrics -> name of the file in models/edge, and its variant; float32 files first.

    >>> exported_files(ExportParams(variants=("int8",)))["tflite_int8"]
    ('model.int8.tflite', 'int8')
    >>> exported_files(ExportParams(formats=()))
    {}
    """
    files: dict[str, tuple[str, str | None]] = {
        kind: (f"model.{kind}", None) for kind in params.formats
    }
    return files | {
        f"{kind}_{variant}": (f"model.{variant}.{kind}", variant)
        for variant in params.variants
        for kind in params.formats
    }


@contextmanager
def conversion(file: str) -> Iterator[None]:
    """Turn whatever a converter raises into an ExportError that names `file`."""
    try:
        yield
    except ExportError:
        raise
    except Exception as error:
        # Converters document no exception types.
        lines = str(error).strip().splitlines() or ["no message"]
        raise ExportError(
            f"{file} could not be converted ({type(error).__name__}: {lines[0]}); "
            "the previous files are kept; SPLINE_LSTM_DEBUG=1 shows where"
        ) from error


def is_large(shape: tuple[int, ...]) -> bool:
    """A constant of this shape is worth storing in fewer bits."""
    return int(np.prod(shape)) >= MIN_ELEMENTS


def quantize(
    weights: Float[np.ndarray, "... rows columns"],
) -> tuple[Int8[np.ndarray, "... rows columns"], Float[np.ndarray, "... rows"]]:
    """Nearest integers from -127 to 127, and the scale of each row: weights = integers * scale.

    >>> integers, scale = quantize(np.array([[0.5, -1.0], [0.0, 0.0]], np.float32))
    >>> integers.tolist(), (scale * 127).tolist()
    ([[64, -127], [0, 0]], [1.0, 127.0])
    """
    largest = np.abs(weights).max(axis=-1)
    scale = np.where(largest > 0, largest / INT8_LIMIT, 1).astype(np.float32)
    return np.rint(weights / scale[..., np.newaxis]).astype(np.int8), scale
