import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import (
    Akima1DInterpolator,
    CubicHermiteSpline,
    CubicSpline,
    PchipInterpolator,
)

from spline_lstm.series.spline import (
    LOCAL_CUBIC,
    RIGHT_NEIGHBOURS,
    akima_slopes,
    interpolate,
    known_rows,
)

METHODS = sorted(RIGHT_NEIGHBOURS)
NEVER = np.iinfo(np.int32).max


def random_knots(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Irregular times (steps of 0.1 to 6.1) and values of some random scale."""
    rng = np.random.default_rng(seed)
    knots = np.cumsum(rng.choice([0.1, 0.5, 1.0, 1.0, 1.0, 2.3, 6.0], count))
    return knots, rng.normal(size=count) * 10.0 ** rng.integers(-3, 4)


def between(knots: np.ndarray, count: int = 200) -> np.ndarray:
    return np.linspace(knots[0], knots[-1], count)


def local_cubic_oracle(knots: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """SciPy's cubic spline through four knots on either side, one point at a time."""
    result = []
    for point in at:
        left = knots <= point if point < knots[-1] else knots < point
        nearest = np.concatenate(
            [np.flatnonzero(left)[-LOCAL_CUBIC:], np.flatnonzero(~left)[:LOCAL_CUBIC]]
        )
        result.append(float(CubicSpline(knots[nearest], values[nearest])(point)))
    return np.array(result)


ORACLES = {
    "linear": lambda knots, values, at: np.interp(at, knots, values),
    "pchip": lambda knots, values, at: PchipInterpolator(knots, values)(at),
    "parabolic": lambda knots, values, at: CubicHermiteSpline(
        knots, values, np.gradient(values, knots, edge_order=2)
    )(at),
    "akima": lambda knots, values, at: Akima1DInterpolator(knots, values)(at),
    "cubic": local_cubic_oracle,
}


@settings(max_examples=30)
@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(5, 40))
def test_every_method_agrees_with_scipy(method, seed, count):
    knots, values = random_knots(seed, count)
    at = between(knots, 100)
    expected = ORACLES[method](knots, values, at)
    np.testing.assert_allclose(
        interpolate(knots, values, at, method),
        expected,
        rtol=1e-9,
        atol=1e-9 * np.abs(values).max(),
    )


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 20))
def test_observations_themselves_come_back(method, seed, count):
    knots, values = random_knots(seed, count)
    np.testing.assert_allclose(
        interpolate(knots, values, knots, method), values, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_extrapolated(method):
    knots, values = np.arange(2.0, 12.0), np.arange(10.0) ** 2
    result = interpolate(knots, values, np.array([-5.0, 1.999, 2.0, 11.0, 11.001, 50.0]), method)
    assert np.isnan(result).tolist() == [True, True, False, False, True, True]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_few_observations_give_what_can_be_computed(method, count):
    knots = np.arange(count, dtype=np.float64)
    result = interpolate(
        knots, 3.0 * knots + 1.0, np.array([-0.5, 0.0, 0.5, 1.5, 2.5, 3.5]), method
    )
    inside = np.array([-0.5, 0.0, 0.5, 1.5, 2.5, 3.5])
    expected = np.where((inside >= 0) & (inside <= count - 1), 3.0 * inside + 1.0, np.nan)
    np.testing.assert_allclose(result, expected, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_straight_line_is_kept_on_irregular_times(method):
    knots, _ = random_knots(0, 30)
    at = between(knots)
    np.testing.assert_allclose(
        interpolate(knots, 2.5 * knots - 7.0, at, method), 2.5 * at - 7.0, rtol=1e-9
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.0, 1.0, -1e9, 1e-300])
def test_a_constant_stays_that_constant_bit_by_bit(method, level):
    knots, _ = random_knots(1, 20)
    assert (interpolate(knots, np.full(20, level), between(knots), method) == level).all()


@pytest.mark.parametrize("method", ["linear", "pchip"])
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 30))
def test_linear_and_pchip_never_overshoot_their_neighbours(method, seed, count):
    knots, values = random_knots(seed, count)
    at = between(knots)
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, count - 2)
    low, high = np.minimum(values[i], values[i + 1]), np.maximum(values[i], values[i + 1])
    slack = 1e-12 * np.abs(values).max()
    result = interpolate(knots, values, at, method)
    assert ((result >= low - slack) & (result <= high + slack)).all()


