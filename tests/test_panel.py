"""Preprocessing of panels: shapes, known-future and static inputs, scaling per series, dates."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params_data import DriftParams, OutliersParams, SplitParams
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import json_schema, load_schema
from spline_lstm.series.preprocess import preprocess
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.windows.origins import find_origins
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import Windows, make_windows
from tests.builders import (
    HOUR,
    HOURLY,
    ROOT,
    START,
    hours,
    make_preprocess_params,
    make_schema,
    make_table,
    make_window_params,
)
from tests.evaluation.test_leakage import SCHEMA, panel, preprocess_params


def test_thirty_rows_of_three_features_give_24_windows():
    values = np.column_stack([np.sin(np.arange(30.0)), np.arange(30.0), np.cos(np.arange(30.0))])
    table = make_table({"": (hours(30), values)}, ("y", "a", "b"))
    schema = make_schema(dynamic_covariates=[{"name": "a"}, {"name": "b"}])
    result = preprocess(
        table, schema, make_preprocess_params(feature_mode="multivariate"), where="x"
    )
    origins = find_origins(result.arrays, 5, 2)
    windows = Windows(
        result.arrays,
        result.preprocessor.scaler,
        HOURLY,
        5,
        2,
        origins,
        np.zeros(len(origins), np.uint8),
    )
    batch = windows.gather("train")
    assert batch.X.shape == (24, 5, 3)
    assert batch.y.shape == (24, 2)
    expected = np.lib.stride_tricks.sliding_window_view(values[5:, 0], 2)
    np.testing.assert_allclose(windows.to_data_units(batch.y)[:, :, 0], expected, atol=1e-6)


def test_no_window_crosses_a_hole_of_48_hours():
    timestamps = hours(300)[np.r_[0:150, 198:300]]
    result = preprocess(make_table({"": (timestamps, np.sin(timestamps / HOUR))}), make_schema(),
                        make_preprocess_params(max_gap=6), where="x")  # fmt: skip
    for origin in find_origins(result.arrays, 5, 2):
        window = result.arrays.timestamps[origin - 5 : origin]
        assert not ((window >= timestamps[149] + 7 * HOUR) & (window < timestamps[150])).any()


def test_known_future_and_static_inputs_are_those_of_the_raw_table():
    table, params = panel(), preprocess_params()
    result = preprocess(table, SCHEMA, params, where="panel")
    windows = make_windows(
        result.arrays,
        result.preprocessor.scaler,
        HOURLY,
        make_window_params(lookback=12, horizon=4),
    )
    batch = windows.gather("test")
    assert windows.future_names == ("promo", "hour_sin", "is_holiday")
    assert batch.X_future.shape == (len(batch.y), 4, 3)
    assert not np.isnan(batch.X_future).any()
    hour = (batch.origin_time[:, None] + HOUR * np.arange(4)) % (24 * HOUR) / (24 * HOUR)
    np.testing.assert_allclose(batch.X_future[:, :, 1], np.sin(2 * np.pi * hour), atol=1e-6)
    regions = result.preprocessor.statics["region"]
    for series, ids in zip(batch.series, batch.X_static, strict=True):
        assert regions[ids[0] - 1] == table.statics["region"][series]
    assert result.preprocessor.to_json()["statics_embedded"] == [
        {"name": "region", "size": 3, "dim": 2},
        {"name": "store_id", "size": 4, "dim": 2},
    ]


def test_scaling_per_series_uses_the_training_rows_of_each_and_is_undone_exactly():
    table = panel()
    params = preprocess_params(outliers=OutliersParams(method="off", window=24, threshold=5.0))
    result = preprocess(table, SCHEMA, params, where="panel")
    arrays, scaler = result.arrays, result.preprocessor.scaler
    for series in range(3):
        rows = (arrays.row_series == series) & (arrays.timestamps < arrays.split_instants[0])
        assert scaler.center[series, 0] == pytest.approx(np.nanmean(arrays.raw_target[rows]))
    windows = make_windows(arrays, scaler, HOURLY, make_window_params())
    batch = windows.gather("validation")
    truth = arrays.raw_target[batch.origin[:, None] + np.arange(2)].reshape(len(batch.y), -1)
    undone = windows.to_data_units(batch.y, batch.series).reshape(truth.shape)
    np.testing.assert_allclose(undone[batch.mask], truth[batch.mask], rtol=1e-5)


def test_what_was_fitted_survives_json():
    fitted = preprocess(panel(), SCHEMA, preprocess_params(), where="panel").preprocessor
    content = json.loads(json.dumps(fitted.to_json()))
    assert Preprocessor.from_json(content).to_json() == content
    assert Preprocessor.from_json(content).identified().run_id == fitted.run_id


def test_dates_split_every_series_at_the_same_instants():
    split = SplitParams(train=0.7, validation=0.15, dates=("2020-01-05", "2020-01-08 06:30"))
    table = make_table(
        {"a": (hours(240), np.sin(np.arange(240))), "b": (hours(240)[50:], np.cos(np.arange(190)))}
    )
    arrays = preprocess(
        table, make_schema(series_col="s"), make_preprocess_params(split=split), where="x"
    ).arrays
    # Half past six lies between two rows: the later one counts.
    assert arrays.split_instants.tolist() == [START + 96 * HOUR, START + 175 * HOUR]


def test_a_third_date_ends_the_test_part():
    table = make_table(
        {"a": (hours(240), np.sin(np.arange(240))), "b": (hours(240)[50:], np.cos(np.arange(190)))}
    )
    dates = ("2020-01-05", "2020-01-07", "2020-01-08 06:30")
    params = make_preprocess_params(split=SplitParams(train=0.7, validation=0.15, dates=dates))
    result = preprocess(table, make_schema(series_col="s"), params, where="x")
    assert result.arrays.split_instants.tolist() == [
        START + 96 * HOUR,
        START + 144 * HOUR,
        START + 175 * HOUR,
    ]
    windows = make_windows(
        result.arrays, result.preprocessor.scaler, HOURLY, make_window_params(embargo=0)
    )
    labels = windows.splits["test"][:, None] + np.arange(windows.horizon)
    timestamps = result.arrays.timestamps[labels]
    # Two series, the horizon inside the part: all windows of its 31 rows and none behind them.
    assert len(timestamps) == 2 * (31 - windows.horizon + 1)
    assert timestamps.min() == START + 144 * HOUR
    assert timestamps.max() == START + 174 * HOUR


def test_rows_behind_the_test_part_change_nothing():
    split = SplitParams(
        train=0.7, validation=0.15, dates=("2020-01-05", "2020-01-07", "2020-01-08")
    )
    values = np.sin(np.arange(240.0))
    shifted = np.where(np.arange(240) >= 168, 1e6, values)
    params = make_preprocess_params(split=split)
    made = [
        preprocess(make_table({"": (hours(240), column)}), make_schema(), params, where="x")
        for column in (values, shifted)
    ]
    assert made[0].quality["drift"] == made[1].quality["drift"]
    assert made[0].preprocessor.to_json() == made[1].preprocessor.to_json()


def test_every_broken_limit_is_reported():
    values = np.full(200, 3.0)
    values[20:120] = np.nan
    params = make_preprocess_params(max_missing=0.3, longest_gap=10)
    with pytest.raises(DataContractError) as caught:
        preprocess(make_table({"": (hours(200), values)}), make_schema(), params, where="x")
    assert [item["rule"] for item in caught.value.quality["violations"]] == [
        "max_missing",
        "longest_gap",
        "constant",
    ]
    assert len(caught.value.lines) == 3
    assert caught.value.quality["columns"][0]["longest_gap_steps"] == 100


def test_drift_beyond_a_limit_is_a_warning():
    values = np.sin(np.arange(400.0))
    values[300:] += 5
    params = make_preprocess_params(drift=DriftParams(mean_shift=1.0, std_ratio=9, psi=99, ks=1))
    quality = preprocess(
        make_table({"": (hours(400), values)}), make_schema(), params, where="x"
    ).quality
    assert any(text.startswith("test: y: mean_shift") for text in quality["warnings"])


def test_the_json_schema_for_editors_is_current():
    assert (ROOT / "configs/covariates.schema.json").read_text() == json_schema()


def test_a_failed_stage_leaves_the_violations_and_nothing_else(tmp_path):
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text().replace("bokeh_sampledata/CGM", "data/source/x.csv")
    )
    (tmp_path / "configs/covariates").mkdir(parents=True)
    (tmp_path / "configs/covariates/glucose.json").write_text(
        (ROOT / "configs/covariates/glucose.json").read_text()
    )
    (tmp_path / "data/source").mkdir(parents=True)
    (tmp_path / "data/source/x.csv").write_text(
        "datetime,glucose,isig\n2020-01-02,1,x\n2020-01-01,inf,2\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "stages.ingest", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 12
    lines = run.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("12 data contract: data/source/x.csv row ") for line in lines)
    report = json.loads((tmp_path / "metrics/ingest.json").read_text())
    assert [item["rows"] for item in report["violations"]] == [[3], [2], [3]]
    assert not (tmp_path / "data/raw").exists()


def test_the_schema_of_the_stores_fits_its_data():
    schema = load_schema(Path(ROOT / "pipelines/stores/schema.json"))
    content = b"store_id,timestamp,demand,temp,promo,region\nS00,2020-01-01,1,2,0,north\n"
    assert read_raw_table(
        content, schema, where="x", reading=Reading(duplicates="last")
    ).columns == (
        "demand",
        "temp",
        "promo",
    )
