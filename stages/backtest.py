"""Stage backtest: the whole fit repeated along time; it never touches the final model."""

from dataclasses import replace
from pathlib import Path

from spline_lstm.core.artifacts import write_metrics
from spline_lstm.core.formatting import number, plural
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.plot_tables import write_plot_table
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema, load_schema
from spline_lstm.core.stage import run_stage
from spline_lstm.series.preprocess_partitions import Panel
from spline_lstm.tables.raw_file import find_raw
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from spline_lstm.tasks.forecast import FORECAST
from spline_lstm.tasks.parts import load_part, task_of


def main(folder: Path) -> str:
    """Write metrics/backtest.json and plots/backtest.csv."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    source = source_of(folder, schema, params)
    summary = load_part(params, "backtest")(source, schema, params, folder)
    content = summary.content
    write_plot_table(pipeline.plots / "backtest.csv", summary.table)
    write_metrics(pipeline.metrics("backtest"), content)
    key, name = summary.measure
    each = ", ".join(number(fold[key]) for fold in content["folds"])
    return (
        f"{plural(content['backtest_folds'], 'fold')}, {name} {each}; over all of them "
        f"{load_part(params, 'verdict')(summary.scores)}; "
        f"{plural(content['backtest_folds_lost'], 'fold')} lost to a baseline"
    )


def source_of(folder: Path, schema: Schema, params: Params) -> RawTable | Panel:
    """The raw table, or its partitions, which forecasts alone can do with; errors as `find_raw`."""
    pipeline = Pipeline(folder)
    if pipeline.raw_folder.is_dir() and task_of(params).windows == FORECAST.windows:
        panel = Panel.of(folder, params)
        return replace(panel, building=panel.building.with_name(".tmp-backtest"))
    raw, reading = find_raw(pipeline), Reading.of(params.data)
    return read_raw_table(raw.read_bytes(), schema, where=str(raw), reading=reading)


if __name__ == "__main__":
    run_stage("backtest", main)
