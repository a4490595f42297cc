"""What the report shows of the data, against what was put into the table."""

import numpy as np
import pytest

from spline_lstm.core.params_data import OutliersParams, SmoothingParams
from spline_lstm.series.course import course_table
from spline_lstm.series.preprocess import preprocess
from tests.builders import HOURLY, hours, make_preprocess_params, make_schema, make_table

ROWS = 100
SPIKE, GAP, LONG_GAP = 50, slice(20, 23), slice(60, 75)


def table_of(**params):
    """A row per hour of a line with a spike, a gap to fill and a gap to leave; one bin per row."""
    values = np.arange(ROWS, dtype=np.float64)
    values[SPIKE] = 1e4
    values[GAP] = values[LONG_GAP] = np.nan
    table = make_table({"": (hours(ROWS), values)})
    params = make_preprocess_params(max_gap=6, **params)
    result = preprocess(table, make_schema(), params, where="t.csv", clock=HOURLY)
    return course_table(result, bins=ROWS), values


def test_fills_and_rows_left_missing_are_told_from_observations():
    course, values = table_of()
    np.testing.assert_array_equal(course["observed"], values)
    assert course["filled"].notna().to_numpy().nonzero()[0].tolist() == [20, 21, 22]
    np.testing.assert_allclose(course["filled"][GAP], [20.0, 21.0, 22.0])
    assert course["missing"].to_numpy().nonzero()[0].tolist() == list(range(60, 75))
    assert course["split"].value_counts().to_dict() == {"train": 70, "validation": 15, "test": 15}
    assert course[["replaced", "smoothed"]].isna().all(axis=None)


def test_a_replaced_outlier_is_shown_as_it_was_and_as_what_it_became():
    outliers = OutliersParams(method="replace", window=9, threshold=6.0)
    course, _ = table_of(outliers=outliers)
    # The line after the long gap is far from the median of the rows before it, too.
    assert course["replaced"].dropna().to_dict() == {SPIKE: 1e4, 75: 75.0, 76: 76.0, 77: 77.0}
    assert course["observed"].isna()[SPIKE]
    assert course["filled"][SPIKE] == pytest.approx(SPIKE)


@pytest.mark.parametrize("method", ["replace", "channel"])
def test_smoothed_values_stand_beside_the_raw_ones(method):
    course, values = table_of(smoothing=SmoothingParams(method=method, strength=100.0))
    np.testing.assert_array_equal(course["observed"], values)
    # The spike passes the filter, which looks back only, but not as it is.
    assert 100 < course["smoothed"][SPIKE] < 9000
    np.testing.assert_allclose(course["smoothed"][:15], values[:15], atol=1.0)


def test_many_rows_become_few_intervals():
    values = np.sin(np.arange(5000.0))
    table = make_table({"": (hours(5000), values)})
    result = preprocess(table, make_schema(), make_preprocess_params(), where="t.csv")
    course = course_table(result)
    assert len(course) <= 400
    assert course["low"].min() == values.min()
    assert course["high"].max() == values.max()
