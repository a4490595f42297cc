"""A search of a few trials for the rows of an invented table."""

import csv
import io
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, root_mean_squared_error

from spline_lstm.__main__ import main
from spline_lstm.core.errors import DivergedError, ParamsError
from spline_lstm.core.params import load_params
from spline_lstm.core.yaml_files import render_params
from spline_lstm.rows.arrays import Rows
from spline_lstm.scaffold.write_folder import render_schema
from spline_lstm.trees.row_data import row_objective
from spline_lstm.trees.trees import TreeRows, fit_trees
from spline_lstm.tuning import row_search
from spline_lstm.tuning import study as study_module
from spline_lstm.tuning.catalog import load_catalog
from spline_lstm.tuning.listed_models import TREES, ListedModel, Range
from spline_lstm.tuning.outputs import PATCH, PLOT
from spline_lstm.tuning.row_outputs import best_row_trial, row_table_text, write_rows
from spline_lstm.tuning.row_search import ROW_FOLDERS, judge, read_problem, search_rows
from tests.builders import ROOT
from tests.rows.tables import KINDS, frame
from tests.rows_folder import VALUES
from tools.import_closure import import_closure

NETWORK = {"model.rows.width": 64, "train.max_epochs": 3, "tune.startup_trials": 2}
OWN = "tests.models.own:OwnNetwork"
CATALOG = load_catalog(ROOT)


def ignore(trial):
    """What a search tells about a trial."""


