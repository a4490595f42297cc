"""The windows of a pipeline folder, as the stage window writes them."""

from pathlib import Path

from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage_files import WindowFiles
from spline_lstm.windows.array_files import load_arrays
from spline_lstm.windows.meta import meta_content
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import Windows, make_windows, window_arrays


def files_of(windows: Windows, preprocessor: Preprocessor, params: Params) -> WindowFiles:
    """Of windows, and the preprocessor whose arrays they are of."""
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in windows.splits.items())
    return WindowFiles(
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
    return files_of(windows, fitted, params)
