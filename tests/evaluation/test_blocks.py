from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.evaluation.blocks import draw_blocks


@given(st.integers(2, 200), st.integers(1, 300))
def test_blocks_lie_inside_the_series_and_are_as_long_as_it_together(origins, block):
    starts, lengths = draw_blocks(origins, block, repetitions=20, seed=1)
    assert lengths.sum() == origins
    assert starts.min() >= 0
    assert (starts + lengths).max() <= origins
