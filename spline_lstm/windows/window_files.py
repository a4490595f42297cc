"""The windows of a pipeline folder, as the stage window writes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.windows.array_files import load_arrays
from spline_lstm.windows.meta import meta_content
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import Windows, make_windows, window_arrays


@dataclass(frozen=True)
class WindowFiles:
    """What the stage window writes.

    Attributes
    ----------
    arrays : name -> array
        Content of windows.npz.
    meta : mapping
        Content of meta.json.
    text : str
        How many rows and windows there are.
    """

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]
    text: str

    @classmethod
    def of(cls, windows: Windows, preprocessor: Preprocessor, params: Params) -> "WindowFiles":
        """Of windows, and the preprocessor whose arrays they are of."""
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in windows.splits.items())
        return cls(
            window_arrays(windows, materialize=params.window.materialize),
            meta_content(windows, preprocessor, params.compare.models),
            f"{len(windows.arrays.timestamps)} rows in, windows out: {counts}",
        )


def window_files(folder: Path, params: Params) -> WindowFiles:
    """Find the windows of the arrays of a pipeline folder; errors as in `make_windows`."""
    pipeline = Pipeline(folder)
    arrays = load_arrays(pipeline)
    fitted = Preprocessor.load(pipeline.preprocessor)
    windows = make_windows(arrays, fitted.scaler, fitted.clock, params.window)
    return WindowFiles.of(windows, fitted, params)
