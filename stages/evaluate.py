"""Stage evaluate: the model and the baselines on the test split."""

from pathlib import Path

from spline_lstm.core.artifacts import write_arrays, write_json, write_metrics
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.evaluation.assess import assess, evaluation_content
from spline_lstm.evaluation.golden import golden_arrays
from spline_lstm.evaluation.scores import to_records
from spline_lstm.evaluation.tables import write_tables
from spline_lstm.evaluation.verdict import verdict
from spline_lstm.inference.calibration import calibrate
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.saved_model import load_model
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import load_windows


def main(folder: Path) -> str:
    """Write predictions, golden windows, intervals, the CSV files of plots/ and metrics."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    configure_threads(params.train.threads)
    configure_compilation_cache(folder)
    model, windows = load_model(folder), load_windows(folder)
    series = Preprocessor.load(pipeline.preprocessor).series
    intervals = calibrate(model, windows, params.evaluate)
    result = assess(
        model,
        windows,
        params.evaluate,
        intervals,
        predictions=pipeline.predictions,
        series_names=series,
    )
    write_arrays(pipeline.golden, golden_arrays(model, windows, params.export.golden_windows))
    write_json(pipeline.intervals, {"run_id": model.run_id, **intervals.to_json()})
    write_tables(
        pipeline.plots,
        examples=result.examples,
        residuals=result.residuals,
        sums=result.sums,
        frequency_ns=windows.step_ns,
    )
    content = evaluation_content(result, windows, series if len(series) > 1 else None)
    # As nested mappings, unlike evaluate.json, so that `dvc exp show` lists them.
    write_metrics(pipeline.metrics("baselines"), content["baselines"])
    write_metrics(pipeline.metrics("evaluate"), to_records(content))
    return f"{content['n_windows']} test windows: {verdict(content)}"


if __name__ == "__main__":
    run_stage("evaluate", main)
