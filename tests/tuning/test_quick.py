"""The quick grid on small invented series."""

import csv
import io
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import DivergedError
from spline_lstm.core.params import Params, load_params, with_values
from spline_lstm.tuning import quick, quick_outputs
from spline_lstm.tuning.judge import Comparison, Units, compare, validation_errors
from spline_lstm.tuning.outputs import PATCH, TABLE
from spline_lstm.tuning.quick import (
    SETTINGS,
    QuickChoice,
    QuickTrial,
    quick_search,
    shortened,
)
from spline_lstm.tuning.trainings import Trainings, before_test
from tests.builders import ROOT, hours, make_schema, make_table

SCHEMA, ROWS = make_schema(), 400
LINEAR = {
    "preprocess.frequency": "1h",
    "model.type": "linear",
    "window.lookback": 12,
    "window.horizon": 2,
}
NETWORK = {
    "preprocess.frequency": "1h",
    "window.lookback": 12,
    "window.horizon": 2,
    "model.hidden": [3],
    "model.segment": 2,
    "train.max_epochs": None,
    "train.patience": None,
    "train.max_steps": 20,
    "train.eval_steps": 10,
}
TEST_START = round(0.85 * ROWS)


def wave(rows=ROWS):
    """A season of 24 hours, with noise."""
    noise = np.random.default_rng(1).normal(size=rows)
    return 20 + 5 * np.sin(np.arange(rows) * np.pi / 12) + noise


def trainings(values, params, rows=ROWS):
    return Trainings(before_test(make_table({"": (hours(rows), values)}), SCHEMA, params))


def run(values, changes, rows=ROWS):
    params, seen = with_values(Params(), changes, "test"), []
    choice = quick_search(trainings(values, params, rows), params, seen.append)
    assert seen == choice.trials
    return choice


def test_no_test_row_is_read():
    params = with_values(Params(), LINEAR, "test")
    late = np.where(np.arange(ROWS) >= TEST_START, 1e9, wave())
    material = trainings(late, params).material
    assert len(material.table.timestamps) == TEST_START
    assert material.table.values.max() < 100
    assert quick_outputs.table_text(run(late, LINEAR).trials) == quick_outputs.table_text(
        run(wave(), LINEAR).trials
    )


def test_a_closed_form_tries_only_what_it_reads():
    choice = run(wave(), LINEAR)
    assert [trial.setting for trial in choice.trials] == ["", "lookback", "lookback", "transform"]
    assert [trial.values.get("window.lookback") for trial in choice.trials[:3]] == [None, 6, 24]


@pytest.mark.usefixtures("jobs_in_this_process")
def test_trials_at_once_change_nothing():
    one, many = (run(wave(), {**LINEAR, "tune.at_once": count}) for count in (1, 2))
    assert one.trials == many.trials
    assert one.values == many.values


@pytest.mark.slow
def test_trials_in_other_processes_change_nothing(monkeypatch):
    # Each trial is a process that imports and compiles: those of two settings are enough.
    monkeypatch.setattr(quick, "SETTINGS", {name: SETTINGS[name] for name in ("lookback", "loss")})
    one, many = (run(wave(), {**NETWORK, "tune.at_once": count}) for count in (1, 2))
    assert len(one.trials) > 3
    assert one.trials == many.trials


def test_a_longer_lookback_is_taken_if_the_series_needs_it():
    """White noise repeated after 20 rows: 12 rows of lookback know nothing of it."""
    values = np.tile(np.random.default_rng(0).normal(size=20), 20) * 5 + 20
    values += np.random.default_rng(1).normal(size=ROWS)
    choice = run(values, LINEAR)
    assert choice.values["window.lookback"] == 24
    (taken,) = [trial for trial in choice.trials if trial.setting == "lookback" and trial.chosen]
    assert taken.against.gain > taken.against.error > 0


def test_a_network_tries_every_setting_and_its_errors_are_those_of_numpy(monkeypatch):
    params = with_values(Params(), NETWORK, "test")
    shared = trainings(wave(), params)
    fit = shared.fit(params)
    errors = validation_errors(fit, Units.of(shared.prepared(params)))
    batch = fit.windows.gather("validation")
    scores = fit.model.predict(batch.X) - batch.y
    np.testing.assert_allclose(errors.to_numpy(), (scores**2).mean(axis=1), rtol=1e-4)

    def stand_in(self, params, on_evaluation=None):
        if params.model.normalization == "revin":
            raise DivergedError("not finite")
        return fit

    monkeypatch.setattr(Trainings, "fit", stand_in)
    choice = run(wave(), NETWORK)
    assert {trial.setting for trial in choice.trials} == {"", *SETTINGS}
    (failed,) = [trial for trial in choice.trials if trial.state == "failed"]
    assert (failed.values, failed.reason) == ({"model.normalization": "revin"}, "not finite")
    # The same model everywhere: nothing is better than the present params.
    assert choice.values == {}
    assert "failed (not finite)" in quick_outputs.line_of(failed)


def test_too_few_horizons_of_validation_choose_nothing():
    choice = run(wave(70), LINEAR | {"window.horizon": 3, "window.embargo": 0}, rows=70)
    assert choice.is_too_short
    assert (choice.trials, choice.values) == ([], {})


