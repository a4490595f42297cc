import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.rows.splits import split_rows, strata_of, units_of

SHARES = np.array([0.7, 0.15, 0.15])


def split(kind="random", **given):
    column = "g" if kind in ("group", "time") else None
    return TabularParams(target="y", split=kind, split_column=column, **given)


def shares(codes):
    return np.bincount(codes, minlength=3) / len(codes)


@given(st.integers(60, 400), st.integers(0, 99))
def test_random_shares_are_exact_but_for_rounding_and_repeat(rows, seed):
    units = np.arange(rows)
    codes = split_rows(split(seed=seed), units * 0, units)
    assert np.abs(shares(codes) - SHARES).max() <= 1 / rows
    np.testing.assert_array_equal(codes, split_rows(split(seed=seed), units * 0, units))


def test_another_seed_is_another_split():
    units = np.arange(100)
    one, other = (split_rows(split(seed=seed), units * 0, units) for seed in (0, 1))
    assert (one != other).any()


@given(st.lists(st.integers(20, 90), min_size=2, max_size=4))
def test_stratified_has_the_shares_in_each_class(sizes):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    codes = split_rows(split("stratified"), classes, np.arange(len(classes)))
    for value, size in enumerate(sizes):
        assert np.abs(shares(codes[classes == value]) - SHARES).max() <= 1 / size


@given(st.lists(st.integers(0, 40), min_size=200, max_size=300))
def test_groups_stay_together(groups):
    groups = np.array(groups)
    assume(len(set(groups)) > 20)
    codes = split_rows(split("group"), groups * 0, units_of(np.arange(len(groups)), groups))
    assert all(len(set(codes[groups == value])) == 1 for value in set(groups))


def test_copies_and_groups_chain():
    copies, groups = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 3])
    units = units_of(copies, groups)
    assert units[0] == units[1] == units[2]
    assert len(set(units.tolist())) == 3


def test_by_time_no_row_is_later_than_one_of_a_later_split():
    times = np.random.default_rng(0).integers(0, 50, 500)
    codes = split_rows(split("time"), times * 0, np.arange(500), times)
    assert times[codes == 0].max() < times[codes == 1].min()
    assert times[codes == 1].max() < times[codes == 2].min()


def test_by_time_no_copy_that_trains_is_later_than_a_row_of_the_test():
    times = np.arange(400)
    copies = np.arange(400)
    # The last row equals one of the first.
    copies[399] = 3
    codes = split_rows(split("time"), times * 0, copies, times)
    assert codes[3] == codes[399] == 2
    assert times[codes == 0].max() < times[codes == 1].min()


def test_a_split_without_rows_is_refused():
    groups = np.zeros(100, dtype=np.int64)
    with pytest.raises(TooLittleDataError, match="the train split has no row|validation split"):
        split_rows(split("group"), groups, groups)


def test_strata_of_numbers_are_fifths_and_equal_targets_share_one():
    target = np.repeat(np.arange(10.0), 20)
    strata = strata_of(target, "regression")
    np.testing.assert_array_equal(np.bincount(strata), [40] * 5)
    assert all(len(set(strata[target == value])) == 1 for value in range(10))
