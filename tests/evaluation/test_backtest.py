import functools
import itertools
import json
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import stages.backtest
import stages.ingest
from spline_lstm.core.errors import (
    ArtifactError,
    DataContractError,
    DivergedError,
    TooLittleDataError,
)
from spline_lstm.core.parallel import ENGINES, Work, run_all
from spline_lstm.core.params import BacktestParams, Params, with_values
from spline_lstm.core.params_file import params_text
from spline_lstm.evaluation.backtest import (
    backtest,
    backtest_content,
    backtest_table,
    fold_jobs,
    run_fold,
)
from spline_lstm.evaluation.coverage import coverage_content
from spline_lstm.evaluation.folds import fold_params, make_folds
from spline_lstm.inference.arguments import params_of
from spline_lstm.inference.intervals import conformal_bounds
from spline_lstm.models.combined import Combination
from spline_lstm.training.fit import fit_table
from tests.builders import HOUR, HOURLY, ROOT, START, hours, make_schema, make_table

SCHEMA = make_schema(series_col="shop")
ROWS, TEST = 200, 20
CHANGES = {
    "window.lookback": 6,
    "window.horizon": 2,
    "model.hidden": [3],
    "train.max_epochs": 1,
    "train.batch_size": 16,
    "backtest.folds": 2,
    "backtest.test": TEST / ROWS,
    "backtest.stride": 1,
    "backtest.max_epochs": 1,
}


def backtest_params(**changes) -> BacktestParams:
    values = {
        "strategy": "expanding",
        "folds": 3,
        "test": 0.2,
        "validation": 0.25,
        "embargo": None,
        "stride": None,
    }
    return BacktestParams(**{**values, "max_epochs": None, **changes})


def wave(rows: int = ROWS) -> np.ndarray:
    return np.sin(np.arange(rows) / 4) * 10 + np.cos(np.arange(rows) * 2.3)


def table(late=None):
    """Two shops; with `late`, other values of both from that row on."""
    values = wave()
    if late is not None:
        values = np.where(np.arange(ROWS) >= late, values * 9 + 500, values)
    return make_table({"a": (hours(ROWS), values), "b": (hours(ROWS)[10:], values[10:] + 40)})


@functools.cache
def results():
    """Params, and the results of both folds, run in this process."""
    params = params_of(None, CHANGES)
    return params, [run_fold(job) for job in fold_jobs(table(), SCHEMA, params, ROOT)]


