import numpy as np
import pytest

from spline_lstm.evaluation.blocks import block_length, draw_blocks
from spline_lstm.experiments.bootstrap import resampled_rmse, rmse_difference, seed_range


def data(origins=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, size=origins), rng.integers(1, 4, size=origins).astype(float)


def test_a_block_is_at_most_a_tenth_of_the_origins_so_that_its_interval_is_not_too_narrow():
    rng = np.random.default_rng(3)
    squared = {name: rng.normal(size=400) ** 2 for name in "ab"}

    def width(block):
        found = rmse_difference(
            [squared["a"]], [squared["b"]], np.ones(400), draw_blocks(400, block, 2000, seed=0)
        )
        return found.high - found.low

    assert block_length(400, 288) == 40
    assert block_length(400, 24) == 24
    # Independent errors: the width does not depend on the block. Two blocks of half the series
    # halve it.
    assert width(block_length(400, 288)) == pytest.approx(width(1), rel=0.25)
    assert width(200) < 0.7 * width(1)


def test_seeds_lie_between_the_ends_of_their_spread():
    found = seed_range([15.0, 15.1, 16.0])
    assert (found.low, found.high, found.seeds) == (15.0, 16.0, 3)
    # Mean and half the range would be 15.37 ± 0.5, and 15.95 beyond it.
    assert not found.below(seed_range([15.95, 16.5]))
    assert found.below(seed_range([16.01, 16.5]))
    assert found.below(seed_range([17.0])) is None


def test_a_resample_is_the_rmse_over_the_drawn_origins():
    squared, counts = data()
    starts, lengths = blocks = draw_blocks(60, 7, repetitions=5, seed=3)
    for repetition, rmse in enumerate(resampled_rmse(squared, counts, blocks)):
        drawn = np.concatenate(
            [
                np.arange(start, start + length)
                for start, length in zip(starts[repetition], lengths, strict=True)
            ]
        )
        assert len(drawn) == 60
        assert rmse == pytest.approx(np.sqrt(squared[drawn].sum() / counts[drawn].sum()), rel=1e-12)


def test_forecasts_are_paired_so_that_a_common_factor_is_no_noise():
    squared, counts = data()
    blocks = draw_blocks(60, 5, repetitions=200, seed=0)
    same = rmse_difference([squared], [squared], counts, blocks)
    assert (same.difference, same.low, same.high, same.excludes_zero) == (0.0, 0.0, 0.0, False)
    # Ten percent more error everywhere: a small difference, but never the other way round.
    worse = rmse_difference([1.21 * squared], [squared], counts, blocks)
    assert worse.difference == pytest.approx(0.1 * np.sqrt(squared.sum() / counts.sum()))
    assert worse.excludes_zero


def test_the_interval_of_independent_errors_is_that_of_the_normal_approximation():
    rng = np.random.default_rng(5)
    squared = {name: rng.normal(size=4000) ** 2 for name in "ab"}
    counts = np.ones(4000)
    found = rmse_difference(
        [squared["a"]], [squared["b"]], counts, draw_blocks(4000, 1, repetitions=2000, seed=0)
    )
    # Delta method: sd of a root mean square of n squares of N(0, 1) is 1 / sqrt(2 n); two of them
    # add up.
    expected = 2 * 1.96 * np.sqrt(2 / (2 * 4000))
    assert found.high - found.low == pytest.approx(expected, rel=0.1)


def test_seeds_are_averaged_by_their_rmse():
    squared, counts = data()
    blocks = draw_blocks(60, 5, repetitions=50, seed=0)
    pair = rmse_difference([squared, 4.0 * squared], [squared], counts, blocks)
    assert pair.difference == pytest.approx(0.5 * np.sqrt(squared.sum() / counts.sum()))