def test_the_steps_of_a_trial_follow_from_the_size_alone():
    params = with_values(Params(), NETWORK | {"train.max_steps": 9000}, "test")
    prepared = trainings(wave(), params).prepared(params)
    train = shortened(params, prepared).train
    assert (train.max_steps, train.eval_steps) == (1000, 50)
    few = with_values(Params(), NETWORK, "test")
    assert shortened(few, prepared) == few
    large = with_values(
        Params(), NETWORK | {"train.max_steps": 9000, "model.hidden": [2048]}, "test"
    )
    assert shortened(large, prepared).train.max_steps == 200


def test_a_large_table_is_cut_to_its_last_rows():
    params = with_values(Params(), LINEAR, "test")
    names = [f"s{index}" for index in range(30)]
    table = make_table({name: (hours(ROWS), wave()) for name in names})
    material = before_test(table, SCHEMA, params)
    assert material.recent(20_000) is material
    cut = material.recent(1000)
    assert len(cut.table.series_names) == 2
    assert len(cut.table.timestamps) == 2 * TEST_START
    few = material.recent(200)
    assert len(few.table.timestamps) == 200
    assert few.table.timestamps.max() == hours(ROWS)[TEST_START - 1]
    # 15 of 85 parts were validation.
    assert (few.table.timestamps >= few.instants[0]).sum() == round(200 * 15 / 85)


def errors_of(values, names=("",)):
    index = pd.MultiIndex.from_product([names, range(len(values) // len(names))])
    return pd.Series(np.asarray(values, dtype=float), index)


@pytest.mark.parametrize(
    ("gains", "per_horizon", "beyond"),
    [
        ([1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, 1.0], 2, True),
        ([9.0, -8.0, 9.0, -8.0, 9.0, -8.0, 9.0, -8.0], 1, False),
        # Four standard errors, and one.
        ([1.0, 0.2, 1.0, 0.2, 1.0, 0.2, 1.0, 0.2], 1, True),
        ([1.0, -0.4, 1.0, -0.4, 1.0, -0.4, 1.0, -0.4], 1, False),
        # Better, but two blocks tell nothing.
        ([1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, 1.0], 4, False),
    ],
)
def test_a_difference_counts_beyond_two_standard_errors(gains, per_horizon, beyond):
    first = errors_of(np.full(8, 10.0))
    found = compare(first, first - np.array(gains), per_horizon)
    assert found.gain == pytest.approx(np.mean(gains) / 10)
    blocks = np.reshape(gains, (-1, per_horizon)).mean(axis=1)
    assert found.error == pytest.approx(blocks.std(ddof=1) / np.sqrt(len(blocks)) / 10)
    assert found.is_beyond_noise is beyond


def test_only_common_windows_are_compared_and_series_of_an_instant_are_one_block():
    first, second = (
        errors_of(np.arange(12.0), ["a", "b"]),
        errors_of(np.arange(12.0) - 1, ["a", "b"]),
    )
    found = compare(first, second.drop([("a", 0), ("b", 0)]), 1)
    assert found == Comparison(pytest.approx(1 / first.drop([("a", 0), ("b", 0)]).mean()), 0.0, 5)


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (0.2, "squared error -20.0 % +- 10.0 %, taken"),
        (0.0, "squared error +0.0 % +- 10.0 %, not taken"),
        (-0.17, "squared error +17.0 % +- 10.0 %, not taken"),
    ],
)
def test_a_line_says_by_how_much_the_error_changes(gain, said):
    against = Comparison(gain, 0.1, 9)
    values = {"train.loss": "mse"}
    trial = QuickTrial(1, "loss", values, "complete", 0.5, against=against, chosen=gain > 0.1)
    assert quick_outputs.line_of(trial) == f"trial 1: train.loss mse: {said}"


def test_lines_of_the_figure_reach_zero_where_the_gain_may_be_chance():
    trial = QuickTrial(1, "loss", {}, "complete", 0.5, against=Comparison(0.2, 0.1, 9))
    (axes,) = quick_outputs.figure_of([trial]).axes
    ((ends,),) = (bars.get_segments() for bars in axes.collections)
    assert ends[:, 0].tolist() == pytest.approx([0.0, 40.0])
    assert not trial.against.is_beyond_noise


def test_the_patch_and_the_table(tmp_path):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    first = QuickTrial(0, "", {}, "complete", 0.5)
    values = {"model.normalization": "robust", "window.lookback": 48}
    better = replace(
        first, number=1, setting="lookback", values=values, against=Comparison(0.2, 0.1, 9)
    )
    choice = QuickChoice([first, replace(better, chosen=True)], values, 9)
    assert quick_outputs.write(tmp_path, "params.yaml", choice)
    rows = list(csv.DictReader(io.StringIO((tmp_path / TABLE).read_text())))
    assert [row["chosen"] for row in rows] == ["false", "true"]
    assert rows[1]["changes"] == "model.normalization robust, window.lookback 48"
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", PATCH], cwd=tmp_path, check=True)
    patched = (tmp_path / "params.yaml").read_text()
    assert load_params(tmp_path).window.lookback == 48
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    quick_outputs.apply(tmp_path, choice)
    assert (tmp_path / "params.yaml").read_text() == patched
    assert not quick_outputs.write(tmp_path, "params.yaml", QuickChoice([first], {}, 9))
    assert not (tmp_path / PATCH).exists()
