"""What all exported files have in common: the names inside them, and what an exporter returns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from spline_lstm.core.errors import ExportError

# Inputs: always the history; what is known in advance and the static ids where the model has them.
HISTORY, FUTURE, STATIC = "history", "future", "static"
# Outputs: always the point forecast; the quantiles where the model has them.
FORECAST, QUANTILES = "forecast", "quantiles"
INPUT_TYPES = {
    HISTORY: np.dtype(np.float32),
    FUTURE: np.dtype(np.float32),
    STATIC: np.dtype(np.int32),
}
# Formats of the float32 files and of their variants.
FORMATS = ("onnx", "tflite")
# Key of the metadata, a JSON object.
METADATA_KEY = "spline_lstm"


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


def exported_files(variants: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """Key in the metrics -> name of the file in models/edge, and its variant; float32 files come first.

    >>> exported_files(["int8"])["tflite_int8"]
    ('model.int8.tflite', 'int8')
    """
    files: dict[str, tuple[str, str | None]] = {kind: (f"model.{kind}", None) for kind in FORMATS}
    return files | {
        f"{kind}_{variant}": (f"model.{variant}.{kind}", variant)
        for variant in variants
        for kind in FORMATS
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
            f"{file} could not be converted ({type(error).__name__}: {lines[0]}); the former files stay in place; "
            "SPLINE_LSTM_DEBUG=1 shows where"
        ) from error
