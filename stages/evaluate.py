"""Stage evaluate: the model and the baselines on the test split."""

from pathlib import Path

from spline_lstm.core.artifacts import write_arrays, write_json, write_metrics
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.run_record import run_record
from spline_lstm.core.stage import run_stage
from spline_lstm.evaluation.scores import to_records
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.saved_model import load_network
from spline_lstm.tasks.parts import load_part, task_of


def main(folder: Path) -> str:
    """Write predictions, golden windows, intervals, the CSV files of plots/ and metrics."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    configure_threads(params.train.threads)
    configure_compilation_cache(folder)
    model, windows = load_network(folder), load_part(params, "load_windows")(folder)
    scores = load_part(params, "scores")(folder, model, windows, params)
    golden = load_part(params, "golden")(model, windows, params.export.golden_windows)
    write_arrays(pipeline.golden, golden)
    write_json(pipeline.intervals, {"run_id": model.run_id, **scores.intervals})
    load_part(params, "tables")(pipeline.plots, scores)
    content = scores.content
    # As nested mappings, unlike evaluate.json, so that `dvc exp show` lists them.
    write_metrics(pipeline.metrics("baselines"), content["baselines"])
    write_metrics(pipeline.metrics("evaluate"), to_records(content))
    write_json(pipeline.metrics("run"), run_record(pipeline, params))
    verdict = load_part(params, "verdict")(content)
    return f"{plural(content['n_windows'], f'test {task_of(params).unit}')}: {verdict}"


if __name__ == "__main__":
    run_stage("evaluate", main)
