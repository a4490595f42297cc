import numpy as np
import pytest

from spline_lstm.evaluation import window_groups
from spline_lstm.evaluation.window_groups import Order, _equal_rows


@pytest.mark.parametrize("most_groups", [1, 3, 1000])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_sums_by_step_series_and_hour_are_those_of_the_windows(size, most_groups, monkeypatch):
    monkeypatch.setattr(window_groups, "MOST_GROUPS", most_groups)
    rng = np.random.default_rng(size)
    values = rng.integers(-99, 99, size=(200, 4, 2)).astype(np.float64)
    series = np.sort(rng.integers(0, 5, 200))
    hour = (rng.integers(0, 6, 200)[:, None] * 4 + np.arange(4)) % 24
    step, by_series, by_hour = np.zeros((4, 2)), np.zeros((6, 2)), np.zeros((24, 2))
    for part in Order.of(series, 6, hour).parts():
        layout = part.layout
        sums = np.zeros((len(layout.series), 4, 2))
        for block in part.blocks(size):
            block.add_to(sums, block.take(values))
        found = layout.sums(sums)
        step, by_series, by_hour = (
            step + found.step,
            by_series + found.series,
            by_hour + found.hour,
        )
    np.testing.assert_array_equal(step, values.sum(axis=0))
    for k in range(6):
        np.testing.assert_array_equal(by_series[k], values[series == k].sum(axis=(0, 1)))
    for h in range(24):
        np.testing.assert_array_equal(by_hour[h], values[hour == h].sum(axis=0))


def test_windows_of_a_series_with_the_same_hours_are_one_group_and_keep_their_order():
    hour = np.array([[0, 1], [1, 2], [0, 1], [0, 2], [0, 1]])
    order = Order.of(np.array([0, 0, 0, 0, 1]), 2, hour)
    groups = [order.rows[order.group == group].tolist() for group in range(order.group[-1] + 1)]
    assert sorted(groups) == [[0, 2], [1], [3], [4]]
    rows = order.rows
    np.testing.assert_array_equal(order.layout.hour[order.group], hour[rows])


def test_rows_whose_sums_of_products_agree_are_told_apart():
    first, second = np.random.default_rng(0).integers(1, 1 << 40, 2)
    rows = np.array([[second, 0], [0, first], [second, 0]])
    assert len(np.unique(rows @ [first, second])) == 1
    np.testing.assert_array_equal(_equal_rows(rows), [1, 0, 1])


def test_no_window_is_one_empty_part():
    order = Order.of(np.zeros(0, dtype=np.int64), 1, np.zeros((0, 3), dtype=np.int64))
    (part,) = order.parts()
    assert list(part.blocks(5)) == []
    np.testing.assert_array_equal(part.layout.sums(np.zeros((0, 3, 1))).step, np.zeros((3, 1)))
