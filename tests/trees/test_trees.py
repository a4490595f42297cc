"""Trees of both libraries: what they predict, their files, their contributions."""

import subprocess
import sys

import numpy as np
import pytest

from spline_lstm.core.errors import ArtifactError, MissingPackageError, TooLittleDataError
from spline_lstm.core.params_trees import TreesParams
from spline_lstm.trees import packages
from spline_lstm.trees.reasons import largest_reasons, mean_contributions
from spline_lstm.trees.saved_trees import load_trees, save_trees
from spline_lstm.trees.trees import TreeRows, fit_trees, parse_trees
from tests.trees.conftest import MEMBERS, OBJECTIVES, SMALL, make_rows

NAMES = ("one", "two [x], y", "three", "four", "five")
BOTH = pytest.mark.parametrize("member", MEMBERS)
ALL_KINDS = pytest.mark.parametrize("kind", OBJECTIVES)


def saved(trained, kind, folder):
    members = {member: trained[member, kind] for member in MEMBERS}
    return save_trees(folder, members, OBJECTIVES[kind], NAMES, "0123")


@BOTH
def test_binary_trees_learn_what_decides(trained, member):
    rows = make_rows("binary", 2)
    probability = trained[member, "binary"].predict(rows.X)
    assert probability.shape == (400,)
    assert probability.min() > 0.0
    assert probability.max() < 1.0
    assert np.mean((probability > 0.5) == rows.y) > 0.85


@BOTH
def test_multiclass_trees_give_a_probability_per_class(trained, member):
    rows = make_rows("multiclass", 2)
    probability = trained[member, "multiclass"].predict(rows.X)
    assert probability.shape == (400, 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, atol=1e-6)
    assert np.mean(probability.argmax(axis=1) == rows.y) > 0.7


@BOTH
def test_regression_trees_give_numbers(trained, member):
    rows = make_rows("regression", 2)
    error = trained[member, "regression"].predict(rows.X) - rows.y
    assert error.std() < 0.5 * rows.y.std()


@BOTH
@ALL_KINDS
def test_the_same_rows_give_the_same_file(trained, member, kind):
    again = fit_trees(member, make_rows(kind, 0), make_rows(kind, 1, 150), OBJECTIVES[kind], SMALL)
    assert again.content == trained[member, kind].content


@BOTH
def test_another_seed_gives_other_trees(trained, member):
    params = SMALL.model_copy(update={"seed": 7})
    other = fit_trees(
        member, make_rows("binary", 0), make_rows("binary", 1), OBJECTIVES["binary"], params
    )
    assert other.content != trained[member, "binary"].content


@BOTH
def test_files_name_no_path_and_no_time(trained, member):
    text = trained[member, "binary"].content.decode()
    assert "/work" not in text
    assert "/tmp" not in text
    assert "2026" not in text


@BOTH
def test_training_stops_when_validation_does_not_improve(member):
    params = SMALL.model_copy(update={"rounds": 300, "learning_rate": 0.5, "stop_rounds": 5})
    noise = TreeRows(make_rows("binary", 1).X, make_rows("binary", 5).y)
    stopped = fit_trees(member, make_rows("binary", 0), noise, OBJECTIVES["binary"], params)
    assert stopped.rounds < 20
    whole = fit_trees(
        member,
        make_rows("binary", 0),
        noise,
        OBJECTIVES["binary"],
        params.model_copy(update={"stop_rounds": None, "rounds": 40}),
    )
    assert whole.rounds == 40


@BOTH
@ALL_KINDS
def test_contributions_add_up_to_the_prediction(trained, member, kind):
    trees, X = trained[member, kind], make_rows(kind, 2, 50).X
    total = trees.contributions(X).sum(axis=-1)
    expected = {
        "binary": lambda s: 1 / (1 + np.exp(-s)),
        "multiclass": lambda s: np.exp(s) / np.exp(s).sum(axis=1, keepdims=True),
        "regression": lambda s: s,
    }[kind](total)
    np.testing.assert_allclose(expected, trees.predict(X), atol=2e-6)


@BOTH
def test_importance_finds_the_features_that_decide(trained, member):
    share = trained[member, "binary"].importance()
    assert share.sum() == pytest.approx(1.0)
    assert share[0] > share[1] > share[2:].max()


@BOTH
def test_infinite_values_count_as_missing(member):
    rows = make_rows("binary", 0)
    holes, infinite = rows.X.copy(), rows.X.copy()
    holes[:9, 0], infinite[:9, 0] = np.nan, np.inf
    one, other = (
        fit_trees(member, TreeRows(X, rows.y), None, OBJECTIVES["binary"], SMALL)
        for X in (holes, infinite)
    )
    assert one.content == other.content


@BOTH
def test_weights_of_rows_count(member):
    rows = TreeRows(make_rows("binary", 0).X, make_rows("binary", 5).y)
    weighted = TreeRows(rows.X, rows.y, np.where(rows.y == 1, 9.0, 1.0))
    plain, heavy = (
        fit_trees(member, each, None, OBJECTIVES["binary"], SMALL) for each in (rows, weighted)
    )
    assert heavy.predict(rows.X).mean() > plain.predict(rows.X).mean() + 0.2