def test_cubic_overshoots_where_pchip_does_not():
    knots, values = np.arange(8.0), np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    at = between(knots)
    assert interpolate(knots, values, at, "cubic").max() > 1.05
    assert interpolate(knots, values, at, "pchip").max() == 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("factor", "offset"), [(1000.0, 0.0), (-2.0, 5.0), (1.0, 1e6), (1e-6, 0.0)]
)
def test_scale_and_offset_of_the_values_pass_through(method, factor, offset):
    knots, values = random_knots(2, 40)
    at = between(knots)
    plain = interpolate(knots, values, at, method)
    moved = interpolate(knots, factor * values + offset, at, method)
    tolerance = 1e-9 * np.abs(factor * values).max() + 1e-9 * offset
    np.testing.assert_allclose(moved, factor * plain + offset, rtol=0, atol=tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_time_may_have_any_unit(method):
    knots, values = random_knots(3, 40)
    at = between(knots)
    np.testing.assert_allclose(
        interpolate(3600 * knots, values, 3600 * at, method),
        interpolate(knots, values, at, method),
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-200, 1e150])
def test_very_small_and_very_large_values_cause_no_warning(method, size):
    knots = np.arange(12.0)
    values = size * np.array([0.0, 1.0, 3.0, 2.0, 2.0, 5.0, 4.0, 4.0, 1.0, 7.0, 7.0, 7.0])
    result = interpolate(knots, values, between(knots), method)
    assert np.isfinite(result).all()
    assert np.abs(result).max() <= 14 * size


# --- what is known when ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "needed"), [("linear", 1), ("pchip", 2), ("akima", 3), ("cubic", 4)]
)
def test_a_value_is_known_with_its_last_neighbour_on_the_right(method, needed):
    """Observations at rows 0, 2, 5, 6, 9, 14, a gap at 3: its right neighbours are 5, 6, 9, 14."""
    rows = np.array([0, 2, 5, 6, 9, 14])
    known = known_rows(rows, rows.astype(np.float64), np.array([3.0]), method, NEVER)
    assert known.tolist() == [[5, 6, 9, 14][needed - 1]]


@pytest.mark.parametrize("method", METHODS)
def test_a_value_without_enough_neighbours_on_the_right_is_never_known(method):
    rows = np.arange(10)
    short = RIGHT_NEIGHBOURS[method]
    at = np.array([9.0 - short + 0.5, 9.0 - short + 1.5])
    known = known_rows(rows, rows.astype(np.float64), at, method, NEVER)
    assert known.tolist() == [9, NEVER]


def test_values_in_a_table_without_observations_are_never_known():
    empty = np.array([])
    assert known_rows(
        empty.astype(np.int64), empty, np.array([1.0, 2.0]), "pchip", NEVER
    ).tolist() == [NEVER, NEVER]


VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, allow_subnormal=False))


@settings(max_examples=150)
@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_no_observation_after_the_known_row_changes_a_bit(method, data):
    """A value inside a gap depends on the `RIGHT_NEIGHBOURS`, and on nothing later."""
    times = sorted(data.draw(st.sets(st.integers(0, 60), min_size=6, max_size=25), "times"))
    values = data.draw(st.lists(VALUES, min_size=len(times), max_size=len(times)), "values")
    knots, values = np.array(times) / 2, np.array(values)
    interval = data.draw(st.integers(0, len(times) - 1 - RIGHT_NEIGHBOURS[method]), "interval")
    at = knots[interval] + np.array([0.25, 0.5, 0.75]) * (knots[interval + 1] - knots[interval])
    last = interval + RIGHT_NEIGHBOURS[method]
    later = data.draw(
        st.lists(st.tuples(st.integers(1, 40), VALUES), max_size=8, unique_by=lambda pair: pair[0]),
        "later",
    )
    later_times = knots[last] + np.array(sorted(time for time, _ in later)) / 4
    later_values = np.array([1e9 * value for _, value in later])
    before = interpolate(knots, values, at, method)
    after = interpolate(
        np.append(knots[: last + 1], later_times),
        np.append(values[: last + 1], later_values),
        at,
        method,
    )
    assert before.tobytes() == after.tobytes()


def test_the_size_of_far_jumps_does_not_decide_which_slopes_are_flat():
    """SciPy compares Akima's weights with their maximum; here the future cannot reach back."""
    knots = np.arange(14.0)
    values = np.array([0.0, 1e-6, 3e-6, 2e-6, 5e-6, 4e-6, 8e-6, 9e-6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    wild = values.copy()
    wild[10:] = [1e9, -1e9, 1e9, -1e9]
    at = np.array([2.25, 3.5, 4.75])
    assert (
        interpolate(knots, values, at, "akima").tobytes()
        == interpolate(knots, wild, at, "akima").tobytes()
    )
    assert not np.array_equal(
        Akima1DInterpolator(knots, values)(at), Akima1DInterpolator(knots, wild)(at)
    )


def test_akima_slopes_follow_the_formula():
    """m = 1, 3, -2, 4, 0 around knot 2: weights |4 - -2| = 6 before and |3 - 1| = 2 after."""
    values = np.cumsum([0.0, 1.0, 3.0, -2.0, 4.0, 0.0])
    assert akima_slopes(np.arange(6.0), values)[2] == (6 * 3 + 2 * -2) / 8
