import pytest

from spline_lstm.training.optimizers import best_epoch, learning_rate, rate_factor
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
    assert best_epoch([1.0, 0.95, 0.85, 0.8], min_delta=0.1) == 3
    assert rate_factor(
        [1.0, 0.95, 0.92], PLATEAU.model_copy(update={"min_delta": 0.1})
    ) == pytest.approx(0.1)


def test_cosine_schedule_warms_up_for_an_epoch_and_ends_near_zero():
    rate = learning_rate(
        PARAMS.model_copy(update={"schedule": "cosine", "learning_rate": 1.0}), steps_per_epoch=10
    )
    assert rate(0) < 0.02
    assert float(rate(10)) == pytest.approx(1.0)
    assert float(rate(40)) == pytest.approx(0.01)


def test_constant_schedule_is_the_learning_rate():
    assert learning_rate(PARAMS, 10) == PARAMS.learning_rate
