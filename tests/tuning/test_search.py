"""A search of a few trials of tiny networks on a sine."""

import csv
import io
import re
import subprocess
from dataclasses import replace

import numpy as np
import optuna
import pytest
from ruamel.yaml import YAML

from spline_lstm.core.parallel import ENGINES
from spline_lstm.core.params import Params, load_params, with_values
from spline_lstm.core.section import flattened
from spline_lstm.tuning import search as tuning_search
from spline_lstm.tuning.catalog import Choice, Entry, Ranges, load_catalog
from spline_lstm.tuning.judge import validation_index
from spline_lstm.tuning.outputs import COLUMNS, PATCH, TABLE, patch_text, table_text, write
from spline_lstm.tuning.search import (
    FOLDERS,
    Problem,
    Trial,
    best_of,
    search,
    train_with,
    trials_of,
)
from spline_lstm.tuning.space import choice_in, distributions, space_of
from spline_lstm.tuning.study import draw_seed, finished, open_study, trained
from spline_lstm.tuning.trainings import Trainings, before_test
from spline_lstm.tuning.trial_run import Result, is_worse
from tests.builders import ROOT, hours, make_schema, make_table
from tools.import_closure import import_closure

ROWS = 120
AS_THEY_ARE = Choice(
    hidden=(4,),
    dropout=0.0,
    learning_rate=1e-3,
    segment=1,
    normalization="last",
    bidirectional=False,
    batch_size=16,
    lookback=6,
    transform="none",
    combination="none",
)
RANGES = {
    "units": (4, 20),
    "layers": (1, 1),
    "dropout": (0.0, 0.0),
    "learning_rate": (1e-3, 1e-1),
    "segment": (1,),
    "normalization": ("last",),
    "bidirectional": (False,),
    "batch_size": (16,),
    "lookback": (),
    "transform": ("none",),
    "combination": ("none",),
    "smoothing_strength": (0.1, 10.0),
}


def make_problem(seed=0, test_value=None, changes=None, gap=(), **ranges) -> Problem:
    """Hourly sine above 0; 84 rows of training, 18 of validation, 18 of test (`test_value`)."""
    values = 2 + np.sin(np.arange(ROWS) / 3.0)
    if test_value is not None:
        values[102:] = test_value
    values[list(gap)] = np.nan
    params = with_values(
        Params(),
        {
            **AS_THEY_ARE.values,
            "preprocess.frequency": "1h",
            "window.horizon": 2,
            "train.max_epochs": 2,
            "tune.seed": seed,
            "tune.startup_trials": 2,
        }
        | (changes or {}),
        "test",
    )
    table = make_table({"": (hours(ROWS), values)})
    entry = Entry(
        defaults=AS_THEY_ARE.model_copy(update={"lookback": None, "combination": None}),
        ranges=Ranges(**RANGES | ranges),
    )
    return Problem.of(params, entry, Trainings(before_test(table, make_schema(), params)))


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    return search(
        make_problem(), tmp_path_factory.mktemp("study") / "study.db", 5, lambda trial: None
    )


def test_the_first_trial_has_the_params_as_they_are_and_the_best_is_never_above_it(trials):
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    assert trials[0].choice == AS_THEY_ARE
    assert best_of(trials).rmse <= trials[0].rmse < 1.5
    assert len({trial.choice for trial in trials}) == 5


def test_a_killed_search_that_goes_on_gives_the_same_table(trials, tmp_path):
    database, problem = tmp_path / "study.db", make_problem(test_value=1e6)
    reached = []

    def die_after_the_third(trial: Trial) -> None:
        reached.append(trial.number)
        if trial.number == 2:
            raise KilledError

    with pytest.raises(KilledError):
        search(problem, database, 5, die_after_the_third)
    # A trial that was under way when its process died.
    optuna.load_study(storage=f"sqlite:///{database}", study_name=problem.content_id).ask()
    assert reached == [0, 1, 2]
    after = search(problem, database, 5, lambda trial: reached.append(trial.number))
    assert reached == [0, 1, 2, 3, 4]
    # The test part is another one here: nothing of it reaches the search.
    assert table_text(after) == table_text(trials)
    assert search(problem, database, 5, lambda trial: pytest.fail("run again")) == after


def two_at_once(database, workers, on_trial=lambda trial: None, count=4):
    problem = make_problem(changes={"tune.at_once": 2, "run.workers": workers})
    return search(problem, database, count, on_trial)