def test_one_label_cannot_be_learned():
    rows = TreeRows(np.zeros((9, 2)), np.ones(9))
    with pytest.raises(TooLittleDataError, match="all 9 training rows have the label 1"):
        fit_trees("lightgbm", rows, None, OBJECTIVES["binary"], SMALL)
    with pytest.raises(TooLittleDataError, match="no training rows"):
        fit_trees(
            "lightgbm", TreeRows(rows.X[:0], rows.y[:0]), None, OBJECTIVES["regression"], SMALL
        )


@ALL_KINDS
def test_loaded_trees_predict_the_same_bits(trained, kind, tmp_path):
    run_id = saved(trained, kind, tmp_path)
    X = make_rows(kind, 2).X
    loaded = load_trees(tmp_path)
    assert (loaded.run_id, loaded.features, loaded.objective) == (run_id, NAMES, OBJECTIVES[kind])
    for member, values in loaded.predict(X).items():
        np.testing.assert_array_equal(values, trained[member, kind].predict(X))


def test_another_process_predicts_the_same_bits(trained, tmp_path):
    saved(trained, "binary", tmp_path)
    X = make_rows("binary", 2).X
    np.save(tmp_path / "X.npy", X)
    program = (
        "import sys, numpy as np; from pathlib import Path;"
        "from spline_lstm.trees.saved_trees import load_trees;"
        "folder = Path(sys.argv[1]); found = load_trees(folder).predict(np.load(folder/'X.npy'));"
        "[np.save(folder / f'{name}.npy', values) for name, values in found.items()];"
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
    for member in MEMBERS:
        there = np.load(tmp_path / f"{member}.npy")
        np.testing.assert_array_equal(there, trained[member, "binary"].predict(X))


def test_a_training_removes_the_files_of_the_one_before(trained, tmp_path):
    saved(trained, "binary", tmp_path)
    members = {"xgboost": trained["xgboost", "binary"]}
    save_trees(tmp_path, members, OBJECTIVES["binary"], NAMES, "0123")
    assert {path.name for path in tmp_path.iterdir()} == {"trees.json", "xgboost.json"}
    assert set(load_trees(tmp_path).members) == {"xgboost"}


def test_a_missing_or_damaged_file_is_an_error_or_left_out(trained, tmp_path):
    run_id = saved(trained, "binary", tmp_path)
    (tmp_path / "lightgbm.txt").unlink()
    with pytest.raises(ArtifactError, match=r"lightgbm\.txt is missing; run `dvc repro`"):
        load_trees(tmp_path)
    left = load_trees(tmp_path, tolerant=True)
    assert (set(left.members), left.run_id) == ({"xgboost"}, run_id)
    assert left.absent["lightgbm"].endswith("lightgbm.txt is missing")
    (tmp_path / "lightgbm.txt").write_text("tree\n")
    with pytest.raises(ArtifactError, match="is not the file that trees.json names"):
        load_trees(tmp_path)
    (tmp_path / "trees.json").write_text('{"run_id": "1"}')
    with pytest.raises(ArtifactError, match="is damaged"):
        load_trees(tmp_path, tolerant=True)


@BOTH
def test_what_is_not_a_model_is_refused(member):
    with pytest.raises(ArtifactError, match="model.txt is damaged"):
        parse_trees(member, b"nothing", OBJECTIVES["binary"], "model.txt")


def test_a_package_that_is_not_installed_is_named(trained, tmp_path, monkeypatch):
    saved(trained, "binary", tmp_path)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(MissingPackageError, match=r"needs xgboost.*spline-lstm\[trees\]"):
        load_trees(tmp_path)
    left = load_trees(tmp_path, tolerant=True)
    assert set(left.members) == {"lightgbm"}
    assert "xgboost" in left.absent["xgboost"]
    assert packages.SKLEARN not in sys.modules or sys.modules[packages.SKLEARN] is not None


def test_the_largest_reasons_are_named(trained, tmp_path):
    saved(trained, "binary", tmp_path)
    trees, X = load_trees(tmp_path), make_rows("binary", 2, 20).X
    weights = {"lightgbm": 0.55, "xgboost": 0.45}
    mean = mean_contributions(trees, X, weights)
    by_hand = sum(
        weight * trees.members[name].contributions(X)[:, :-1] for name, weight in weights.items()
    )
    np.testing.assert_allclose(mean, by_hand)
    reasons = largest_reasons(NAMES, X, mean)
    for row, found in enumerate(reasons):
        sizes = np.abs(mean[row])
        assert [abs(each.contribution) for each in found] == sorted(sizes, reverse=True)[:3]
        assert found[0].value == X[row, NAMES.index(found[0].feature)]
    only = mean_contributions(trees, X, {"xgboost": 0.2, "network": 0.8})
    np.testing.assert_allclose(only, trees.members["xgboost"].contributions(X)[:, :-1])


def test_a_library_is_named_once():
    with pytest.raises(ValueError, match="only once"):
        TreesParams(members=("xgboost", "xgboost"))
