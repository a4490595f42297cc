"""What all searches do with their database, without any training."""

import math

import pytest
from optuna.distributions import FloatDistribution

from spline_lstm.core.params import Params, with_values
from spline_lstm.tuning.study import (
    add_given,
    ask,
    finished,
    open_study,
    refuse,
    score_of,
    tell,
    trained,
    warmup_steps_of,
)
from spline_lstm.tuning.trial_run import Result

SPACE = {"x": FloatDistribution(0.0, 1.0)}


@pytest.fixture
def study(tmp_path):
    return open_study("problem", tmp_path / "optuna.db")


def test_trials_have_their_scores_and_refused_draws_are_none(study):
    add_given(study, {"x": 0.5}, SPACE, Result("complete", 0.0, {1: 2.0}), {"own": "a"})
    tell(study, ask(study, SPACE, Params().tune), Result("pruned", None, {1: 3.0}), {"own": "b"})
    refuse(study, ask(study, SPACE, Params().tune))
    tell(study, ask(study, SPACE, Params().tune), Result("failed", None), {"own": "c"})
    assert len(finished(study)) == 4
    assert [trial.user_attrs["own"] for trial in trained(study)] == ["a", "b", "c"]
    # A score of 0 is the best there is.
    assert [score_of(trial) for trial in trained(study)] == [0.0, math.inf, math.inf]
    assert [[*trial.intermediate_values.values()] for trial in trained(study)] == [[2.0], [3.0], []]


def test_a_draw_depends_on_its_number_only(study, tmp_path):
    tune = Params().tune
    one, other = ask(study, SPACE, tune), ask(study, SPACE, tune, 1)
    again = open_study("again", tmp_path / "other.db")
    assert one.params != other.params
    assert ask(again, SPACE, tune, 1).params == other.params


@pytest.mark.parametrize(
    ("values", "steps"),
    [({"tune.warmup_steps": 7}, 7), ({"tune.warmup_epochs": 3, "train.batch_size": 10}, 30)],
)
def test_every_trial_gets_its_first_steps(values, steps):
    assert warmup_steps_of(with_values(Params(), values, "test"), 100) == steps