def test_draws_before_the_sampler_learns_are_those_of_one_at_a_time(trials, tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, "local", ("tests.in_process", "in_process"))
    found = two_at_once(tmp_path / "whole.db", 2)
    assert found[:2] == trials[:2]
    assert len({trial.choice for trial in found}) == 4

    def die(trial):
        if trial.number == 1:
            raise KilledError

    with pytest.raises(KilledError):
        two_at_once(tmp_path / "killed.db", 2, die)
    assert two_at_once(tmp_path / "killed.db", 2) == found


def test_a_search_killed_among_refused_draws_draws_them_again(tmp_path, monkeypatch):
    # Half of the draws have too many units.
    problem = make_problem(changes={"tune.max_cost": 5.0, "tune.at_once": 4})
    killed_at: list[int] = []

    def stand_in(study, problem, choices, first):
        if first in killed_at:
            raise KilledError
        return [Result("complete", choice.learning_rate, {1: 1.0}) for choice in choices]

    monkeypatch.setattr(tuning_search, "train_all", stand_in)
    whole = search(problem, tmp_path / "whole.db", 9, lambda trial: None)
    for number in (1, 5):
        killed_at[:] = [number]
        with pytest.raises(KilledError):
            search(problem, tmp_path / "killed.db", 9, lambda trial: None)
    killed_at.clear()
    assert search(problem, tmp_path / "killed.db", 9, lambda trial: None) == whole
    study = open_study(problem.content_id, tmp_path / "whole.db")
    assert len(finished(study)) > len(trained(study)) == 9


@pytest.mark.slow
def test_trials_in_other_processes_change_no_loss(trials, tmp_path):
    assert two_at_once(tmp_path / "study.db", 2, count=2) == trials[:2]


def test_the_shipped_limit_leaves_the_large_models_and_says_what_it_excludes():
    entry = load_catalog(ROOT).entry("lstm")
    shipped = flattened(Params().model_dump(mode="json", include={"model": {"hidden", "segment"}}))
    problem = make_problem(changes=shipped | {"window.lookback": 24})
    space = space_of(entry.ranges, problem.params, [24], positive=True)
    shares = {}
    for limit in (4.0, Params().tune.max_cost, 1e6):
        params = with_values(problem.params, {"tune.max_cost": limit}, "test")
        shares[limit] = replace(problem, entry=entry, space=space, params=params).excluded()
    few, usual, all_of_it = shares.values()
    assert float(re.search(r"(\d+) % of", few)[1]) > 50
    assert float(re.search(r"(\d+) % of", usual)[1]) < 15
    assert re.search(r"\d to 4 layers of up to \d+ to 256 units at segments of at most", usual)
    assert all_of_it == "tune.max_cost 1e+06 excludes nothing of the catalog"


def test_settings_of_the_data_and_the_combination_are_drawn_and_judged():
    smoothing = {"preprocess.smoothing.method": "channel"}
    wide = {"lookback": (0.5, 2.0, 20.0), "combination": ("none", "seasonal", "stack")}
    problem = make_problem(changes=smoothing, transform=("none", "log"), **wide)
    # 120 rows are more than half of the training split.
    assert problem.space.lookbacks == (3, 6, 12)
    assert problem.space.ranges.combination == ("none", "seasonal", "stack")
    drawn = {"lookback", "transform", "combination", "smoothing_strength"}
    assert drawn <= distributions(problem.space).keys()
    other = {"lookback": 12, "transform": "log", "combination": "stack", "smoothing_strength": 0.5}
    losses: dict[int, float] = {}
    choice = AS_THEY_ARE.model_copy(update=other)
    # A sine is linear in its last two values.
    assert 0 < train_with(problem, choice, losses.__setitem__) < 0.5
    assert losses


def test_trials_are_judged_on_the_windows_that_every_lookback_has():
    """The gap costs a lookback of 12 rows more windows than one of 6."""
    problem = make_problem(changes={"preprocess.max_gap": 1}, gap=(76, 77, 78), lookback=(1.0, 2.0))
    params = {
        lookback: with_values(problem.params, {"window.lookback": lookback}, "test")
        for lookback in (6, 12)
    }
    rows = {
        lookback: {row for _, row in validation_index(problem.trainings.prepared(each))}
        for lookback, each in params.items()
    }
    assert rows[12] < rows[6]
    assert {row for _, row in problem.windows} == rows[12]


