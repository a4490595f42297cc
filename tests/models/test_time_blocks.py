import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.models.time_blocks import (
    block_sums,
    blocks_of,
    covered_rows,
    evidence_blocks,
    standard_error,
)

HORIZON = 4


@given(st.lists(st.integers(0, 60), min_size=1, max_size=80), st.integers(1, 9))
def test_what_is_covered_is_counted_by_hand(times, horizon):
    rows = {t + k for t in set(times) - {max(times)} for k in range(horizon) if t + k < max(times)}
    assert covered_rows(np.array(times), horizon) == len(rows) + 1


def test_a_panel_covers_what_one_of_its_series_covers():
    times = np.arange(100)
    assert covered_rows(np.tile(times, 40), HORIZON) == covered_rows(times, HORIZON) == 100


def test_a_stride_beyond_the_horizon_counts_a_horizon_for_each_window():
    assert covered_rows(np.arange(0, 1000, 10), HORIZON) == 99 * HORIZON + 1


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 8))
def test_blocks_follow_time_and_never_cut_one(times, count):
    blocks = blocks_of(np.array(times), count)
    assert len(set(blocks.tolist())) == min(count, len(set(times)))
    order = np.argsort(times, kind="stable")
    assert (np.diff(blocks[order]) >= 0).all()
    assert len({(t, b) for t, b in zip(times, blocks.tolist(), strict=True)}) == len(set(times))


def test_one_series_is_cut_as_numpy_does():
    expected = np.repeat(np.arange(7), [len(p) for p in np.array_split(np.arange(100), 7)])
    assert blocks_of(np.arange(100), 7).tolist() == expected.tolist()
    assert len(set(evidence_blocks(np.arange(100), HORIZON).tolist())) == 20
    assert len(set(evidence_blocks(np.arange(30), HORIZON).tolist())) == 7


def test_the_standard_error_of_one_series_is_that_of_the_means_of_blocks():
    gains = np.random.default_rng(0).normal(size=80)
    means = gains.reshape(20, 4).mean(axis=1)
    expected = means.std(ddof=1) / np.sqrt(20)
    assert standard_error(gains, np.arange(80), HORIZON) == pytest.approx(expected)


def test_the_same_gains_in_forty_series_are_no_more_certain_than_in_one():
    gains = np.random.default_rng(1).normal(size=80)
    alone = standard_error(gains, np.arange(80), HORIZON)
    panel = standard_error(np.tile(gains, 40), np.tile(np.arange(80), 40), HORIZON)
    assert panel == pytest.approx(alone)


def test_a_single_time_says_nothing():
    assert standard_error(np.array([2.0, 4.0]), np.array([7, 7]), HORIZON) == 3.0


def test_sums_are_those_of_the_windows_of_each_block():
    values = np.arange(12.0).reshape(2, 6)
    assert block_sums(values, np.array([0, 1, 0, 1, 2, 2])).tolist() == [
        [2.0, 4.0, 9.0],
        [14.0, 16.0, 21.0],
    ]
