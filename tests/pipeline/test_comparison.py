"""What the comparison reads, in the files that the real stages write."""

import json

import pytest

from spline_lstm.core.params import load_params
from spline_lstm.experiments.git import cache_folder, find_pipeline
from spline_lstm.experiments.latency import latencies
from spline_lstm.experiments.results import COLUMNS, LATENCY, read_record
from spline_lstm.experiments.runs import Run
from spline_lstm.experiments.squared_errors import read_errors

pytestmark = pytest.mark.slow


def test_a_run_of_the_pipeline_holds_every_cell_and_the_forecasts_behind_it(reproduced):
    pipeline = find_pipeline(reproduced.folder)
    shown = json.loads(reproduced.run("dvc", "exp", "show", "--json").stdout)[1]
    record = read_record(shown, pipeline, shown["rev"], Run("lstm", "univariate", 42), "onnx")
    assert set(record.cells) == {*COLUMNS} - {"notes"}
    # The latency is measured for all runs together.
    missing = {column for column, value in record.cells.items() if value is None}
    assert missing == set(LATENCY)
    params = load_params(reproduced.folder).compare
    cache = cache_folder(pipeline)
    measured = latencies(pipeline, cache, shown["rev"], [record], params)[record.run.name]
    assert (measured.p50_ms > 0).all()
    assert len(measured.p50_ms) == params.latency_rounds
    # Reading checks that the forecasts give the RMSE of the metrics.
    errors = read_errors(pipeline, cache_folder(pipeline), [record], sorted(record.baselines))
    assert set(errors.squared) == {
        record.run.name,
        *(f"{name} univariate" for name in record.baselines),
    }
    naive = (errors.squared["naive univariate"].sum() / errors.counts.sum()) ** 0.5
    assert naive == pytest.approx(record.baselines["naive"]["RMSE"], rel=1e-5)
