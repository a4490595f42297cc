import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls

from spline_lstm.models.stack import (
    MAX_MEMBERS,
    fit_guarded_stack,
    fit_stack,
    guarded_factor,
    solve_simplex,
)


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
    stack = fit_stack(("lin", "good", "bad"), forecasts, truth, np.arange(400))
    assert stack.weights.sum() == pytest.approx(1.0)
    assert stack.weights.min() >= 0
    assert stack.weights[1] == pytest.approx(0.5, abs=0.05)
    assert stack.weights[2] < 0.05


def test_few_blocks_leave_more_to_the_reference():
    forecasts, truth = members_of(0, windows=40)
    few = fit_stack(("lin", "good", "bad"), forecasts[:, :10], truth[:10], np.arange(10))
    many = fit_stack(
        ("lin", "good", "bad"),
        np.tile(forecasts, (1, 50, 1)),
        np.tile(truth, (50, 1)),
        np.arange(2000),
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
    times = np.arange(60)
    expected = fit_stack(names, forecasts, masked, times)
    assert fit_stack(names, garbage, masked, times).weights.tolist() == expected.weights.tolist()


def test_series_of_a_panel_at_the_same_times_are_no_further_evidence():
    forecasts, truth = members_of(0, windows=12)
    names = ("lin", "good", "bad")
    alone = fit_stack(names, forecasts, truth, np.arange(12))
    panel = fit_stack(
        names, np.tile(forecasts, (1, 40, 1)), np.tile(truth, (40, 1)), np.tile(np.arange(12), 40)
    )
    np.testing.assert_allclose(panel.penalties, alone.penalties)
    np.testing.assert_allclose(panel.weights, alone.weights, atol=1e-4)


def test_the_windows_of_a_single_time_leave_the_reference():
    forecasts, truth = members_of(0, windows=30)
    for fit in (fit_stack, fit_guarded_stack):
        stack = fit(("lin", "good", "bad"), forecasts, truth, np.zeros(30, dtype=int))
        assert stack.weights.tolist() == [1.0, 0.0, 0.0]


def test_a_member_equal_to_the_reference_gets_nothing():
    forecasts, truth = members_of(0)
    stack = fit_stack(("lin", "same"), np.stack([forecasts[0]] * 2), truth, np.arange(400))
    assert stack.weights.tolist() == [1.0, 0.0]


def test_the_combination_is_the_weighted_sum():
    forecasts, truth = members_of(2)
    stack = fit_stack(("lin", "good", "bad"), forecasts, truth, np.arange(400))
    assert np.allclose(stack.combine(forecasts), np.tensordot(stack.weights, forecasts, 1))


def test_too_many_members_are_refused():
    forecasts = np.zeros((MAX_MEMBERS + 2, 4, 1))
    with pytest.raises(ValueError, match="at most 8 members"):
        fit_stack(tuple("abcdefghij"), forecasts, np.zeros((4, 1)), np.arange(4))


def test_many_blocks_need_no_guard():
    forecasts, truth = members_of(3)
    plain = fit_stack(("a", "b", "c"), forecasts, truth, np.arange(400))
    guarded = fit_guarded_stack(("a", "b", "c"), forecasts, truth, np.arange(400))
    np.testing.assert_array_equal(guarded.weights, plain.weights)


def test_few_blocks_count_as_far_as_left_out_windows_confirm_it():
    forecasts, truth = members_of(3, windows=24)
    plain = fit_stack(("a", "b", "c"), forecasts, truth, np.arange(24))
    guarded = fit_guarded_stack(("a", "b", "c"), forecasts, truth, np.arange(24))
    assert guarded.weights.sum() == pytest.approx(1.0)
    assert guarded.weights.min() >= 0
    share = guarded.weights[1] / plain.weights[1]
    assert 0.2 < share <= 1
    assert guarded.weights[2] == pytest.approx(share * plain.weights[2], abs=1e-4)


def test_few_blocks_that_disagree_leave_the_reference():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(24, 3))
    truth[:4] += 5.0
    other = np.repeat(np.where(np.arange(24) < 8, 5.0, -2.0)[:, None], 3, axis=1)
    forecasts = np.stack([np.zeros((24, 3)), other])
    guarded = fit_guarded_stack(("a", "b"), forecasts, truth, np.arange(24))
    assert guarded.weights[0] > 0.9


def test_guarded_factor_is_least_squares_less_the_jackknife_error():
    generator = np.random.default_rng(4)
    added = generator.normal(size=(40, 2))
    missed = 0.8 * added + 0.3 * generator.normal(size=(40, 2))
    missed[3, 1] = np.nan
    seen = ~np.isnan(missed)

    def slope(rows):
        some = seen[rows]
        return (missed[rows][some] * added[rows][some]).sum() / (added[rows][some] ** 2).sum()

    blocks = np.array_split(np.arange(40), 20)
    left_out = [slope(np.setdiff1d(np.arange(40), block)) for block in blocks]
    error = np.sqrt(19 / 20 * np.sum((left_out - np.mean(left_out)) ** 2))
    expected = slope(np.arange(40)) - error
    assert guarded_factor(missed, added, np.arange(40)) == pytest.approx(expected)
    assert guarded_factor(missed, 0 * added, np.arange(40)) == 0.0
