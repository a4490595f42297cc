"""Stage backtest: the whole fit repeated along time; it never touches the final model."""

from pathlib import Path

from spline_lstm.core.artifacts import write_metrics
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.schema import load_schema
from spline_lstm.core.stage import run_stage
from spline_lstm.evaluation.backtest import (
    backtest,
    backtest_content,
    backtest_table,
    pooled_scores,
)
from spline_lstm.evaluation.verdict import verdict
from spline_lstm.models.jax_setup import configure_threads
from spline_lstm.reporting.formatting import number
from spline_lstm.reporting.plot_tables import write_plot_table
from spline_lstm.tables.raw_table import read_raw_table


def main(folder: Path) -> str:
    """Write metrics/backtest.json and plots/backtest.csv."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    # The processes of the folds read it from the environment.
    configure_threads(params.train.threads)
    raw = pipeline.raw
    table = read_raw_table(
        raw.read_bytes(),
        schema,
        where=str(raw),
        sort=params.data.sort,
        duplicates=params.data.duplicates,
    )
    results = backtest(table, schema, params, folder)
    content = backtest_content(results, params, schema.target_cols)
    write_plot_table(pipeline.plots / "backtest.csv", backtest_table(results))
    write_metrics(pipeline.metrics("backtest"), content)
    each = ", ".join(number(fold["rmse"]) for fold in content["folds"])
    return (
        f"{len(results)} folds, RMSE {each}; over all of them "
        f"{verdict(pooled_scores(results, schema.target_cols))}; "
        f"{content['backtest_folds_lost']} folds lost to a baseline"
    )


if __name__ == "__main__":
    run_stage("backtest", main)
