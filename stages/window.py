"""Stage window: the rows of each split."""

from pathlib import Path

from spline_lstm.core.artifacts import write_arrays, write_json
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.tasks.parts import load_part


def main(folder: Path) -> str:
    """Write data/processed/windows.npz and meta.json."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    files = load_part(params, "windows")(folder, params)
    write_arrays(pipeline.windows, files.arrays)
    write_json(pipeline.meta, {**files.meta, "code_id": stage_code_id(folder, "window")})
    return files.text


if __name__ == "__main__":
    run_stage("window", main)