@settings(max_examples=60)
# Rounded up, the tests of all folds would be the whole table.
@example(rows=40, count=5, share=0.1875, strategy="expanding")
@given(
    rows=st.integers(40, 400),
    count=st.integers(1, 5),
    share=st.floats(0.02, 0.19),
    strategy=st.sampled_from(["expanding", "rolling"]),
)
def test_folds_walk_to_the_end_of_the_data_without_overlap(rows, count, share, strategy):
    params = backtest_params(folds=count, test=share, strategy=strategy)
    timestamps = hours(rows)
    folds = make_folds(HOURLY, 0, rows, params)
    length = min(round(share * rows), (rows - 1) // count) * HOUR
    assert len(folds) == count
    assert folds[-1].end == timestamps[-1] + HOUR
    assert [fold.end - fold.test for fold in folds] == [length] * count
    assert all(earlier.end == later.test for earlier, later in itertools.pairwise(folds))
    assert all(fold.start < fold.validation <= fold.test for fold in folds)
    spans = {fold.test - fold.start for fold in folds}
    if strategy == "rolling":
        assert len(spans) == 1
    else:
        assert {fold.start for fold in folds} == {int(timestamps[0])}


def test_a_fold_takes_what_the_backtest_says_and_else_what_the_pipeline_says():
    own = {"window.embargo": 4, "train.max_epochs": 9}
    base = params_of({"backtest.max_epochs": None}, {**CHANGES, **own, "backtest.max_epochs": None})
    assert fold_params(base).window.embargo == 4
    assert fold_params(base).train == base.train
    changed = fold_params(
        params_of(base, {"backtest.embargo": 1, "backtest.stride": 3, "backtest.max_epochs": 2})
    )
    assert (changed.window.embargo, changed.window.stride, changed.train.max_epochs) == (1, 3, 2)


@pytest.mark.slow
def test_a_fold_in_a_process_of_its_own_gives_the_same_bits():
    params, expected = results()
    jobs = fold_jobs(table(), SCHEMA, params, ROOT)[:1]
    (found,) = run_all(Work(run_fold, jobs, ["fold 1"], is_fresh=True), params.run, "test")
    assert content_of(found) == content_of(expected[0])


def test_later_data_change_nothing_of_an_earlier_fold():
    params, (expected, _) = results()
    first, second = fold_jobs(table(late=ROWS - TEST), SCHEMA, params, ROOT)
    assert content_of(run_fold(first)) == content_of(expected)
    assert second.source.values.max() > 400


def content_of(value):
    """Everything in nested dataclasses, arrays as bytes."""
    if is_dataclass(value):
        return [content_of(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, dict | list | tuple):
        return [content_of(item) for item in (value.values() if isinstance(value, dict) else value)]
    return value.tobytes() if isinstance(value, np.ndarray) else value


def test_every_test_row_is_scored_and_figures_are_pooled_over_windows():
    params, found = results()
    # Each shop has an origin in every row of a test split after the embargo, except the last rows
    # of the horizon.
    assert [result.windows["test"] for result in found] == [2 * (TEST - 2 - 1)] * 2
    content = backtest_content(found, params, ("y",))
    mse = [fold["mse"] for fold in content["folds"]]
    assert content["backtest_mse"] == pytest.approx(np.mean(mse))
    assert content["backtest_rmse"] == pytest.approx(np.sqrt(np.mean(mse)))
    assert content["backtest_n_windows"] == sum(fold["n_windows"] for fold in content["folds"])
    assert content["folds"][1]["test_start"] == "2020-01-08T12:00:00Z"
    rows = backtest_table(found)
    assert rows[["fold", "step"]].to_numpy().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    by_fold = rows.groupby("fold")["model"].apply(lambda values: np.mean(values**2)).tolist()
    assert by_fold == pytest.approx(mse)


def test_naive_errors_of_a_fold_are_those_of_its_own_test_rows():
    _, found = results()
    values = wave()
    origins = np.arange(ROWS - TEST + 2, ROWS - 1)
    expected = np.sqrt(np.mean((values[origins] - values[origins - 1]) ** 2))
    assert backtest_table(found).loc[2, "naive"] == pytest.approx(expected, rel=1e-5)


def test_a_fold_without_a_window_says_so():
    params = params_of(None, CHANGES | {"backtest.test": 0.005})
    with pytest.raises(TooLittleDataError, match="^the test split has no window"):
        run_fold(fold_jobs(table(), SCHEMA, params, ROOT)[1])


def test_a_fold_that_diverges_or_breaks_the_contract_says_which_it_is():
    params = params_of(None, CHANGES | {"train.learning_rate": 1e30, "train.clip_norm": 1e30})
    with pytest.raises(DivergedError, match=r"^step \d+: the training loss is nan"):
        run_fold(fold_jobs(table(), SCHEMA, params, ROOT)[0])
    params = params_of(None, CHANGES | {"preprocess.min_rows": 1000, "run.workers": 1})
    # In a process of its own, as the stage runs it.
    with pytest.raises(DataContractError) as error:
        backtest(table(), SCHEMA, params, ROOT)
    assert error.value.lines
    assert all(line.startswith("backtest fold 1: its rows: ") for line in error.value.lines)


def test_no_fold_sees_rows_from_the_third_date_of_the_split_on():
    dates = ("2020-01-04", "2020-01-05", "2020-01-07 04:00")
    params = params_of(None, CHANGES | {"preprocess.split.dates": dates})
    end = START + 148 * HOUR
    jobs = fold_jobs(table(), SCHEMA, params, ROOT)
    assert jobs[-1].fold.end == end
    assert max(job.source.timestamps.max() for job in jobs) == end - HOUR
    two = params_of(None, CHANGES | {"preprocess.split.dates": dates[:2]})
    assert fold_jobs(table(), SCHEMA, two, ROOT)[-1].fold.end == START + ROWS * HOUR


def test_the_stage_says_by_how_much_a_model_loses(tmp_path, monkeypatch):
    params, found = results()
    (tmp_path / "params.yaml").write_text(
        params_of(params, {"data.schema_file": "schema.json"}).model_dump_json()
    )
    (tmp_path / "schema.json").write_text(SCHEMA.model_dump_json())
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/series.csv").write_text("time,shop,y\n2020-01-01,a,1\n2020-01-01,b,1\n")
    monkeypatch.setattr("spline_lstm.evaluation.backtest.backtest", lambda *arguments: found)
    text = stages.backtest.main(tmp_path)
    content = json.loads((tmp_path / "metrics/backtest.json").read_text())
    # A network of three units after one epoch.
    assert not content["backtest_beats_baselines"]
    assert text.startswith("2 folds, RMSE ")
    assert (
        "; over all of them the model LOSES TO seasonal naive, drift, ridge: RMSE 2.940 against "
        in text
    )
    assert text.endswith(
        f" of the best baseline, {content['backtest_best_baseline']}; 2 folds lost to a baseline"
    )
    assert "below" not in text


def panel_folder(folder, partition_rows):
    """Three shops, the last of which opens after the first fold."""
    folder.mkdir()
    times = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    frame = pd.concat(
        pd.DataFrame({"time": times, "shop": shop, "y": values})
        for shop, values in zip("abc", (wave(), wave() + 40, wave()[::-1]), strict=True)
    )
    opens = times[ROWS - TEST - 30]
    frame = frame[(frame["shop"] != "c") | (frame["time"] >= opens)]
    frame.to_parquet(folder / "panel.parquet", index=False)
    schema = {"version": 1, "timestamp_col": "time", "series_col": "shop", "target_cols": ["y"]}
    (folder / "schema.json").write_text(json.dumps(schema))
    values = {
        **CHANGES,
        "data.source": "panel.parquet",
        "data.schema_file": "schema.json",
        "data.partition_rows": partition_rows,
        "preprocess.frequency": "1h",
        "backtest.adaptive_intervals": 0.05,
    }
    (folder / "params.yaml").write_text(params_text(with_values(Params(), values, "test")))
    stages.ingest.main(folder)
    return folder


@pytest.mark.slow
def test_folds_of_a_panel_in_partitions_are_those_of_one_table(tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, "local", ("tests.in_process", "in_process"))
    one, same, many = (panel_folder(tmp_path / str(rows), rows) for rows in (None, 10**6, ROWS))
    lines = [stages.backtest.main(folder) for folder in (one, same, many)]
    metrics = [(folder / "metrics/backtest.json").read_text() for folder in (one, same, many)]
    assert (lines[0], metrics[0]) == (lines[1], metrics[1])
    assert len(list((many / "data/raw/series").glob("part-*"))) == 3
    assert not [*many.glob("data/**/.tmp*")]
    expected, found = json.loads(metrics[0]), json.loads(metrics[2])
    for name, value in found.items():
        if isinstance(value, float):
            assert value == pytest.approx(expected[name], rel=1e-3), name
    for old, new in zip(expected["folds"], found["folds"], strict=True):
        assert old["test_windows"] == new["test_windows"] > 0
        assert old["test_start"] == new["test_start"]
        assert old["rmse"] == pytest.approx(new["rmse"], rel=1e-3)


def test_a_task_that_needs_all_rows_at_once_says_so_of_partitions(tmp_path):
    (tmp_path / "data/raw/series").mkdir(parents=True)
    params = params_of(None, CHANGES).model_copy(update={"task": "direction"})
    with pytest.raises(ArtifactError, match="is in partitions, but this needs all of it at once"):
        stages.backtest.source_of(tmp_path, SCHEMA, params)


def test_a_fold_that_fails_leaves_no_arrays(tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, "local", ("tests.in_process", "in_process"))
    folder = panel_folder(tmp_path / "panel", ROWS)

    def diverge(*arguments, **options):
        raise DivergedError("the loss is not a number")

    monkeypatch.setattr("spline_lstm.evaluation.fold_run.fit_windows", diverge)
    with pytest.raises(DivergedError, match="backtest fold 1: the loss"):
        stages.backtest.main(folder)
    assert not [*folder.glob("data/**/.tmp*")]
    assert not (folder / "metrics/backtest.json").exists()


def test_adaptive_intervals_are_scored_beside_the_fixed_ones():
    params = params_of(None, CHANGES | {"backtest.adaptive_intervals": 0.05})
    found = [run_fold(job) for job in fold_jobs(table(), SCHEMA, params, ROOT)]
    content, fixed = backtest_content(found, params, ("y",)), backtest_content(*_fixed(), ("y",))
    names = {f"adaptive_{name}_{level}" for name in MEASURES for level in (80, 95)}
    assert set(content) - set(fixed) == {f"backtest_{name}" for name in names}
    assert set(content["folds"][0]) - set(fixed["folds"][0]) == names
    counts = [result.adaptive.count for result in found]
    pooled = np.average([fold["adaptive_width_80"] for fold in content["folds"]], weights=counts)
    assert content["backtest_adaptive_width_80"] == pytest.approx(pooled)
    # Nothing else changes.
    assert {name: content[name] for name in fixed if name != "folds"} == {
        name: value for name, value in fixed.items() if name != "folds"
    }


MEASURES = ("coverage", "width", "winkler")


def _fixed():
    params, found = results()
    return found, params


COMBINED = {
    "model.linear_skip": "frozen",
    "model.seasonal_skip": True,
    "model.stack": "shrunk",
    "train.loss": "huber",
    "train.huber_delta": "residual",
}


def combined_by_hand(model, windows):
    """Forecasts of the test windows: linear, plus a share of what the network adds, and stacked."""
    batch = windows.gather("test")
    history, arrays = windows.history(batch), model.weights
    combination = Combination.of(arrays, model.config)
    linear = combination.linear(history, batch.series)
    scores = windows.target_scaler.transform(linear, batch.series).astype(np.float32)
    added = model.outputs(batch.X, None, None, scores.reshape(len(scores), -1)).point
    addition = added.astype(np.float64) * windows.target_scaler.scale
    members = [linear, linear + addition, np.repeat(history[:, -1:], windows.horizon, axis=1)]
    for season in model.config.seasons:
        back = windows.lookback - season + np.arange(windows.horizon) % season
        members.append(history[:, back])
    return np.einsum("tm,mnht->nht", arrays["stack.weights"], np.stack(members)), batch


def test_a_fold_scores_the_combined_forecast_and_its_intervals():
    params = params_of(None, CHANGES | COMBINED | {"window.lookback": 30})
    job = fold_jobs(table(), SCHEMA, params, ROOT)[1]
    result = run_fold(job)
    fit = fit_table(
        job.source,
        SCHEMA,
        job.params,
        where="table",
        clock=job.clock,
        instants=np.array([job.fold.validation, job.fold.test]),
    )
    point, batch = combined_by_hand(fit.model, fit.windows)
    truth = fit.windows.labels(batch)
    mse = backtest_content([result], params, ("y",))["backtest_mse"]
    assert mse == pytest.approx(np.nanmean((point - truth) ** 2), rel=1e-4)
    lower, upper = conformal_bounds(
        point, result.intervals, batch.series, fit.windows.history(batch)
    )
    inside = ((lower <= truth[..., None]) & (truth[..., None] <= upper)).mean(axis=(0, 1, 2))
    covered = coverage_content(result.coverage, result.intervals, ("y",))
    assert [covered["coverage_80"], covered["coverage_95"]] == pytest.approx(100 * inside)


def test_each_fold_says_how_much_of_its_inputs_was_missing():
    values = wave()
    kept = ~np.isin(np.arange(ROWS), [*range(164, 172), *range(184, 192)])
    gappy = make_table({"a": (hours(ROWS)[kept], values[kept])})
    changes = {"window.max_missing_inputs": 0.9, "preprocess.max_gap": 2}
    params = params_of(None, CHANGES | changes)
    found = [run_fold(job) for job in fold_jobs(gappy, SCHEMA, params, ROOT)]
    assert [result.missing_inputs > 0 for result in found] == [True, True]
    content = backtest_content(found, params, ("y",))
    assert [fold["missing_inputs"] for fold in content["folds"]] == [
        result.missing_inputs for result in found
    ]
    weights = [result.windows["test"] for result in found]
    pooled = np.average([result.missing_inputs for result in found], weights=weights)
    assert content["backtest_missing_inputs"] == pytest.approx(pooled)
    assert all(result.missing_inputs == 0.0 for result in results()[1])
