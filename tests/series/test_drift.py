import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spline_lstm.series.drift import (
    drift_report,
    kolmogorov_smirnov,
    population_stability,
    warnings_of,
)

EMPTY = {"mean_shift": None, "std_ratio": None, "psi": None, "ks": None}


def column(values):
    return np.asarray(values, float)[:, None]


def test_shift_and_spread_are_in_train_units():
    train = np.array([-1.0, 1.0] * 50)
    report = drift_report(column(train), column(3 * train + 2), ["demand"])
    assert report["demand"]["mean_shift"] == pytest.approx(2.0)
    assert report["demand"]["std_ratio"] == pytest.approx(3.0)


def test_psi_is_the_sum_over_ten_bins():
    train = np.arange(100.0)
    # All of the other values lie in the first bin: one share of 1, nine at the floor.
    expected = (1 - 0.1) * math.log(1 / 0.1) + 9 * (1e-4 - 0.1) * math.log(1e-4 / 0.1)
    assert population_stability(train, np.full(40, -5.0)) == pytest.approx(expected)


def test_psi_of_halves_by_hand():
    train = np.arange(100.0)
    # Twice the share in the lower five bins, the floor in the upper five.
    expected = 5 * (0.2 - 0.1) * math.log(2) + 5 * (1e-4 - 0.1) * math.log(1e-3)
    assert population_stability(train, np.arange(50.0)) == pytest.approx(expected)


@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=50, deadline=None)
def test_ks_is_that_of_scipy(n, m, seed, ties):
    rng = np.random.default_rng(seed)
    train, other = rng.normal(size=n), rng.normal(0.3, 2, size=m)
    if ties:
        train, other = train.round(), other.round()
    expected = stats.ks_2samp(train, other, method="exact")[0]
    assert kolmogorov_smirnov(train, other) == pytest.approx(expected, abs=1e-12)


def test_equal_parts_show_no_drift():
    values = np.random.default_rng(0).normal(size=500)
    report = drift_report(column(values), column(values), ["x"])["x"]
    assert report == {"mean_shift": 0.0, "std_ratio": 1.0, "psi": 0.0, "ks": 0.0}


def test_missing_values_are_ignored_per_column():
    rng = np.random.default_rng(0)
    train, other = rng.normal(size=(200, 2)), rng.normal(1, 2, size=(90, 2))
    holes = train.copy()
    holes[::4, 0] = np.nan
    expected = drift_report(train[np.arange(200) % 4 > 0], other, ["a", "b"])["a"]
    report = drift_report(holes, other, ["a", "b"])
    assert report["a"] == expected
    assert report["b"] == drift_report(train, other, ["a", "b"])["b"]


def test_statistics_do_not_depend_on_the_unit():
    rng = np.random.default_rng(0)
    train, other = rng.normal(size=(200, 1)), rng.normal(1, 2, size=(90, 1))
    plain = drift_report(train, other, ["x"])["x"]
    scaled = drift_report(40 * train - 3, 40 * other - 3, ["x"])["x"]
    assert list(scaled.values()) == pytest.approx(list(plain.values()))


@pytest.mark.parametrize("few", [0, 1, 29])
def test_too_few_values_have_no_statistics(few):
    part, whole = np.full((50, 1), np.nan), np.arange(50.0)[:, None]
    part[:few] = 1.0
    assert drift_report(part, whole, ["x"]) == {"x": EMPTY}
    assert drift_report(whole, part, ["x"]) == {"x": EMPTY}


def test_a_constant_train_column_is_still_judged_by_its_distribution():
    report = drift_report(np.full((100, 1), 0.1), np.full((100, 1), 0.3), ["x"])["x"]
    assert report["mean_shift"] is None
    assert report["std_ratio"] is None
    assert report["ks"] == 1.0


def test_the_report_holds_plain_finite_numbers():
    rng = np.random.default_rng(0)
    report = drift_report(
        rng.normal(size=(60, 3)).astype(np.float32), np.ones((60, 3), np.float32), list("abc")
    )
    assert list(report) == ["a", "b", "c"]
    assert all(
        type(v) is float and math.isfinite(v) for row in report.values() for v in row.values()
    )


def test_columns_and_names_must_agree():
    with pytest.raises(ValueError, match="2 names"):
        drift_report(np.zeros((9, 3)), np.zeros((9, 3)), ["a", "b"])


def test_warnings_name_column_statistic_figure_and_limit():
    report = {
        "temp": {"mean_shift": -0.75, "std_ratio": 0.4, "psi": 0.31, "ks": 0.1},
        "promo": EMPTY,
    }
    limits = {"mean_shift": 0.5, "std_ratio": 2.0, "psi": 0.25, "ks": 0.2}
    assert [str(warning) for warning in warnings_of(report, limits)] == [
        "temp: mean_shift -0.75 exceeds the limit 0.5",
        "temp: std_ratio 0.4 is below the limit 1/2",
        "temp: psi 0.31 exceeds the limit 0.25",
    ]


def test_a_figure_at_its_limit_is_no_warning():
    report = {"x": {"mean_shift": 0.5, "std_ratio": 2.0, "psi": 0.25, "ks": 0.2}}
    assert warnings_of(report, {"mean_shift": 0.5, "std_ratio": 2.0, "psi": 0.25, "ks": 0.2}) == []


def test_statistics_without_a_limit_are_not_judged():
    report = {"x": {"mean_shift": 9.0, "std_ratio": 0.0, "psi": 9.0, "ks": 1.0}}
    assert len(warnings_of(report, {"std_ratio": 2.0})) == 1


def test_limits_for_unknown_statistics_are_refused():
    with pytest.raises(ValueError, match="spread"):
        warnings_of({}, {"spread": 1.0})
