import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.inference.interval_score import interval_score

numbers = st.floats(-100, 100)


@given(y=numbers, ends=st.tuples(numbers, numbers), level=st.floats(1, 99))
def test_it_is_two_pinball_losses_over_half_of_alpha(y, ends, level):
    low, high = sorted(ends)
    alpha = 1 - level / 100

    def pinball(quantile, share):
        return max(share * (y - quantile), (share - 1) * (y - quantile))

    expected = 2 / alpha * (pinball(low, alpha / 2) + pinball(high, 1 - alpha / 2))
    found = interval_score(*(np.array([value]) for value in (y, low, high)), level)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-7)
