from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.clock import Clock
from spline_lstm.series.grid import NEVER, Column, fill_column
from spline_lstm.series.placing import Grid, make_grids, place, place_panel
from spline_lstm.series.spline import RIGHT_NEIGHBOURS
from spline_lstm.windows.gather import gather_inputs

STEP = 10
METHODS = sorted(RIGHT_NEIGHBOURS)
TIMESTAMPS = st.sets(st.integers(0, 300), min_size=1, max_size=40).map(
    lambda timestamps: np.array(sorted(timestamps))
)
SNAPS = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, "interpolate"])
VALUE = st.one_of(
    st.just(np.nan), st.integers(-3, 3).map(float), st.floats(-1e9, 1e9, allow_subnormal=False)
)


def grid_of(start: int, step: int, rows: int) -> Grid:
    """The rows from `start` on, `step` apart."""
    return Grid(Clock("fixed", anchor=start, step=step), 0, rows)


def make_grid(timestamps: np.ndarray, anchor: int, step: int) -> Grid:
    """The grid of one series."""
    clock = Clock("fixed", anchor=anchor, step=step)
    return make_grids(timestamps, np.array([0, len(timestamps)]), clock)[0]


def start_of(grid: Grid) -> int:
    """Instant of the first row."""
    return int(grid.timestamps[0])


def on_rows(values: list[float], *, method: str = "linear", max_gap: int = 6) -> Column:
    """A column with one value per row, NaN where there is none."""
    timestamps = STEP * np.arange(len(values))
    placed = place(timestamps, grid_of(0, STEP, len(values)), 0.5)
    return fill_column(
        placed, np.array(values, dtype=np.float64), len(values), method=method, max_gap=max_gap
    )


# --- the grid -------------------------------------------------------------------------------------


@given(TIMESTAMPS, st.integers(-1000, 1000), st.integers(1, 50))
def test_a_grid_passes_through_its_anchor_and_ends_in_the_nearest_rows(timestamps, anchor, step):
    grid = make_grid(timestamps, anchor, step)
    assert (start_of(grid) - anchor) % step == 0
    assert len(grid.timestamps) == grid.rows
    assert abs(2 * (grid.timestamps[0] - timestamps.min())) <= step
    assert abs(2 * (grid.timestamps[-1] - timestamps.max())) <= step
    assert (np.diff(grid.timestamps) == step).all()


def test_a_timestamp_halfway_between_two_rows_belongs_to_the_later_one():
    assert make_grid(np.array([15, 25]), 0, STEP).timestamps.tolist() == [20, 30]


@given(st.integers(1, 10**15), st.integers(0, 9000))
def test_long_steps_lose_no_nanosecond(step, count):
    grid = make_grid(np.array([0, count * step]), 0, step)
    assert (grid.rows, grid.timestamps[-1]) == (count + 1, count * step)


# --- timestamps on the grid -----------------------------------------------------------------------


def place_by_the_rules(
    timestamps: np.ndarray, grid: Grid, tenths: int
) -> tuple[list[Fraction], list[bool]]:
    """The docstring of `place` in exact arithmetic; `tenths` is ten times the snap."""
    times, snapped = [], []
    for timestamp in timestamps.tolist():
        offset = Fraction(timestamp - start_of(grid), grid.clock.step)
        row = (offset + Fraction(1, 2)).__floor__()
        rivals = [
            (abs(Fraction(other - start_of(grid), grid.clock.step) - row), other)
            for other in timestamps.tolist()
            if (Fraction(other - start_of(grid), grid.clock.step) + Fraction(1, 2)).__floor__()
            == row
        ]
        wins = 10 * abs(offset - row) <= tenths and min(rivals)[1] == timestamp
        times.append(Fraction(row) if wins else offset)
        snapped.append(wins)
    return times, snapped


@settings(max_examples=300)
@given(TIMESTAMPS, st.integers(0, 5), st.sampled_from([1, 7, 360_000_000_000, 8_640_000_000_000]))
def test_timestamps_are_placed_by_the_rules(timestamps, tenths, unit):
    timestamps = timestamps * unit
    grid = make_grid(timestamps, int(timestamps[0]), STEP * unit)
    placed = place(timestamps, grid, tenths / 10)
    times, snapped = place_by_the_rules(timestamps, grid, tenths)
    assert placed.snapped.tolist() == snapped
    np.testing.assert_allclose(placed.times, [float(time) for time in times], rtol=0, atol=1e-8)
    assert placed.seen.tolist() == [
        (timestamp - start_of(grid)) // grid.clock.step for timestamp in timestamps.tolist()
    ]


