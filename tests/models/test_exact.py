import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.models.exact import BITS, grid_of, product, rounded, solve_spd


@given(st.integers(0, 2**32 - 1), st.integers(1, 9000))
def test_a_product_is_exact_and_does_not_depend_on_the_order_of_rows(seed, rows):
    generator = np.random.default_rng(seed)
    values = generator.integers(-(2**BITS), 2**BITS + 1, size=(rows, 3))
    expected = [
        [sum(int(a) * int(b) for a, b in zip(x, y, strict=True)) for y in values.T]
        for x in values.T
    ]
    shuffled = generator.permutation(values).astype(np.float64)
    assert product(shuffled, shuffled).tolist() == np.array(expected, dtype=np.float64).tolist()


@pytest.mark.parametrize("condition", [1e1, 1e6])
def test_elimination_agrees_with_scipy(condition):
    generator = np.random.default_rng(0)
    vectors = scipy.linalg.qr(generator.normal(size=(40, 40)))[0]
    matrix = vectors @ np.diag(np.geomspace(1, 1 / condition, 40)) @ vectors.T
    matrix = (matrix + matrix.T) / 2
    right = generator.normal(size=(40, 3))
    expected = scipy.linalg.solve(matrix, right, assume_a="pos")
    assert np.allclose(solve_spd(matrix, right), expected, rtol=1e-14 * condition * 100)


def test_the_grid_is_a_power_of_two_that_covers_the_values():
    values = np.array([np.nan, 3.0, -77.7])
    grid = grid_of(values)
    assert np.log2(grid) == round(np.log2(grid))
    assert 2 ** (BITS - 1) < 77.7 / grid <= 2**BITS


def test_rounding_forgets_the_last_digits():
    assert rounded(np.array([0.1 + 1e-15])) == rounded(np.array([0.1]))