def rows_source(folder, **changes):
    """A pipeline folder before its first stage."""
    text = (ROOT / "pipelines/tabular/params.yaml").read_text(encoding="utf-8")
    text = render_params(text, VALUES | NETWORK | changes)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    columns = [{"name": name, "kind": kind} for name, kind in KINDS.items()]
    schema = render_schema({"version": 1, "columns": columns})
    (folder / "schema.json").write_text(schema, encoding="utf-8")
    frame().to_csv(folder / "table.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return rows_source(tmp_path_factory.mktemp("source"))


def problem_of(folder, model="lightgbm", **changes):
    params = load_params(folder)
    return replace(read_problem(folder, params, model, CATALOG.models[model]), **changes)


def test_a_search_starts_with_the_present_params_and_repeats(folder, tmp_path):
    problem = problem_of(folder)
    trials = search_rows(problem, tmp_path / "a.db", 5, ignore)
    assert [trial.number for trial in trials] == [*range(5)]
    assert trials[0].values == problem.present
    assert trials[0].values["trees.rounds"] == 30
    for trial in trials[1:]:
        assert trial.values["trees.rounds"] == 2000
        assert 4 <= trial.values["trees.leaves"] <= 128
        assert 0.01 <= trial.values["trees.learning_rate"] <= 0.3
    # Interrupted after three, it goes on as if it had not been.
    assert search_rows(problem, tmp_path / "b.db", 3, ignore) == trials[:3]
    assert search_rows(problem, tmp_path / "b.db", 5, ignore) == trials


def at_once(folder, database, count, workers=2):
    problem = problem_of(folder)
    values = {"tune.at_once": 2, "run.workers": workers}
    params = row_search.with_values(problem.params, values, "test")
    return search_rows(replace(problem, params=params), database, count, ignore)


@pytest.mark.usefixtures("jobs_in_this_process")
def test_draws_made_together_do_not_know_of_each_other(folder, tmp_path):
    one = search_rows(problem_of(folder), tmp_path / "one.db", 2, ignore)
    found = at_once(folder, tmp_path / "many.db", 5)
    assert found[:2] == one
    assert len({str(trial.values) for trial in found}) == 5
    # Interrupted between two pairs, it goes on as if it had not been.
    assert at_once(folder, tmp_path / "again.db", 3) == found[:3]
    assert at_once(folder, tmp_path / "again.db", 5) == found


@pytest.mark.slow
def test_trials_in_other_processes_change_no_score(folder, tmp_path):
    one = search_rows(problem_of(folder), tmp_path / "one.db", 2, ignore)
    assert at_once(folder, tmp_path / "many.db", 2) == one


@pytest.mark.parametrize("library", TREES)
def test_both_libraries_are_searched(folder, tmp_path, library):
    # The package of XGBoost is called otherwise than its module.
    first, second = search_rows(problem_of(folder, library), tmp_path / "study.db", 2, ignore)
    assert (first.state, second.state) == ("complete", "complete")
    assert first.values != second.values


def test_a_network_of_ones_own_is_searched_by_the_ranges_of_its_entry(folder, tmp_path):
    limits = {"train.learning_rate": Range(low=0.001, high=0.1, log=True)}
    entry = {"class": OWN, "description": "one layer", "tasks": ("tabular",), "ranges": limits}
    params = row_search.with_values(load_params(folder), {"model.type": OWN}, "here")
    problem = read_problem(folder, params, OWN, ListedModel.model_validate(entry))
    _, drawn = search_rows(problem, tmp_path / "study.db", 2, ignore)
    assert drawn.state == "complete"
    assert 0.001 <= drawn.values["train.learning_rate"] <= 0.1


def test_trees_are_judged_by_the_log_loss_of_validation(folder):
    problem = problem_of(folder)
    train, validation = (problem.rows.split(name) for name in ("train", "validation"))
    learned, held_out = (TreeRows(part.inputs.matrix, part.truth) for part in (train, validation))
    objective = row_objective(problem.preprocessor)
    trees = fit_trees("lightgbm", learned, held_out, objective, problem.params.trees)
    expected = log_loss(validation.truth, trees.predict(held_out.X))
    assert judge(problem, problem.params, lambda step, loss: None) == pytest.approx(expected)


def test_a_network_is_searched_and_reports_its_losses(folder, tmp_path):
    problem = problem_of(folder, "mlp")
    first, second = search_rows(problem, tmp_path / "study.db", 2, ignore)
    assert len(first.losses) == 3
    assert first.score == pytest.approx(min(first.losses), abs=1e-4)
    assert second.values.keys() == problem.present.keys()
    assert np.isfinite(second.score)


def test_numbers_are_judged_in_data_units(tmp_path, monkeypatch):
    changes = {"tabular.kind": "regression", "tabular.target": "x", "train.loss": "mse"}
    problem = problem_of(rows_source(tmp_path, **changes), "mlp")
    assert problem.measure == "rmse"
    truth = problem.rows.split("validation").truth
    mean = np.full(len(truth), problem.preprocessor.label.center, np.float32)

    def center(self, numbers, missing, categories):
        return mean[:, None]

    monkeypatch.setattr(row_search.RowModel, "predict_data_units", center)
    expected = root_mean_squared_error(truth, mean)
    assert judge(problem, problem.params, lambda step, loss: None) == pytest.approx(expected)


def test_no_row_of_the_test_split_is_read(folder, tmp_path):
    problem = problem_of(folder)
    assert set(problem.rows.splits) == {"train", "validation"}
    arrays = problem.rows.arrays
    used = np.concatenate([*problem.rows.splits.values()])
    truth = arrays.truth.copy()
    truth[np.setdiff1d(np.arange(len(truth)), used)] = 1 - truth[0]
    changed = replace(problem, rows=Rows(replace(arrays, truth=truth), problem.rows.splits))
    assert changed.content_id == problem.content_id


def test_draws_that_do_not_go_together_are_not_trained(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(study_module, "MAX_REFUSED", 3)
    listed = CATALOG.models["ft_transformer"]
    heads = listed.model_copy(update={"fixed": {"model.rows.heads": 7}})
    params = load_params(folder)
    problem = read_problem(folder, params, "mlp", heads)
    changed = row_search.with_values(params, {"model.type": "ft_transformer"}, "here")
    problem = replace(problem, params=changed, model="ft_transformer")
    assert problem.params_with({"model.rows.heads": 7, "model.rows.width": 64}) is None
    study = row_search.open_study("study", tmp_path / "study.db")
    with pytest.raises(ParamsError, match="none of 3 draws goes with the other params"):
        row_search._run_drawn(study, problem, 1, 1)


def test_fewer_draws_than_asked_for_are_trained_if_few_are_accepted(folder, tmp_path, monkeypatch):
    problem, answers = problem_of(folder), iter([None, "accepted", None, None])
    monkeypatch.setattr(study_module, "MAX_REFUSED", 3)
    study, tune = row_search.open_study("a", tmp_path / "a.db"), problem.params.tune
    found, late = study_module.draw(
        study, problem.distributions, tune, lambda _: next(answers), 2, "fits"
    )
    assert [drawn for _, drawn in found] == ["accepted"]
    assert [trial.number for trial, _ in found] == [1]
    assert [trial.number for trial in late] == [2, 3]


def test_a_trial_that_diverges_failed_and_one_that_lags_is_cut_short(folder, tmp_path, monkeypatch):
    problem = problem_of(folder, "mlp")
    warmup = problem.warmup_steps
    script = [0.5, 0.4, 0.6, DivergedError("it diverges"), 2.0]

    def scripted(problem, params, on_loss):
        outcome = script.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        on_loss(warmup + 1, outcome)
        return outcome

    monkeypatch.setattr(row_search, "judge", scripted)
    trials = search_rows(problem, tmp_path / "study.db", 5, ignore)
    assert [trial.state for trial in trials] == ["complete"] * 3 + ["failed", "pruned"]
    assert best_row_trial(trials).number == 1
    table = list(csv.DictReader(io.StringIO(row_table_text(problem, trials))))
    assert [row["validation_log_loss"] for row in table] == ["0.5", "0.4", "0.6", "", ""]
    assert table[0]["model.rows.blocks"] == "1"


def test_the_patch_has_the_values_of_the_best_trial(folder, tmp_path, monkeypatch):
    problem = problem_of(folder)
    copy = rows_source(tmp_path)
    trials = search_rows(problem, tmp_path / "study.db", 4, ignore)
    better = [*trials[:3], replace(trials[3], score=0.0)]
    assert write_rows(copy, "params.yaml", problem, better)
    assert (copy / PLOT).exists()
    subprocess.run(["git", "apply", PATCH], cwd=copy, check=True)
    applied = load_params(copy)
    assert applied.trees.leaves == trials[3].values["trees.leaves"]
    assert applied.trees.rounds == 2000
    same = [replace(trials[0], score=0.0), *trials[1:]]
    assert not write_rows(copy, "params.yaml", problem, same)
    assert not (copy / PATCH).exists()


def test_the_content_id_covers_every_folder_that_a_search_imports():
    paths = [path.split("/") for path in import_closure("spline_lstm.tuning.row_search")]
    assert {path[1] for path in paths if len(path) == 3} == set(ROW_FOLDERS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pipelines/tabular", "--quick"], "--quick belongs to forecasts"),
        (["--trees", "lightgbm"], "--trees belongs to a pipeline of the task tabular"),
    ],
)
def test_options_of_the_other_task_are_refused(arguments, message, capsys):
    assert main(["tune", *arguments]) == 2
    assert message in capsys.readouterr().err