@pytest.mark.parametrize("tenths", [1, 2, 3, 4, 5])
def test_the_snap_reaches_equally_far_on_both_sides_of_a_row(tenths):
    for unit in (1, 30_000_000_000, 360_000_000_000):
        step = STEP * unit
        before, after = step - tenths * unit, step + tenths * unit
        for timestamp in (before, after):
            if tenths == 5 and timestamp == after:
                continue  # halfway belongs to the next row
            assert place(
                np.array([timestamp]), grid_of(0, step, 3), tenths / 10
            ).snapped.tolist() == [True]


def test_the_nearest_of_several_timestamps_stands_for_the_row():
    placed = place(np.array([7, 9, 12, 20]), grid_of(0, STEP, 3), 0.5)
    assert placed.snapped.tolist() == [False, True, False, True]
    np.testing.assert_allclose(placed.times, [0.7, 1.0, 1.2, 2.0])


@pytest.mark.parametrize("distance", [1, 2, 3, 4])
def test_of_two_equally_near_timestamps_the_earlier_stands_for_the_row(distance):
    placed = place(np.array([STEP - distance, STEP + distance]), grid_of(0, STEP, 3), 0.5)
    assert placed.snapped.tolist() == [True, False]


@given(TIMESTAMPS, SNAPS)
def test_times_stay_in_the_order_of_the_timestamps(timestamps, snap):
    placed = place(timestamps, make_grid(timestamps, 0, STEP), snap)
    assert (np.diff(placed.times) > 0).all()


@given(TIMESTAMPS)
def test_without_snap_only_exact_timestamps_stand_for_rows(timestamps):
    placed = place(timestamps, make_grid(timestamps, 0, STEP), 0.0)
    assert placed.snapped.tolist() == (timestamps % STEP == 0).tolist()


# --- columns --------------------------------------------------------------------------------------

NINE = [np.nan, 1.0, 2.0, np.nan, 4.0, 5.0, np.nan, 7.0, 8.0, np.nan]


@pytest.mark.parametrize("method", METHODS)
def test_gaps_inside_are_filled_and_the_ends_stay_missing(method):
    column = on_rows(NINE, method=method)
    assert len(column.filled) == 10
    np.testing.assert_allclose(column.filled, [np.nan, 1, 2, 3, 4, 5, 6, 7, 8, np.nan], rtol=1e-12)
    np.testing.assert_array_equal(column.raw, NINE)
    np.testing.assert_array_equal(column.causal, [np.nan, 1, 2, 2, 4, 5, 5, 7, 8, 8])
    assert column.valid.tolist() == [False] + 9 * [True]


@pytest.mark.parametrize(
    ("method", "known"), [("linear", 5), ("pchip", 7), ("akima", 8), ("cubic", 9)]
)
def test_a_filled_value_is_known_with_the_observations_it_needs(method, known):
    column = on_rows(
        [0.0, 1.0, 2.0, np.nan, np.nan, 3.0, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0], method=method
    )
    assert column.known_at[3] == known
    assert column.known_at[[0, 1, 2, 5, 11]].tolist() == [0, 1, 2, 5, 11]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("max_gap", [0, 1, 2, 3])
def test_gaps_up_to_the_limit_are_filled_and_longer_ones_are_not(method, max_gap):
    values = [0.0, 1, np.nan, 3, np.nan, np.nan, 6, np.nan, np.nan, np.nan, 10, 11, 12, 13, 14]
    filled = on_rows(values, method=method, max_gap=max_gap).filled
    for start, length in ((2, 1), (4, 2), (7, 3)):
        assert np.isnan(filled[start : start + length]).tolist() == [length > max_gap] * length


@pytest.mark.parametrize("max_gap", [0, 1, 3])
def test_rows_are_valid_for_as_long_as_the_gap_limit_after_an_observation(max_gap):
    values = [np.nan, 5.0] + 8 * [np.nan] + [6.0]
    assert on_rows(values, max_gap=max_gap).valid.tolist() == [False] + [True] * (1 + max_gap) + [
        False
    ] * (8 - max_gap) + [True]


def test_an_observation_that_comes_early_counts_for_its_row_too():
    """A timestamp 3 tenths before row 1 stands for it: with no gap allowed, both rows are valid."""
    timestamps = np.array([0, 7, 20])
    column = fill_column(
        place(timestamps, grid_of(0, STEP, 3), 0.5), np.arange(3.0), 3, method="linear", max_gap=0
    )
    np.testing.assert_array_equal(column.raw, [0, 1, 2])
    assert column.valid.tolist() == [True, True, True]


