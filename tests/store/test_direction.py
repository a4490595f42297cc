"""The scorer of task direction: what is stored and explained, and what a missing member changes."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from spline_lstm.cli import explain
from spline_lstm.core.errors import ArtifactError, StoreError, TooLittleDataError, UsageError
from spline_lstm.core.params import load_params, with_values
from spline_lstm.core.params_file import params_text
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.market.preprocessor import DirectionPreprocessor
from spline_lstm.store.comparison import compare_errors
from spline_lstm.store.dates import end_of
from spline_lstm.store.direction import direction_scorer
from spline_lstm.store.explain import explain_folder
from spline_lstm.store.files import Store
from spline_lstm.store.predictions import read_predictions
from spline_lstm.store.registry import Registry
from spline_lstm.store.score import Request, score_folder
from tests.builders import ROOT
from tests.direction_folder import table, write_network
from tests.store.examples import make_model

DATE = "2017-06-01"


@pytest.fixture
def folder(direction_folder, tmp_path):
    """A copy of the folder that may be changed."""
    copy = tmp_path / "direction"
    shutil.copytree(direction_folder, copy)
    return copy


def scorer_of(folder, frame=None):
    source = (table() if frame is None else frame).to_csv(index=False).encode()
    return direction_scorer(folder, source, "table.csv")


def scored(folder, date=DATE, frame=None):
    scorer = scorer_of(folder, frame)
    return scorer.score(end_of(date, scorer.clock), "error")


def test_scores_are_the_predictions_of_the_evaluation(direction_folder):
    evaluated = pd.read_parquet(direction_folder / "data/predictions.parquet")
    day = evaluated["day"].iloc[len(evaluated) // 2]
    rows = scored(direction_folder, f"{day:%Y-%m-%d}").rows.set_index("symbol")
    of_day = evaluated[evaluated["day"] == day].set_index("symbol")
    assert set(rows.index) == set("ABC")
    for name in of_day.index:
        assert rows.loc[name, "score"] == pytest.approx(of_day.loc[name, "ensemble"], abs=1e-6)
        assert rows.loc[name, "word"] == of_day.loc[name, "word"]
        assert rows.loc[name, "reasons"] == of_day.loc[name, "reasons"]
    assert (rows["step"] == 5).all()
    assert (rows["timestamp"] - rows["ts"] == 7 * 86_400 * 10**9).all()


def test_later_rows_change_no_bit_of_a_score(direction_folder):
    frame = table()
    past = frame[frame["date"] <= DATE]
    changed = frame.copy()
    later = changed["date"] > DATE
    for name in ("open", "high", "low", "close", "adj_close"):
        changed.loc[later, name] *= 3.0
    whole, cut, other = (
        scored(direction_folder, DATE, each).rows for each in (frame, past, changed)
    )
    pd.testing.assert_frame_equal(whole.drop(columns="timestamp"), cut.drop(columns="timestamp"))
    pd.testing.assert_frame_equal(whole, other)


def test_a_symbol_without_enough_days_is_named(direction_folder):
    found = scored(direction_folder, "2015-11-02")
    assert set(found.rows["symbol"]) == set("AB")
    assert [note for note in found.notes if note == "C: too few days until 2015-11-02, so no score"]
    with pytest.raises(TooLittleDataError, match="no symbol has enough days"):
        scored(direction_folder, "2015-02-02")


def remove_network(folder):
    shutil.rmtree(folder / "models/edge")


def remove_trees(folder):
    shutil.rmtree(folder / "models/trees")


def remove_lightgbm(folder):
    (folder / "models/trees/lightgbm.txt").unlink()


def other_network(folder):
    pipeline = Pipeline(folder)
    preprocessor = DirectionPreprocessor.load(pipeline.preprocessor)
    write_network(pipeline.exported / "model.onnx", preprocessor, run_id="another")


def use_all_members(folder, chosen=None):
    """As if validation had not preferred one member, or `chosen`."""
    path = folder / "models/ensemble.json"
    content = json.loads(path.read_text()) | {
        "chosen": chosen,
        "weights": {"lightgbm": 0.35, "xgboost": 0.30, "network": 0.35},
        "calibration": {"method": "none"},
    }
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [(None, "; the other members take its weight"), ("xgboost", "; it had no weight")],
)
def test_a_note_says_what_the_absence_of_a_member_changes(folder, chosen, said):
    use_all_members(folder, chosen)
    remove_lightgbm(folder)
    (note,) = scored(folder).notes
    assert note.startswith("lightgbm is left out (")
    assert note.endswith(said)


@pytest.mark.parametrize(
    ("damage", "left", "weights"),
    [
        (remove_network, ("lightgbm", "xgboost"), (0.55, 0.45)),
        (other_network, ("lightgbm", "xgboost"), (0.55, 0.45)),
        (remove_trees, ("network",), (1.0,)),
        (remove_lightgbm, ("xgboost", "network"), (0.30 / 0.65, 0.35 / 0.65)),
    ],
)
def test_scoring_goes_on_with_the_members_that_are_left(folder, damage, left, weights):
    use_all_members(folder)
    whole = scored(folder)
    damage(folder)
    found = scored(folder)
    assert whole.members == ("lightgbm", "xgboost", "network")
    assert found.members == left
    expected = sum(
        weight * whole.rows[f"score_{name}"] for name, weight in zip(left, weights, strict=True)
    )
    np.testing.assert_allclose(found.rows["score"], expected, rtol=1e-12)
    assert len(found.notes) == 3 - len(left)
    assert all("is left out (" in note for note in found.notes)
    assert (found.rows["reasons"] == "").all() == (left == ("network",))


def test_a_missing_package_is_a_missing_member(folder, monkeypatch):
    use_all_members(folder)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    found = scored(folder)
    assert found.members == ("xgboost", "network")
    assert "this needs lightgbm" in found.notes[0]


def test_without_any_member_nothing_can_be_scored(folder):
    remove_network(folder)
    remove_trees(folder)
    with pytest.raises(ArtifactError, match="no member of the ensemble can be used"):
        scorer_of(folder)


def registered(folder):
    """Register and promote the model of the folder."""
    store = Store.of(folder, load_params(folder).store)
    model_id = scorer_of(folder).model_id
    shutil.copytree(folder / "models", store.models / model_id / "models")
    shutil.copy(folder / "params.yaml", store.models / model_id)
    registry = Registry(store.registry)
    model = make_model(model_id=model_id, task_id="direction", path=f"models/{model_id}")
    registry.add(model)
    registry.promote(model_id, "2026-01-01T00:00:00+00:00")
    return store, model_id


def test_scores_are_stored_once_with_their_members(folder):
    use_all_members(folder)
    store, model_id = registered(folder)
    notes = []
    first = score_folder(folder, Request(start="2017-06-01"), notes.append)
    again = score_folder(folder, Request(start="2017-06-01"), notes.append)
    assert " 0 new rows" in again
    assert " 0 new rows" not in first
    rows = read_predictions(store.predictions, task_id="direction")
    assert not rows.duplicated(["symbol", "ts", "model_id"]).any()
    assert set(rows["model_id"]) == {model_id}
    assert set(rows["members"]) == {"lightgbm,xgboost,network"}
    assert set(rows["word"]) <= {"unlikely", "possible", "likely", "very likely"}
    assert notes == []
    # A member that is missing later is said once, and stored beside what it changed.
    shutil.rmtree(store.models / model_id / "models/edge")
    score_folder(folder, Request(start="2017-05-30"), notes.append)
    assert len(notes) == 1
    rows = read_predictions(store.predictions, task_id="direction")
    assert set(rows["members"]) == {"lightgbm,xgboost,network", "lightgbm,xgboost"}


def test_a_model_that_is_older_than_a_param_still_scores(folder):
    path = folder / "params.yaml"
    text = path.read_text()
    lines = [line for line in text.splitlines() if not line.strip().startswith("top_share:")]
    path.write_text("\n".join(lines) + "\n")
    assert len(lines) < len(text.splitlines())
    assert len(scored(folder).rows) == 3


def test_an_ensemble_scores_by_the_params_that_it_was_fitted_with(folder):
    before = scored(folder)
    path = folder / "params.yaml"
    lookback = load_params(folder).window.lookback
    changed = {"window.lookback": lookback + 3, "probability.words": [0.1, 0.2, 0.3]}
    path.write_text(params_text(with_values(load_params(folder), changed, "test")))
    pd.testing.assert_frame_equal(scored(folder).rows, before.rows)


def test_errors_are_distances_to_the_labels(direction_folder):
    scorer = scorer_of(direction_folder)
    errors = scorer.errors(scorer.unseen_from)
    evaluated = pd.read_parquet(direction_folder / "data/predictions.parquet")
    day = pd.DatetimeIndex(evaluated["day"]).as_unit("ns").asi8
    evaluated = evaluated.assign(ts=day).set_index(["ts", "symbol"])
    both = errors.reset_index("target").join(evaluated, how="inner")
    assert len(both) == len(evaluated)
    np.testing.assert_allclose(both["squared"], (both["ensemble"] - both["label"]) ** 2, atol=1e-5)


def test_a_model_is_not_better_than_itself_when_it_is_trained_again(direction_folder):
    scorer = scorer_of(direction_folder)
    errors = scorer.errors(scorer.unseen_from)
    found = compare_errors(errors, errors, load_params(direction_folder), scorer.clock)
    assert not found.is_better
    assert found.new == found.promoted == pytest.approx(np.sqrt(errors["squared"].mean()))


def test_an_explanation_names_the_members_and_three_reasons(folder):
    use_all_members(folder)
    text = str(explain_folder(folder, load_params(folder), "A", DATE, None))
    rows = scored(folder).rows.set_index("symbol")
    assert text.startswith(f"A at the end of {DATE}: rises within 5 trading days with ")
    assert f"{rows.loc['A', 'score']:.3f}, {rows.loc['A', 'word']}" in text
    for name, weight in {"lightgbm": 0.35, "xgboost": 0.30, "network": 0.35}.items():
        assert f"  {name:<10} {rows.loc['A', f'score_{name}']:.3f}  weight {weight:.2f}" in text
    assert text.count("s it by ") == 3
    assert f"  {rows.loc['A', 'reasons'].split()[0]} = " in text


def test_explain_says_which_task_it_belongs_to():
    parser = __import__("argparse").ArgumentParser()
    explain.add_arguments(parser)
    with pytest.raises(UsageError, match="its task is forecast, but only .* of the task direction"):
        explain.run(parser.parse_args(["A", DATE, "--folder", str(ROOT)]))


def test_explain_takes_the_promoted_model(folder, capsys):
    store, model_id = registered(folder)
    remove_trees(folder)
    arguments = ["A", DATE, "--folder", str(folder)]
    parser = __import__("argparse").ArgumentParser()
    explain.add_arguments(parser)
    assert f"(model {model_id})" in explain.run(parser.parse_args(arguments))
    shutil.rmtree(store.models / model_id / "models/edge")
    explain.run(parser.parse_args([*arguments, "--model", model_id[:6]]))
    assert "note: network is left out" in capsys.readouterr().err
    with pytest.raises(StoreError, match="has no model zz"):
        explain.run(parser.parse_args([*arguments, "--model", "zz"]))


def test_a_symbol_or_date_that_cannot_be_explained_is_named(direction_folder):
    params = load_params(direction_folder)
    with pytest.raises(UsageError, match="has no symbol 'X'; it has A, B, C"):
        explain_folder(direction_folder, params, "X", DATE, None)
    with pytest.raises(TooLittleDataError, match="A has too few days until"):
        explain_folder(direction_folder, params, "A", "2015-02-02", None)
