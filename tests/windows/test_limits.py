import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spline_lstm.windows.limits import ForecastLimits

NAN, INF = np.nan, np.inf
LIMITS = ForecastLimits(
    np.array([[0.0, INF], [-1.0, 1.0]]), np.array([[5.0, NAN], [NAN, NAN], [NAN, NAN]])
)


@pytest.mark.parametrize("axes", [(), (3,)])
@given(data=st.data())
def test_every_value_is_clipped_to_the_bounds_of_its_target(axes, data):
    shape = (2, 4, 2, *axes)
    values = data.draw(arrays(np.float64, shape, elements=st.floats(-10, 10)))
    expected = np.stack([values[:, :, 0].clip(0), values[:, :, 1].clip(-1, 1)], axis=2)
    np.testing.assert_array_equal(LIMITS.clip(values), expected)
    assert LIMITS.clip(values.astype(np.float32)).dtype == np.float32


def test_without_bounds_the_same_array_comes_back():
    values = np.ones((1, 2, 1))
    free = ForecastLimits(np.array([[-INF, INF]]), np.array([[NAN], [NAN]]))
    assert free.clip(values) is values
    assert free.keep(values, np.ones((1, 3, 1)), np.array([0])) is values


def test_a_constant_series_keeps_its_constant_as_long_as_the_lookback_has_it():
    history = np.full((4, 3, 2), 5.0)
    history[1, 0, 0] = 5.1
    series = np.array([0, 0, 1, -1])
    values = np.full((4, 2, 2), 0.5)
    kept = LIMITS.keep(values, history, series)
    assert LIMITS.held(history, series).tolist() == [[True, False]] + [[False, False]] * 3
    assert kept[0, :, 0].tolist() == [5.0, 5.0]
    assert (np.delete(kept, 0, axis=0) == 0.5).all()
    assert (kept[0, :, 1] == 0.5).all()
    # With an axis of interval levels, too.
    assert (LIMITS.keep(values[..., None], history, series)[0, :, 0] == 5.0).all()