def test_a_hole_of_two_days_in_hourly_data_is_valid_no_longer_than_the_limit():
    values = [float(row % 24) for row in range(240)]
    values[100:148] = 48 * [np.nan]
    column = on_rows(values, max_gap=6)
    assert np.flatnonzero(~column.valid).tolist() == list(range(106, 148))
    assert np.isnan(column.filled[100:148]).all()
    assert (column.known_at[100:148] == NEVER).all()


def test_a_column_without_observations_is_missing_everywhere():
    column = on_rows(4 * [np.nan])
    assert np.isnan([column.raw, column.filled, column.causal]).all()
    assert not column.valid.any()
    assert (column.known_at == NEVER).all()


def test_observations_off_the_grid_shape_the_spline_in_time():
    """f(x) = x at 0, 0.4 (off the grid), 3 and 4: linear at rows 1 and 2 gives 1 and 2."""
    timestamps = np.array([0, 4, 30, 40])
    column = fill_column(
        place(timestamps, grid_of(0, STEP, 5), 0.1),
        timestamps / STEP,
        5,
        method="linear",
        max_gap=3,
    )
    np.testing.assert_allclose(column.filled, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(column.raw, [0, np.nan, np.nan, 3, 4])
    np.testing.assert_array_equal(column.causal, [0.4, 0.4, 0.4, 3, 4])


@settings(max_examples=200)
@given(TIMESTAMPS, SNAPS, st.data())
def test_the_held_value_is_the_last_observation_before_the_next_row(timestamps, snap, data):
    values = np.array(
        data.draw(st.lists(VALUE, min_size=len(timestamps), max_size=len(timestamps)))
    )
    grid = make_grid(timestamps, int(timestamps[0]), STEP)
    column = fill_column(
        place(timestamps, grid, snap), values, grid.rows, method="linear", max_gap=2
    )
    for row in range(grid.rows):
        # One that may be the label of the next row is not known before it.
        half = STEP if snap == "interpolate" else 0
        seen = 2 * (timestamps - start_of(grid)) < 2 * (row + 1) * STEP - half
        seen &= ~np.isnan(values)
        expected = values[seen][-1] if seen.any() else np.nan
        np.testing.assert_array_equal(column.causal[row], expected)


@settings(max_examples=200)
@given(TIMESTAMPS, SNAPS, st.sampled_from(METHODS), st.integers(0, 6), st.data())
def test_a_window_of_valid_rows_holds_no_missing_value(timestamps, snap, method, max_gap, data):
    values = np.array(
        data.draw(st.lists(VALUE, min_size=len(timestamps), max_size=len(timestamps)))
    )
    grid = make_grid(timestamps, 0, STEP)
    column = fill_column(
        place(timestamps, grid, snap), values, grid.rows, method=method, max_gap=max_gap
    )
    for origin in range(1, grid.rows + 1):
        window = inputs_before(column, origin)
        assert not np.isnan(window[column.valid[:origin]]).any()


@pytest.mark.parametrize("method", ["pchip", "akima", "cubic"])
@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (1000.0, 0.0), (1.0, 1e6)])
def test_a_daily_sine_with_holes_is_filled_within_two_percent(method, factor, offset):
    """Hourly, 5 % of the rows missing at random phases; RMSE over the filled rows."""
    rows = np.arange(24 * 60)
    wave = np.sin(2 * np.pi * rows / 24)
    missing = np.random.default_rng(0).permutation(rows[1:-1:2])[: len(rows) // 20]
    values = factor * wave + offset
    values[missing] = np.nan
    error = on_rows(values.tolist(), method=method).filled[missing] - (
        factor * wave[missing] + offset
    )
    assert np.sqrt(np.mean(error**2)) <= 0.02 * factor
    assert np.abs(error).max() <= 0.035 * factor


# --- several series -------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    st.lists(TIMESTAMPS, min_size=1, max_size=4),
    SNAPS,
    st.sampled_from(METHODS),
    st.integers(0, 6),
    st.data(),
)
def test_series_filled_together_are_the_series_filled_alone(series, snap, method, max_gap, data):
    """Bit by bit: else the later rows of one series would reach into the windows of the next."""
    values = [
        np.array(data.draw(st.lists(VALUE, min_size=len(part), max_size=len(part))))
        for part in series
    ]
    grids = [make_grid(part, 3, STEP) for part in series]
    row_offsets = np.cumsum([0, *(grid.rows for grid in grids)])
    present = [~np.isnan(part) for part in values]
    offsets = np.cumsum([0, *(part.sum() for part in present)])
    timestamps = np.concatenate([part[kept] for part, kept in zip(series, present, strict=True)])
    held = np.concatenate([part[kept] for part, kept in zip(values, present, strict=True)])
    together = fill_panel(timestamps, held, offsets, grids, row_offsets, snap, method, max_gap)
    for index, grid in enumerate(grids):
        rows = slice(*row_offsets[index : index + 2])
        kept = present[index]
        alone = fill_column(
            place(series[index][kept], grid, snap),
            values[index][kept],
            grid.rows,
            method=method,
            max_gap=max_gap,
        )
        for name in ("raw", "filled", "causal", "valid"):
            assert getattr(together, name)[rows].tobytes() == getattr(alone, name).tobytes()
        known = np.where(alone.known_at == NEVER, NEVER, alone.known_at + row_offsets[index])
        np.testing.assert_array_equal(together.known_at[rows], known)


