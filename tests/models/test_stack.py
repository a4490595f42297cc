import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls

from spline_lstm.models.stack import MAX_MEMBERS, fit_stack, solve_simplex


def members_of(seed, windows=400, horizon=3):
    """A reference, a useful member, a useless one, and the truth, all [windows, horizon]."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=(windows, horizon))
    noise = generator.normal(size=(3, windows, horizon))
    return truth + np.array([0.5, 0.5, 3.0])[:, None, None] * noise, truth


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_weights_are_those_of_a_general_solver(seed, n):
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(n + 3, n))
    matrix, target = root.T @ root + 0.1 * np.eye(n), 3 * generator.normal(size=n)

    def value(weights):
        return weights @ matrix @ weights / 2 - target @ weights

    found = solve_simplex(matrix, target)
    oracle = minimize(
        value,
        np.full(n, 0.5 / n),
        jac=lambda w: matrix @ w - target,
        method="SLSQP",
        bounds=[(0, None)] * n,
        constraints={"type": "ineq", "fun": lambda w: 1 - w.sum()},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.min() >= 0
    assert found.sum() <= 1 + 1e-9
    assert value(found) <= value(oracle.x) + 1e-7


def test_a_sum_below_one_gives_the_weights_of_nnls():
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(100, 4))
    truth = inputs @ np.array([0.3, 0.0, 0.2, -0.4]) + 0.01 * generator.normal(size=100)
    expected, _ = nnls(inputs, truth)
    assert np.allclose(solve_simplex(inputs.T @ inputs, inputs.T @ truth), expected, atol=1e-9)


def test_members_that_are_equal_share_no_failure():
    twins = np.ones((2, 2))
    weights = solve_simplex(twins, np.array([0.5, 0.5]))
    assert weights.sum() == pytest.approx(0.5)


def test_weights_are_convex_and_favour_the_useful_member():
    forecasts, truth = members_of(0)
    stack = fit_stack(("lin", "good", "bad"), forecasts, truth, blocks=100)
    assert stack.weights.sum() == pytest.approx(1.0)
    assert stack.weights.min() >= 0
    assert stack.weights[1] == pytest.approx(0.5, abs=0.05)
    assert stack.weights[2] < 0.05


def test_few_blocks_leave_more_to_the_reference():
    forecasts, truth = members_of(0, windows=40)
    few = fit_stack(("lin", "good", "bad"), forecasts[:, :10], truth[:10], blocks=3)
    many = fit_stack(
        ("lin", "good", "bad"), np.tile(forecasts, (1, 50, 1)), np.tile(truth, (50, 1)), blocks=200
    )
    assert few.penalties[1] > 3 * many.penalties[1]
    assert few.weights[0] > many.weights[0]


@given(st.integers(0, 2**32 - 1))
def test_unobserved_labels_do_not_count(seed):
    forecasts, truth = members_of(0, windows=60)
    hidden = np.random.default_rng(seed).random(truth.shape) < 0.4
    masked = np.where(hidden, np.nan, truth)
    garbage = np.where(hidden, 1e9, forecasts)
    names = ("lin", "good", "bad")
    expected = fit_stack(names, forecasts, masked, blocks=20)
    assert (
        fit_stack(names, garbage, masked, blocks=20).weights.tolist() == expected.weights.tolist()
    )


def test_a_member_equal_to_the_reference_gets_nothing():
    forecasts, truth = members_of(0)
    stack = fit_stack(("lin", "same"), np.stack([forecasts[0]] * 2), truth, blocks=20)
    assert stack.weights.tolist() == [1.0, 0.0]


def test_the_combination_is_the_weighted_sum():
    forecasts, truth = members_of(2)
    stack = fit_stack(("lin", "good", "bad"), forecasts, truth, blocks=50)
    assert np.allclose(stack.combine(forecasts), np.tensordot(stack.weights, forecasts, 1))


def test_too_many_members_are_refused():
    forecasts = np.zeros((MAX_MEMBERS + 2, 4, 1))
    with pytest.raises(ValueError, match="at most 8 members"):
        fit_stack(tuple("abcdefghij"), forecasts, np.zeros((4, 1)), blocks=2)
