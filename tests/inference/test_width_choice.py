import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.inference.intervals import half_widths
from spline_lstm.inference.local_width import EXPONENTS, width_factors
from spline_lstm.inference.width_choice import Errors, choose_exponents, cross_scores

LEVELS = (80.0, 95.0)


def errors_of(exponents, count=2000, steps=3, seed=0, units=(1.0, 1000.0)):
    """Normal errors whose size follows the recent change to the power of `exponents`."""
    rng = np.random.default_rng(seed)
    relative = np.exp(rng.normal(size=(count, len(exponents))))
    scale = width_factors(relative, np.array(exponents)) * units[: len(exponents)]
    size = np.abs(rng.normal(size=(count, steps, len(exponents)))) * scale[:, None]
    return Errors(size, relative, np.arange(count) * 3600)


@pytest.mark.parametrize("truth", [(0.0, 0.5), (1.0, 0.0), (0.75, 0.25)])
def test_each_target_gets_the_exponent_of_its_errors(truth):
    assert tuple(choose_exponents(errors_of(truth), LEVELS)) == truth


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_neither_the_unit_nor_the_order_of_the_targets_matters(seed):
    errors = errors_of((0.25, 0.5), count=200, seed=seed)
    found = choose_exponents(errors, LEVELS)
    other = Errors(errors.size[..., ::-1] * 1024, errors.relative[:, ::-1], errors.time)
    assert choose_exponents(other, LEVELS).tolist() == found[::-1].tolist()


def test_the_constant_stays_unless_another_is_clearly_better_or_wanted():
    errors = errors_of((0.0,))
    assert choose_exponents(errors, LEVELS).tolist() == [0.0]
    (best,) = choose_exponents(errors, LEVELS, constant=False)
    assert best == 0.25


def test_scores_are_those_of_widths_from_the_other_blocks():
    errors = errors_of((0.5,), count=100, steps=2)
    scores = cross_scores(errors, [80.0])
    raw = np.empty((len(EXPONENTS), 5))
    for block in range(5):
        own = np.arange(block * 20, block * 20 + 20)
        # Windows nearer than two rows share labels with the block.
        others = [k for k in range(100) if k <= own[0] - 2 or k >= own[-1] + 2]
        for index, exponent in enumerate(EXPONENTS):
            factor = width_factors(errors.relative, np.array([exponent]))[:, None]
            scaled = errors.size / factor
            rank = int(np.ceil((len(others) + 1) * 0.8)) - 1
            half = np.sort(scaled[others], axis=0)[rank] * factor[own]
            beyond = np.maximum(errors.size[own] - half, 0)
            raw[index, block] = (2 * half + 10 * beyond).mean()
    np.testing.assert_allclose(scores[..., 0], raw / raw[0].mean(), rtol=1e-12)


def test_too_few_or_no_errors_leave_the_width_constant():
    for count in (0, 1, 99):
        errors = errors_of((1.0,), count=count)
        assert choose_exponents(errors, LEVELS).tolist() == [0.0]
    perfect = Errors(np.zeros((100, 2, 1)), np.ones((100, 1)), np.arange(100))
    assert choose_exponents(perfect, LEVELS).tolist() == [0.0]
    assert choose_exponents(errors_of((1.0,)), ()).tolist() == [0.0]


def test_scaled_residuals_keep_the_promise_of_the_rank():
    """A window with its own factor is covered as often as one without."""
    rng, inside = np.random.default_rng(5), []
    for _ in range(2000):
        relative = np.exp(rng.normal(size=(20, 1)))
        factors = width_factors(relative, np.array([0.5]))
        size = np.abs(rng.normal(size=(20, 1))) * factors
        (width,), _ = half_widths((size / factors)[:-1, None], [80.0])
        inside.append(size[-1, 0] <= width[0, 0] * factors[-1, 0])
    # 16 of 20 ranks: exactly the level.
    assert np.mean(inside) == pytest.approx(0.8, abs=0.03)
