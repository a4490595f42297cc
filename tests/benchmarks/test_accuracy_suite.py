"""Arithmetic of the accuracy suite on small invented series."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from benchmarks import accuracy_peers, accuracy_suite
from benchmarks.accuracy_runs import Runs, key_of, save_task
from benchmarks.accuracy_suite import (
    Task,
    judge_forecasts,
    read_peers,
    with_timestamps,
)
from benchmarks.accuracy_table import (
    Result,
    error,
    geometric_mean,
    markdown,
    panel_metrics,
    rmse,
    sign_test,
)
from spline_lstm.evaluation.baselines import naive, seasonal_naive
from spline_lstm.models.linear_moments import Series

ROWS, HORIZON, SEASON, LOOKBACK = 300, 3, 6, 12
TRAIN = np.arange(LOOKBACK, 200)
VALIDATION, TEST = np.arange(205, 245), np.arange(250, ROWS - HORIZON + 1)


def wave(seed=0):
    noise = np.random.default_rng(seed).normal(size=ROWS)
    return 10 + 3 * np.sin(2 * np.pi * np.arange(ROWS) / SEASON) + 0.3 * noise


def task(values=None):
    values = wave() if values is None else values
    series = Series(values, np.array([0, ROWS]), np.arange(ROWS) < 200)
    splits = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    return Task(series, splits, (SEASON,), HORIZON, LOOKBACK)


def result(name="a", runs=(0.5, 0.4, 0.9), panel=None):
    return Result(
        name, 9, {"naive": 1.0, "ridge": 0.8}, runs, "beats", (3.0, 5.0, 4.0), panel or {}
    )


def test_the_baselines_are_those_of_the_evaluation():
    values, found = wave(), task().baselines()
    history = values[TEST[:, None] + np.arange(-SEASON, 0)][..., None]
    np.testing.assert_allclose(found["naive"], naive(history, HORIZON)[..., 0])
    expected = seasonal_naive(history, HORIZON, SEASON)[..., 0]
    np.testing.assert_allclose(found["seasonal naive 6"], expected)
    truth = values[TEST[:, None] + np.arange(HORIZON)]
    assert np.mean((found["ridge"] - truth) ** 2) < np.mean((expected - truth) ** 2)


def test_a_missing_row_is_carried_forward():
    values = wave()
    values[TEST[0] - 1] = np.nan
    assert task(values).repeat(0)[0, 0] == values[TEST[0] - 2]


def test_no_label_changes_a_baseline():
    values = wave()
    other = values.copy()
    other[TEST[0] :] = 99.0
    for name, forecast in task(values).baselines().items():
        np.testing.assert_array_equal(forecast[0], task(other).baselines()[name][0])


def test_errors_leave_out_what_was_not_observed():
    truth = np.array([[1.0, np.nan], [3.0, 5.0]])
    assert rmse(np.zeros((2, 2)), truth, np.array([1.0, 2.0])) == pytest.approx(
        np.sqrt((1 + 1.5**2 + 2.5**2) / 3)
    )


def test_series_of_a_panel_count_the_same_in_the_error():
    truth, spread = np.zeros((3, 1)), np.ones(3)
    forecast = np.array([[1.0], [1.0], [4.0]])
    assert error(forecast, truth, spread, np.array([0, 0, 1])) == pytest.approx(2.0)
    assert error(forecast, truth, spread, np.zeros(3, int)) == pytest.approx(np.sqrt(6))


def test_the_ratio_is_that_of_the_median_seed_to_the_best_baseline():
    assert result().best == "ridge"
    assert result().ratio == pytest.approx(0.5 / 0.8)


@pytest.mark.parametrize("below", [0, 3, 8, 12])
def test_the_sign_test_is_that_of_scipy(below):
    ratios = [0.9] * below + [1.1] * (12 - below) + [1.0]
    assert sign_test(ratios) == pytest.approx(binomtest(below, 12).pvalue)


def test_every_series_of_a_panel_counts_the_same():
    truth = np.array([[1.0, 2.0], [100.0, 200.0]])
    forecast, seasonal = truth * [[1.1], [1.2]], truth * [[1.2], [1.1]]
    found = panel_metrics(forecast, truth, seasonal, np.array([0, 1]), np.array([0.5, 50.0]))
    assert found["RMSE / seasonal naive"] == pytest.approx(1.0)
    assert found["sMAPE"] == pytest.approx(np.mean([200 * 0.1 / 2.1, 200 * 0.2 / 2.2]))
    assert found["MASE"] == pytest.approx(np.mean([0.15 / 0.5, 30 / 50]))


def test_the_table_names_the_worst_and_counts():
    table = markdown([result(), result("b", (1.0, 1.0, 1.0), {"MASE": 0.7})])
    assert "| a | 9 | ridge | 0.625 | 0.625 0.500 1.125 | 4 | beats |" in table
    mean = geometric_mean([0.625, 1.25])
    assert f"Geometric mean {mean:.3f}, worst 1.250 (b), above 1.02: 1 of 2" in table
    assert "b, each series counts the same: MASE 0.700" in table


def test_peers_are_judged_on_the_same_windows(tmp_path):
    truth = task().truth
    rows = [
        {"peer": "close", "window": w, "step": h, "value": truth[w, h] + 0.5}
        for w in range(len(truth))
        for h in range(HORIZON)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "x.csv", index=False)
    peers = read_peers(tmp_path, tmp_path / "x.csv", len(truth))
    made = Runs("", (truth + 1)[None], ("9 test windows: good",), (1.0,))
    found = judge_forecasts("x", task(), made, peers)
    assert found.peers["close"] == pytest.approx(2)
    assert found.verdict == "good"
    assert read_peers(None, tmp_path / "x.csv", len(truth)) == {}


def test_a_peer_is_judged_on_the_windows_that_it_forecast(tmp_path):
    truth = task().truth
    rows = [{"peer": "few", "window": 4, "step": h, "value": truth[4, h] + 1} for h in range(3)]
    pd.DataFrame(rows).to_csv(tmp_path / "x.csv", index=False)
    peers = read_peers(tmp_path, tmp_path / "x.csv", len(truth))
    forecast = truth + 9
    forecast[4] = truth[4] + 0.5
    made = Runs("", forecast[None], ("good",), (1.0,))
    assert judge_forecasts("x", task(), made, peers).peers["few"] == pytest.approx(0.5)


def test_the_best_peer_is_that_with_the_least_error():
    found = replace(result(), peers={"weak": 0.2, "strong": 1.004})
    assert found.against == ("strong", 1.004)
    assert replace(found, peers={"weak": 0.2}).against == ("ridge", found.ratio)
    table = markdown([found, replace(found, name="b", peers={"weak": 0.4})])
    assert "| a | 1.004 | 0.200 | 0.625 | strong | 1.004 |" in table
    assert "| b |  | 0.400 | 0.625 | ridge | 0.625 |" in table
    assert "ahead on 1 of 2, worse by at most 0.5% on 1" in table
    assert "strong 1.004 (0 of 1), weak 0.283 (2 of 2)" in table


def test_runs_are_read_again_if_nothing_changed(tmp_path):
    key = key_of([0], {"train.max_steps": 9})
    made = Runs(key, np.arange(6.0).reshape(1, 2, 3), ("good",), (2.5,))
    made.save(tmp_path, "x")
    found = Runs.read(tmp_path, "x", key)
    assert found is not None
    np.testing.assert_array_equal(found.forecasts, made.forecasts)
    assert (found.verdicts, found.seconds) == (made.verdicts, made.seconds)
    assert Runs.read(tmp_path, "x", key_of([1], {"train.max_steps": 9})) is None
    assert Runs.read(tmp_path, "y", key) is None


def test_an_interrupted_call_with_other_params_leaves_no_runs_of_another_pipeline(
    tmp_path, monkeypatch
):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(accuracy_suite, "run_pipeline", interrupted)
    key = key_of([0], {})
    Runs(key, np.ones((1, 2, 3)), ("good",), (2.5,)).save(tmp_path, "x")
    with pytest.raises(KeyboardInterrupt):
        accuracy_suite.measure(tmp_path / "x.csv", tmp_path, [0], {"model.type": "linear"}, None)
    assert Runs.read(tmp_path, "x", key) is None


def test_forecasts_of_a_peer_are_kept_when_the_next_one_fails(tmp_path, monkeypatch):
    def forecast(peer, task):
        if peer == "LSTM":
            raise MemoryError
        return np.array([0, 2]), np.ones((2, HORIZON))

    monkeypatch.setattr(accuracy_peers, "neural", forecast)
    save_task(tmp_path, "x", task().arrays())
    target = tmp_path / "x.csv"
    with pytest.raises(MemoryError):
        accuracy_peers.add(tmp_path / "tasks/x.npz", target, ["NHITS", "LSTM"])
    assert set(pd.read_csv(target)["peer"]) == {"NHITS"}
    accuracy_peers.add(tmp_path / "tasks/x.npz", target, ["NHITS", "NLinear"])
    assert pd.read_csv(target)["peer"].value_counts().to_dict() == {
        "NHITS": 2 * HORIZON,
        "NLinear": 2 * HORIZON,
    }
    assert not [*tmp_path.glob("*.part")]


def test_a_peer_reads_the_task_that_the_suite_keeps(tmp_path):
    values = wave()
    values[100] = np.nan
    save_task(tmp_path, "x", task(values).arrays())
    found = accuracy_peers.Task.read(tmp_path / "tasks/x.npz")
    assert (found.horizon, found.lookback, found.seasons) == (HORIZON, LOOKBACK, (SEASON,))
    scores, center, scale = found.z_scores()
    assert scores[100] == scores[99]
    np.testing.assert_allclose(scores[TEST] * scale + center, values[TEST])
    assert scores[:200][np.arange(200) != 100].std() == pytest.approx(1)
    chosen = replace(found, test=np.arange(20, 280)).sample(200)
    assert (len(chosen), chosen[0], chosen[-1]) == (200, 0, 259)
    table = accuracy_peers.rows_of("p", np.array([0, 7]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert table[["window", "step"]].to_numpy().tolist() == [[0, 0], [0, 1], [7, 0], [7, 1]]


def test_a_file_with_a_known_step_gets_timestamps(tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data/taylor.csv"
    path.write_text("Y\n1\n2\n")
    table = pd.read_csv(with_timestamps(path, tmp_path))
    assert table["timestamp"].tolist() == ["2020-01-06 00:00:00", "2020-01-06 00:30:00"]
    assert with_timestamps(tmp_path / "other.csv", tmp_path) == tmp_path / "other.csv"
