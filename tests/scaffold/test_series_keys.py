"""Repeated timestamps, counted without a table of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.scaffold import series_keys
from spline_lstm.scaffold.series_keys import repeated

ROWS = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 4)), min_size=1, max_size=40)


@pytest.mark.parametrize("most", [0, series_keys.MAX_CELLS])
@given(rows=ROWS)
def test_repeated_rows_are_those_of_pandas(most, rows):
    timestamps, keys = (np.array(each, dtype=np.int64) for each in zip(*rows, strict=True))
    frame = pd.DataFrame({"timestamp": timestamps * 10**18, "key": keys})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_keys, "MAX_CELLS", most)
        found = repeated(timestamps * 10**18, keys)
    assert found == frame.duplicated().sum()
    assert repeated(timestamps) == frame["timestamp"].duplicated().sum()
