"""Stage evaluate: the model on the test part, beside the baselines."""

from pathlib import Path

from spline_lstm.artifacts import read_json, write_arrays, write_metrics
from spline_lstm.evaluation.assessment import assess, golden_arrays, season_scales
from spline_lstm.evaluation.outputs import write_pictures, write_tables
from spline_lstm.evaluation.records import to_records
from spline_lstm.evaluation.report import number
from spline_lstm.evaluation.scores import finish, rmse_by_step
from spline_lstm.models.forecaster import load_model
from spline_lstm.params import load_params
from spline_lstm.runtime import configure_compilation_cache, configure_threads
from spline_lstm.stage import run_stage
from spline_lstm.windows import load_windows


def main(folder: Path) -> str:
    """Write data/predictions.parquet, data/golden.npz, plots/, metrics/evaluate.json and metrics/baselines.json."""
    params = load_params(folder)
    configure_threads(params.train.threads)
    configure_compilation_cache(folder)
    model, windows = load_model(folder), load_windows(folder)
    series = tuple(read_json(folder / "models/preprocessor.json")["series"])
    result = assess(
        model, windows, params.evaluate, predictions=folder / "data/predictions.parquet", series_names=series
    )
    write_arrays(folder / "data/golden.npz", golden_arrays(model, windows, params.export.golden_windows))
    scores = finish(
        result.sums,
        targets=windows.target_names,
        scale=windows.target_scaler.overall.scale,
        season_scale=season_scales(windows, params.evaluate.season),
        series=series if len(series) > 1 else None,
    )
    plots, by_step = folder / "plots", rmse_by_step(result.sums)
    write_tables(plots, result, by_step, windows.step_ns)
    write_pictures(plots, result, by_step, windows, params.train.loss)
    # As nested mappings, unlike in evaluate.json: so `dvc exp show` lists them.
    write_metrics(folder / "metrics/baselines.json", scores["baselines"])
    write_metrics(folder / "metrics/evaluate.json", to_records(scores))
    best = scores["best_baseline"]
    return (
        f"{scores['n_windows']} test windows, RMSE {number(scores['rmse'])}: the model "
        f"{'beats' if scores['beats_baselines'] else 'LOSES TO'} the best baseline, {best} "
        f"({number(scores['baselines'][best]['rmse'])})"
    )


if __name__ == "__main__":
    run_stage("evaluate", main)