def fill_panel(timestamps, values, offsets, grids, row_offsets, snap, method, max_gap) -> Column:
    placed = place_panel(
        timestamps, np.repeat(np.arange(len(grids)), np.diff(offsets)), grids, row_offsets, snap
    )
    rows = int(row_offsets[-1])
    return fill_column(
        placed, values, rows, method=method, max_gap=max_gap, row_offsets=row_offsets
    )


# --- nothing at or after the origin ---------------------------------------------------------------


def inputs_before(column: Column, origin: int) -> np.ndarray:
    """All rows before `origin` as a window there would see them."""
    arrays = (column.filled[:, None], column.causal[:, None], column.known_at[:, None])
    return gather_inputs(*arrays, np.array([origin]), origin)[0, :, 0]


@st.composite
def pasts_and_futures(draw):
    """Two raw columns that agree before the instant of row `origin` and differ from there on."""
    timestamps = draw(TIMESTAMPS)
    anchor = int(timestamps[0]) - draw(st.integers(0, 25))
    start = start_of(make_grid(timestamps, anchor, STEP))
    origin = draw(st.integers(1, 31))
    instant = start + origin * STEP
    # Timestamps just before the instant may stand for the row at it, unless nearer ones follow.
    early = [instant - distance for distance in draw(st.sets(st.integers(1, 5), max_size=2))]
    timestamps = np.union1d(
        timestamps, [timestamp for timestamp in early if timestamp > timestamps[0]]
    ).astype(np.int64)
    values = np.array(draw(st.lists(VALUE, min_size=len(timestamps), max_size=len(timestamps))))
    past = timestamps < instant
    ends = draw(st.sampled_from([0, 4, 80]))
    later = sorted(draw(st.sets(st.integers(0, ends), max_size=12)))
    later_values = draw(
        st.lists(
            st.one_of(VALUE, st.sampled_from([1e15, -1e15])),
            min_size=len(later),
            max_size=len(later),
        )
    )
    other_timestamps = np.concatenate([timestamps[past], instant + np.array(later, dtype=np.int64)])
    other_values = np.concatenate([values[past], later_values])
    return anchor, origin, (timestamps, values), (other_timestamps, other_values)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rival", [0, 1, 2, 3])
def test_a_timestamp_that_may_lose_its_row_to_a_later_one_is_no_neighbour_before_that(
    method, rival
):
    """Squares at rows 0, 1, 3, 4, ...; the last comes 4 tenths early, a nearer rival after it."""
    last = 2 + RIGHT_NEIGHBOURS[method]
    timestamps = STEP * np.array([0, 1, *range(3, last + 1)])
    timestamps[-1] -= 4
    later = np.append(timestamps, STEP * last + rival)
    found = []
    for part in (timestamps, later):
        column = fill_column(
            place(part, grid_of(0, STEP, last + 1), 0.5),
            part**2.0,
            last + 1,
            method=method,
            max_gap=3,
        )
        found.append(inputs_before(column, last))
    assert found[0].tobytes() == found[1].tobytes()


@settings(max_examples=300)
@given(pasts_and_futures(), SNAPS, st.sampled_from(METHODS), st.integers(0, 6))
def test_nothing_at_or_after_an_origin_changes_a_bit_before_it(case, snap, method, max_gap):
    anchor, origin, *tables = case
    seen = []
    for timestamps, values in tables:
        if len(timestamps) == 0:
            return
        grid = make_grid(timestamps, anchor, STEP)
        column = fill_column(
            place(timestamps, grid, snap), values, grid.rows, method=method, max_gap=max_gap
        )
        seen.append((grid, column))
    (grid, column), (other_grid, other) = seen
    if start_of(other_grid) != start_of(grid):
        assert (
            tables[0][0][0] >= start_of(grid) + origin * STEP
        )  # the series had not begun before the origin
        return
    rows = min(origin, grid.rows, other_grid.rows)
    known = [
        np.where(part.known_at[:rows] < origin, part.filled[:rows], part.causal[:rows])
        for part in (column, other)
    ]
    assert known[0].tobytes() == known[1].tobytes()
    assert column.valid[:rows].tolist() == other.valid[:rows].tolist()
