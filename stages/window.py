"""Stage window: forecast origins and their splits."""

from pathlib import Path

from spline_lstm.core.artifacts import write_json
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.tasks.parts import load_part
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.meta import meta_content
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import save_windows


def main(folder: Path) -> str:
    """Write data/processed/windows.npz and meta.json."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    arrays = AsOfArrays.load(pipeline.processed)
    fitted = Preprocessor.load(pipeline.preprocessor)
    make_windows = load_part(params, "windows")
    windows = make_windows(arrays, fitted.scaler, fitted.clock, params.window)
    save_windows(pipeline.windows, windows, materialize=params.window.materialize)
    meta = meta_content(windows, fitted, params.compare.models)
    write_json(pipeline.meta, {**meta, "code_id": stage_code_id(folder, "window")})
    counts = ", ".join(f"{len(origins)} {name}" for name, origins in windows.splits.items())
    return f"{len(arrays.timestamps)} rows in, windows out: {counts}"


if __name__ == "__main__":
    run_stage("window", main)
