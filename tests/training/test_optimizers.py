import numpy as np
import pytest

from spline_lstm.training.budget import budget_of
from spline_lstm.training.optimizers import best_evaluation, learning_rate, rate_at, rate_factor
from spline_lstm.training.stopwatch import Stopwatch
from tests.training.test_loop import PARAMS

PLATEAU = PARAMS.model_copy(
    update={"schedule": "plateau", "plateau_factor": 0.1, "plateau_patience": 2}
)


@pytest.mark.parametrize(
    ("losses", "factor"),
    [
        ([], 1),
        ([3, 2, 1], 1),
        ([1, 2], 1),
        ([1, 2, 2], 0.1),
        ([1, 2, 2, 0.5, 1], 0.1),
        ([1, 2, 2, 2, 2], 0.01),
    ],
)
def test_step_size_falls_after_each_wait_without_improvement(losses, factor):
    assert rate_factor(losses, PLATEAU) == pytest.approx(factor)


def test_improvement_below_min_delta_does_not_count():
    assert best_evaluation([1.0, 0.95, 0.85, 0.8], min_delta=0.1) == 3
    assert rate_factor(
        [1.0, 0.95, 0.92], PLATEAU.model_copy(update={"min_delta": 0.1})
    ) == pytest.approx(0.1)


def rates(steps, **changes):
    """The step sizes of a training of 100 steps at the learning rate 1."""
    changes = {"max_epochs": None, "max_steps": 100, "learning_rate": 1.0} | changes
    params = PARAMS.model_copy(update=changes)
    rate = learning_rate(params, budget_of(params, 640))
    return [float(rate(step)) if callable(rate) else rate for step in steps]


def test_cosine_schedule_warms_up_for_an_epoch_and_ends_near_zero():
    epochs = {"max_epochs": 4, "max_steps": None, "batch_size": 64}
    found = rates([0, 10, 40], schedule="cosine", **epochs)
    np.testing.assert_allclose(found, [0.01, 1.0, 0.01], rtol=1e-6)


def test_stable_schedule_rises_stays_and_falls_in_the_last_fifth():
    found = rates([0, 2, 5, 50, 80, 90, 100], schedule="stable")
    np.testing.assert_allclose(found, [0.01, 0.406, 1, 1, 1, 0.505, 0.01], rtol=1e-5)
    assert rates([95, 100], schedule="stable", warmup_steps=95) == pytest.approx([1.0, 0.01])


def test_constant_schedule_is_the_learning_rate():
    assert learning_rate(PARAMS, budget_of(PARAMS, 640)) == PARAMS.learning_rate
    assert rates([0, 10, 20, 99], schedule="constant", warmup_steps=20) == pytest.approx(
        [0.01, 0.505, 1.0, 1.0]
    )


def test_the_rate_of_a_step_is_that_of_the_schedule():
    budget = budget_of(PARAMS, 200)
    for schedule in ("constant", "cosine", "stable"):
        params = PARAMS.model_copy(update={"schedule": schedule})
        rate = learning_rate(params, budget)
        expected = [float(rate(step)) if callable(rate) else rate for step in (0, 5, 11)]
        assert [rate_at(step, params, budget) for step in (0, 5, 11)] == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["cosine", "stable", "constant"])
def test_the_rate_of_a_step_has_the_bits_of_the_schedule_operation_by_operation(schedule):
    params = PARAMS.model_copy(
        update={"schedule": schedule, "learning_rate": 0.0037, "warmup_steps": 70}
    )
    budget = budget_of(params, 6_400)
    rate = learning_rate(params, budget)
    assert callable(rate)
    for step in range(0, budget.max_steps, 7):
        assert rate_at(step, params, budget) == float(np.asarray(rate(step)).item())


def test_the_seconds_of_an_epoch_leave_out_the_compilation(monkeypatch):
    instants = iter([0.0, 10.0, 12.0, 16.0])
    monkeypatch.setattr("spline_lstm.training.stopwatch.time.perf_counter", lambda: next(instants))
    stopwatch = Stopwatch()
    for epoch in (0.5, 1.0, 2.0):
        stopwatch.tick(epoch)
    assert stopwatch.times()["epoch_seconds"] == 4.0
