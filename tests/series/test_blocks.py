"""A panel filled some series at a time is the panel filled at once, bit by bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.series import blocks, placing
from spline_lstm.series.blocks import fill_in_blocks
from spline_lstm.series.grid import fill_column, lay_out
from tests.builders import HOUR, HOURLY, START, make_table


def panel(seed: int, jitter: float):
    """Series of 1 to 60 rows, some of them missing, at other starts, off the hour by jitter."""
    rng = np.random.default_rng(seed)
    series = {}
    for number in range(rng.integers(1, 8)):
        rows = int(rng.integers(1, 60))
        hours = np.flatnonzero(rng.random(rows) < 0.7) if rows > 1 else np.array([0])
        hours = hours if len(hours) else np.array([0])
        times = START + (hours + int(rng.integers(0, 50))) * HOUR
        times = times + (rng.uniform(-jitter, jitter, len(hours)) * HOUR).astype(np.int64)
        values = np.where(rng.random(len(hours)) < 0.2, np.nan, rng.normal(size=len(hours)))
        series[f"s{number}"] = (np.sort(times), values)
    return make_table(series)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    jitter=st.sampled_from([0.0, 0.3, 0.49, 0.9]),
    snap=st.sampled_from([0.0, 0.2, 0.5, "interpolate"]),
    method=st.sampled_from(["linear", "pchip", "akima", "cubic"]),
    size=st.sampled_from([1, 7, 50]),
)
def test_blocks_change_no_bit(seed, jitter, snap, method, size):
    table = panel(seed, jitter)
    layout = lay_out(table, HOURLY, snap)
    values = table.values[:, 0]
    placed, present = layout.place(values)
    expected = fill_column(
        placed, present, layout.rows, method=method, max_gap=3, row_offsets=layout.row_offsets
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", size)
        patch.setattr(placing, "BLOCK", size)
        again, same = layout.place(values)
        found = fill_in_blocks(again, same, layout.row_offsets, method=method, max_gap=3)
    for name in ("times", "snapped", "seen", "settled"):
        assert getattr(again, name).tobytes() == getattr(placed, name).tobytes()
    for name in ("raw", "filled", "causal", "known_at", "valid", "age"):
        one, two = getattr(found, name), getattr(expected, name)
        assert one.dtype == two.dtype
        assert one.tobytes() == two.tobytes(), name
