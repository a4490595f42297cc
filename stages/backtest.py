"""Stage backtest: the whole fit repeated along time; it never touches the final model."""

from pathlib import Path

from spline_lstm.core.artifacts import write_metrics
from spline_lstm.core.formatting import number
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.plot_tables import write_plot_table
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.stage import run_stage
from spline_lstm.tables.raw_file import find_sample
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.tasks.parts import load_part


def main(folder: Path) -> str:
    """Write metrics/backtest.json and plots/backtest.csv."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    raw = find_sample(pipeline)
    table = read_raw_table(
        raw.read_bytes(),
        schema,
        where=str(raw),
        reading=Reading.of(params.data),
    )
    summary = load_part(params, "backtest")(table, schema, params, folder)
    content = summary.content
    is_sample = raw not in pipeline.raw_files
    if is_sample:
        # Of a panel in partitions the first one stands for all.
        content = {**content, "backtest_sample": raw.name}
    write_plot_table(pipeline.plots / "backtest.csv", summary.table)
    write_metrics(pipeline.metrics("backtest"), content)
    key, name = summary.measure
    each = ", ".join(number(fold[key]) for fold in content["folds"])
    sample = f" of {raw.name} alone" if is_sample else ""
    return (
        f"{content['backtest_folds']} folds{sample}, {name} {each}; over all of them "
        f"{load_part(params, 'verdict')(summary.scores)}; "
        f"{content['backtest_folds_lost']} folds lost to a baseline"
    )


if __name__ == "__main__":
    run_stage("backtest", main)
