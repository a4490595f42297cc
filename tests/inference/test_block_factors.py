import numpy as np
import pytest
from scipy.signal import lfilter

from spline_lstm.inference.block_factors import LATEST_BLOCKS, block_factors
from spline_lstm.inference.intervals import DISTRIBUTION, conformal_intervals, half_widths

LEVELS = (80.0, 95.0)


def in_blocks(*sizes, windows=200, seed=0):
    """Residuals of blocks with these standard deviations, two steps and one target."""
    rng = np.random.default_rng(seed)
    return np.concatenate([size * rng.normal(size=(windows, 2, 1)) for size in sizes])


def test_a_factor_is_the_least_that_covers_the_next_block():
    residuals = in_blocks(1.0, 2.0, 0.5, 1.5)
    residuals[::7] = np.nan
    time = np.arange(len(residuals))
    found = block_factors(residuals, time, 4, LEVELS)
    blocks = np.split(np.abs(residuals), 4)
    for index, level in enumerate(LEVELS):
        widths = [half_widths(block, [level])[0][0] for block in blocks]
        inside, observed = 0, 0
        narrower = 0
        for width, later in zip(widths, blocks[1:], strict=False):
            inside += (later <= found[index, 0] * width * (1 + 1e-12)).sum()
            narrower += (later < found[index, 0] * width * (1 - 1e-12)).sum()
            observed += np.isfinite(later).sum()
        assert narrower < level / 100 * observed <= inside


def test_harder_times_widen_and_calmer_ones_do_not_narrow():
    time = np.arange(800)
    harder, calmer = in_blocks(1, 2, 4, 8), in_blocks(8, 4, 2, 1)
    assert block_factors(harder, time, 4, LEVELS) == pytest.approx(2.0, rel=0.15)
    assert block_factors(calmer, time, 4, LEVELS).tolist() == [[1.0], [1.0]]
    both = np.concatenate((harder, calmer), axis=2)
    assert block_factors(both, time, 4, LEVELS)[:, 1].tolist() == [1.0, 1.0]


def test_the_unit_and_the_order_of_rows_do_not_matter():
    residuals, time = in_blocks(1, 2, 1, 3), np.arange(800) * 3_600
    expected = block_factors(residuals, time, 4, LEVELS)
    shuffled = np.random.default_rng(1).permutation(800)
    np.testing.assert_array_equal(
        block_factors(4.0 * residuals[shuffled], time[shuffled], 4, LEVELS), expected
    )


def test_only_the_latest_blocks_count():
    many = in_blocks(*[1000.0**k for k in range(3)], *[1.0] * LATEST_BLOCKS, windows=100)
    latest = many[-100 * LATEST_BLOCKS :]
    np.testing.assert_array_equal(
        block_factors(many, np.arange(len(many)), LATEST_BLOCKS + 3, LEVELS),
        block_factors(latest, np.arange(len(latest)), LATEST_BLOCKS, LEVELS),
    )


@pytest.mark.parametrize("blocks", [0, 1])
def test_without_two_blocks_there_is_nothing_to_learn(blocks):
    assert block_factors(in_blocks(1, 9), np.arange(400), blocks, LEVELS).tolist() == [[1.0], [1.0]]


def test_blocks_with_too_few_windows_or_without_errors_teach_nothing():
    few = in_blocks(1, 9, windows=10)
    found = block_factors(few, np.arange(20), 2, LEVELS)
    # 95 % takes 19 residuals.
    assert found[0, 0] > 1.0
    assert found[1, 0] == 1.0
    none = np.zeros_like(few)
    assert block_factors(none, np.arange(20), 2, LEVELS).tolist() == [[1.0], [1.0]]
    unknown = np.full_like(few, np.nan)
    assert block_factors(unknown, np.arange(20), 2, LEVELS).tolist() == [[1.0], [1.0]]


def test_widened_half_widths_never_fall_with_the_level():
    made = conformal_intervals(in_blocks(1.0), LEVELS)
    factors = np.ones((2 + len(DISTRIBUTION), 1))
    assert made.widened(factors).half_widths.tolist() == made.half_widths.tolist()
    factors[0] = 5.0
    widened = made.widened(factors)
    expected = 5.0 * made.half_widths[0]
    assert widened.half_widths.tolist() == [expected.tolist()] * 2
    assert widened.distribution.tolist() == made.distribution.tolist()
    factors[2] = 100.0
    assert (np.diff(made.widened(factors).distribution, axis=0) >= 0).all()


def drifting(rng, rows):
    """Independent errors whose standard deviation wanders around 1, slowly and without trend."""
    keep = np.exp(-1 / 25)
    wander = lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.normal(size=rows + 500))[500:]
    return (np.exp(0.5 * wander) * rng.normal(size=rows))[:, None, None]


def test_widths_of_series_with_calm_and_wild_times_cover_at_the_level_on_average():
    rng, plain, widened = np.random.default_rng(5), [], []
    for _ in range(300):
        train, validation, test = np.split(drifting(rng, 500), [350, 425])
        made = conformal_intervals(validation, LEVELS)
        factors = block_factors(train, np.arange(350), 5, (*LEVELS, *DISTRIBUTION))
        for intervals, found in ((made, plain), (made.widened(factors), widened)):
            found.append((np.abs(test) <= intervals.half_widths[:, None]).mean(axis=(1, 2, 3)))
    misses = [100 * np.mean(found, axis=0) - LEVELS for found in (plain, widened)]
    assert (misses[0] < 0.0).all()
    assert np.abs(misses[1]).max() < np.abs(misses[0]).max()
    assert np.abs(misses[1]).max() < 2.0