def test_a_transform_needs_positive_targets():
    params = make_problem().params
    ranges = Ranges(**RANGES | {"transform": ("none", "log")})
    assert space_of(ranges, params, [6], positive=True).ranges.transform == ("none", "log")
    assert space_of(ranges, params, [6], positive=False).ranges.transform == ("none",)


def test_a_trial_is_worse_if_its_lowest_loss_is_above_the_median_of_the_others_by_then():
    earlier = [{5: 4.0, 10: 1.0}, {5: 3.0, 10: 2.0}, {8: 2.5}]
    assert is_worse({5: 3.6}, earlier)
    assert not is_worse({5: 3.4}, earlier)
    # By step 10 the others had 1.0, 2.0 and 2.5.
    assert is_worse({5: 3.4, 10: 2.1}, earlier)
    assert not is_worse({5: 1.9, 10: 9.0}, earlier)
    assert not is_worse({4: 99.0}, earlier)


def test_trials_of_other_data_or_another_seed_are_another_study():
    assert make_problem().content_id == make_problem(test_value=3.0).content_id
    assert make_problem().content_id != make_problem(seed=1).content_id


def test_defaults_that_do_not_fit_the_params_are_no_trial_and_the_search_goes_on(tmp_path):
    changes = {"model.decoder": "segments", "model.segment": 2}
    segments = make_problem(changes=changes, segment=(1, 2, 4))
    unfit = AS_THEY_ARE.model_copy(update={"segment": 4})
    segments = replace(segments, entry=segments.entry.model_copy(update={"defaults": unfit}))
    found = search(segments, tmp_path / "study.db", 3, lambda trial: None)
    assert not segments.defaults_fit
    assert [trial.choice.segment for trial in found] == [2, 2, 2]


def test_searches_with_neighbouring_seeds_draw_nothing_in_common():
    drawn = [{draw_seed(seed, number) for number in range(40)} for seed in range(3)]
    assert len(set().union(*drawn)) == 3 * 40
    assert draw_seed(0, 1) == draw_seed(0, 1)


def test_a_worse_trial_is_cut_short_and_cannot_win():
    study = optuna.create_study()
    assert trials_of(study) == []
    pruned = Trial(1, AS_THEY_ARE, "pruned", (0.01,))
    complete = Trial(0, AS_THEY_ARE, "complete", (0.5, 0.4), 0.6)
    assert best_of([complete, pruned]) is complete


def test_the_patch_changes_the_values_and_keeps_every_comment(tmp_path):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    params = load_params(ROOT)
    first = Trial(0, choice_in(params), "complete", (0.5,), 0.5)
    wanted = first.choice.model_copy(
        update={
            "hidden": (96, 48),
            "learning_rate": 2.13e-3,
            "bidirectional": True,
            "lookback": 48,
            "combination": "linear",
        }
    )
    assert write(
        tmp_path,
        "params.yaml",
        [first, Trial(1, wanted, "complete", (0.4,), 0.4), Trial(2, wanted, "failed", ())],
    )
    before = (tmp_path / "params.yaml").read_text().splitlines()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", PATCH], cwd=tmp_path, check=True)
    after = (tmp_path / "params.yaml").read_text().splitlines()
    changed = [line for line in after if line not in before]
    assert changed == [
        "  lookback: 48",
        "  hidden: [96, 48]",
        "  bidirectional: true",
        "  linear_skip: frozen",
        "  learning_rate: 0.00213",
    ]
    assert len(after) == len(before)
    assert load_params(tmp_path).model.hidden == (96, 48)
    table = list(csv.DictReader(io.StringIO((tmp_path / TABLE).read_text())))
    assert tuple(table[0]) == COLUMNS
    assert [row["state"] for row in table] == ["complete", "complete", "failed"]


def test_where_the_params_as_they_are_win_there_is_no_patch(tmp_path):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    first = Trial(0, choice_in(load_params(ROOT)), "complete", (0.5,), 0.5)
    assert not write(
        tmp_path, "params.yaml", [first, Trial(1, AS_THEY_ARE, "complete", (0.6,), 0.6)]
    )
    assert not (tmp_path / PATCH).exists()
    assert patch_text("a: 1\n", "params.yaml", {}) == ""
    assert YAML(typ="safe").load((tmp_path / "params.yaml").read_text())["model"]["hidden"]


def test_the_content_id_covers_every_folder_that_a_search_imports():
    # The network is in the folder models, whatever its type; see the test of checkpoints.
    paths = [path.split("/") for path in import_closure("spline_lstm.tuning.search")]
    assert {path[1] for path in paths if len(path) == 3} == set(FOLDERS)
