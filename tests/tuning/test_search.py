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

from spline_lstm.core.params import load_params
from spline_lstm.tuning.catalog import OF_TRAINING, Choice, Entry, Ranges, load_catalog
from spline_lstm.tuning.outputs import COLUMNS, PATCH, TABLE, patch_text, table_text, write
from spline_lstm.tuning.search import (
    FOLDERS,
    Problem,
    Trial,
    best_of,
    draw_seed,
    search,
    trials_of,
    without_test,
)
from spline_lstm.windows.windows import SPLITS, Windows
from tests.builders import HOURLY, ROOT, identity_scaler, make_arrays, make_preprocessor
from tools.import_closure import import_closure

ROWS, LOOKBACK, HORIZON = 80, 5, 2
AS_THEY_ARE = Choice(
    hidden=(4,),
    dropout=0.0,
    learning_rate=1e-3,
    segment=1,
    normalization="last",
    bidirectional=False,
    batch_size=16,
)


def make_windows(test_value=None) -> Windows:
    """Hourly sine; 56 rows of training, 12 of validation, 12 of test (with `test_value`)."""
    arrays = make_arrays(ROWS, features=1)
    values = np.sin(np.arange(ROWS) / 3.0)[:, None]
    test = arrays.timestamps >= arrays.split_instants[1]
    if test_value is not None:
        values[test] = test_value
    arrays = replace(
        arrays,
        scaled=values.astype(np.float32),
        causal=values.astype(np.float32),
        raw_target=values.copy(),
    )
    origins = np.arange(LOOKBACK, ROWS - HORIZON + 1)
    split = np.where(
        origins + HORIZON <= 56,
        0,
        np.where(origins < 56, 9, np.where(origins + HORIZON <= 68, 1, 2)),
    )
    split = np.where((split == 2) & (origins < 68), 9, split)
    kept = split != 9
    return Windows(
        arrays,
        identity_scaler(1),
        HOURLY,
        LOOKBACK,
        HORIZON,
        origins[kept],
        split[kept].astype(np.uint8),
    )


def make_problem(seed=0, **data) -> Problem:
    shipped = load_params(ROOT)
    params = shipped.model_copy(
        update={
            "model": shipped.model.model_copy(
                update=AS_THEY_ARE.model_dump(exclude=set(OF_TRAINING))
            ),
            "train": shipped.train.model_copy(
                update={"max_epochs": 2, "batch_size": 16, "learning_rate": 1e-3}
            ),
            "tune": shipped.tune.model_copy(update={"seed": seed, "startup_trials": 2}),
        }
    )
    ranges = Ranges(
        units=(4, 20),
        layers=(1, 1),
        dropout=(0.0, 0.0),
        learning_rate=(1e-3, 1e-1),
        segment=(1,),
        normalization=("last",),
        bidirectional=(False,),
        batch_size=(16,),
    )
    return Problem(
        params,
        Entry(defaults=AS_THEY_ARE, ranges=ranges),
        without_test(make_windows(**data)),
        make_preprocessor(),
    )


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
    assert best_of(trials).loss <= trials[0].loss
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


def test_the_shipped_limit_leaves_the_large_models_and_says_what_it_excludes():
    problem = make_problem()
    entry = load_catalog(ROOT).entry("lstm")
    shares = {}
    for limit in (4.0, problem.params.tune.max_cost, 1e6):
        tune = problem.params.tune.model_copy(update={"max_cost": limit})
        params = load_params(ROOT).model_copy(update={"tune": tune})
        shares[limit] = replace(problem, entry=entry, params=params).excluded()
    few, shipped, all_of_it = shares.values()
    assert float(re.search(r"(\d+) % of", few)[1]) > 50
    assert float(re.search(r"(\d+) % of", shipped)[1]) < 15
    assert re.search(r"\d to 4 layers of up to \d+ to 256 units at segments of at most", shipped)
    assert all_of_it == "tune.max_cost 1e+06 excludes nothing of the catalog"


def test_windows_of_a_search_hold_no_test_part():
    windows = without_test(make_windows())
    assert len(windows.splits["test"]) == 0
    assert len(windows.splits["validation"]) > 0
    test = windows.arrays.timestamps >= windows.arrays.split_instants[1]
    assert np.isnan(windows.arrays.raw_target[test]).all()
    assert np.isnan(windows.arrays.scaled[test]).all()
    kept = windows.gather("validation")
    np.testing.assert_array_equal(kept.y, make_windows().gather("validation").y)


def test_trials_of_other_data_or_another_seed_are_another_study():
    assert make_problem().content_id == make_problem(test_value=3.0).content_id
    assert make_problem().content_id != make_problem(seed=1).content_id


def test_defaults_that_do_not_fit_the_params_are_no_trial_and_the_search_goes_on(tmp_path):
    problem = make_problem()
    model = problem.params.model.model_copy(update={"decoder": "segments", "segment": 2})
    unfit = AS_THEY_ARE.model_copy(update={"segment": 4})
    segments = replace(
        problem,
        params=problem.params.model_copy(update={"model": model}),
        entry=Entry(
            defaults=unfit, ranges=problem.entry.ranges.model_copy(update={"segment": (1, 2, 4)})
        ),
    )
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
    complete = Trial(0, AS_THEY_ARE, "complete", (0.5, 0.4))
    assert best_of([complete, pruned]) is complete


def test_the_patch_changes_the_values_and_keeps_every_comment(tmp_path):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    params = load_params(ROOT)
    first = Trial(0, make_first(params), "complete", (0.5,))
    wanted = first.choice.model_copy(
        update={"hidden": (96, 48), "learning_rate": 2.13e-3, "bidirectional": True}
    )
    assert write(
        tmp_path,
        "params.yaml",
        [first, Trial(1, wanted, "complete", (0.4,)), Trial(2, wanted, "diverged", ())],
    )
    before = (tmp_path / "params.yaml").read_text().splitlines()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", PATCH], cwd=tmp_path, check=True)
    after = (tmp_path / "params.yaml").read_text().splitlines()
    changed = [line for line in after if line not in before]
    assert changed == ["  hidden: [96, 48]", "  bidirectional: true", "  learning_rate: 0.00213"]
    assert len(after) == len(before)
    assert load_params(tmp_path).model.hidden == (96, 48)
    table = list(csv.DictReader(io.StringIO((tmp_path / TABLE).read_text())))
    assert tuple(table[0]) == COLUMNS
    assert [row["state"] for row in table] == ["complete", "complete", "diverged"]


def make_first(params) -> Choice:
    values = params.model.model_dump(include=set(Choice.model_fields))
    return Choice(**values, **params.train.model_dump(include=set(OF_TRAINING)))


def test_where_the_params_as_they_are_win_there_is_no_patch(tmp_path):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    first = Trial(0, make_first(load_params(ROOT)), "complete", (0.5,))
    assert not write(tmp_path, "params.yaml", [first, Trial(1, AS_THEY_ARE, "complete", (0.6,))])
    assert not (tmp_path / PATCH).exists()
    assert patch_text("a: 1\n", "params.yaml", {}) == ""
    assert YAML(typ="safe").load((tmp_path / "params.yaml").read_text())["model"]["hidden"]
    assert SPLITS[2] == "test"


def test_the_content_id_covers_every_folder_that_a_search_imports():
    # The network is in the folder models, whatever its type; see the test of checkpoints.
    paths = [path.split("/") for path in import_closure("spline_lstm.tuning.search")]
    assert {path[1] for path in paths if len(path) == 3} == set(FOLDERS)
