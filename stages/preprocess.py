"""Stage preprocess: the raw table to arrays and the constants that were fitted for them."""

from pathlib import Path

from spline_lstm.core.artifacts import write_metrics
from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.tasks.parts import load_part


def main(folder: Path) -> str:
    """Write data/processed/processed.npz, models/preprocessor.json, metrics/data.json and plots.

    A table that breaks the contract leaves only metrics/data.json, with all violations.
    """
    pipeline = Pipeline(folder)
    params = load_params(folder)
    report = pipeline.metrics("data")
    try:
        result = load_part(params, "preprocess")(folder, params)
    except DataContractError as error:
        write_metrics(report, error.quality)
        raise
    result.write(pipeline)
    code_id = stage_code_id(folder, "preprocess")
    write_metrics(report, {**result.quality, "code_id": code_id})
    return result.text


if __name__ == "__main__":
    run_stage("preprocess", main)
