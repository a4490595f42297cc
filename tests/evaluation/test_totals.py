"""Sums of chunks with some of the series are the bits of sums of chunks with all of them."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.evaluation.coverage import Groups, sum_coverage
from spline_lstm.evaluation.error_sums import MODEL, Grouped, merge, sum_errors
from spline_lstm.evaluation.totals import CoverageTotal, ScoreTotal, SeriesRange

SERIES = 7


def leaves(value):
    """All arrays of nested sums, in order."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, Grouped) or hasattr(value, "__dataclass_fields__"):
        return [leaf for each in vars(value).values() for leaf in leaves(each)]
    return [np.array(value)]


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(0, 4), min_size=SERIES, max_size=SERIES).filter(any),
    size=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_totals_of_chunks_are_the_bits_of_merged_sums_of_all_series(counts, size, seed):
    rng = np.random.default_rng(seed)
    series = np.repeat(np.arange(SERIES), counts)
    shape = (len(series), 3, 2)
    truth, forecast, other = rng.normal(size=(3, *shape))
    mask, hour = rng.random(shape) < 0.8, rng.integers(0, 24, shape[:2])
    tercile = rng.integers(0, 3, (len(series), 2))
    epsilon, scale = rng.random((2, SERIES, 2)) + 0.1
    whole, ranged, covered, ranged_coverage = [], ScoreTotal(SERIES), [], CoverageTotal(SERIES)

    def errors(rows, own, chosen):
        return sum_errors(
            truth[rows],
            mask[rows],
            {MODEL: forecast[rows], "naive": other[rows]},
            epsilon=epsilon[chosen],
            season_scale=scale[chosen],
            series=own,
            hour=hour[rows],
        )

    def coverage(rows, own, count):
        bounds = (forecast[rows, ..., None] - 0.5, forecast[rows, ..., None] + 0.5)
        groups = Groups(own, count, tercile[rows])
        return sum_coverage(truth[rows], mask[rows], bounds, (80.0,), groups, other[rows] ** 2)

    for start in range(0, len(series), size):
        rows = slice(start, start + size)
        chosen = SeriesRange.of(series[rows])
        own = series[rows] - chosen.first
        whole.append(errors(rows, series[rows], slice(None)))
        ranged.add(errors(rows, own, chosen.rows), chosen)
        covered.append(coverage(rows, series[rows], SERIES))
        ranged_coverage.add(coverage(rows, own, chosen.end - chosen.first), chosen)
    for expected, found in (
        (reduce(merge, whole), ranged.sums),
        (reduce(add, covered), ranged_coverage.sums),
    ):
        pairs = zip(leaves(expected), leaves(found), strict=True)
        assert all(np.array_equal(one, two, equal_nan=True) for one, two in pairs)


def test_a_range_reaches_from_the_first_to_the_last_series():
    chosen = SeriesRange.of(np.array([3, 3, 5]))
    assert (chosen.first, chosen.end, chosen.rows) == (3, 6, slice(3, 6))
    with pytest.raises(ValueError, match="zero-size"):
        SeriesRange.of(np.array([], dtype=np.int64))
