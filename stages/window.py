"""Stage window: forecast origins and their splits."""

from pathlib import Path

from spline_lstm.core.params import load_params
from spline_lstm.core.stage import run_stage
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import make_windows, save_windows


def main(folder: Path) -> str:
    """Write data/processed/windows.npz."""
    params = load_params(folder).window
    arrays = AsOfArrays.load(folder / "data/processed/processed.npz")
    scaler = Preprocessor.load(folder / "models/preprocessor.json").scaler
    windows = make_windows(arrays, scaler, params)
    save_windows(folder / "data/processed/windows.npz", windows, materialize=params.materialize)
    counts = ", ".join(f"{len(origins)} {name}" for name, origins in windows.splits.items())
    return f"{len(arrays.timestamps)} rows in, windows out: {counts}"


if __name__ == "__main__":
    run_stage("window", main)
