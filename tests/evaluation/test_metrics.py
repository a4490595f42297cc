import warnings

import hypothesis.extra.numpy as arrays
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.evaluation import metrics

with warnings.catch_warnings():
    # Its docstrings hold escapes that Python warns of when it compiles them.
    warnings.simplefilter("ignore")
    from utilsforecast import losses

Y = np.array([1.0, 2.0, 3.0, 4.0])
P = np.array([1.2, 1.8, 2.7, 4.1])

FUNCTIONS = {
    "mae": metrics.mae,
    "mse": metrics.mse,
    "rmse": metrics.rmse,
    "robust_mape": lambda y, p, mask=None: metrics.robust_mape(y, p, 0.5, mask),
    "smape": metrics.smape,
    "mase": lambda y, p, mask=None: metrics.mase(y, p, 2.0, mask),
    "r2": metrics.r2,
    "bias": metrics.bias,
}
EACH = pytest.mark.parametrize("name", FUNCTIONS)

# Sixteenths: squares of far smaller numbers would vanish.
values = st.integers(-16_000, 16_000).map(lambda number: number / 16)


@st.composite
def pairs_and_masks(draw):
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=3, max_side=5))
    y, p = (draw(arrays.arrays(np.float64, shape, elements=values)) for _ in range(2))
    return y, p, draw(arrays.arrays(np.bool_, shape))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mae", 0.2),
        ("mse", 0.045),
        ("rmse", 0.045**0.5),
        ("robust_mape", 100 * (0.2 / 1 + 0.2 / 2 + 0.3 / 3 + 0.1 / 4) / 4),
        ("smape", 100 * 2 * (0.2 / 2.2 + 0.2 / 3.8 + 0.3 / 5.7 + 0.1 / 8.1) / 4),
        ("mase", 0.1),
        ("r2", 1 - 0.18 / 5),
        ("bias", -0.05),
    ],
)
def test_metrics_agree_with_a_case_computed_by_hand(name, expected):
    assert FUNCTIONS[name](Y, P) == pytest.approx(expected, rel=1e-12)


def test_table_order_is_fixed_and_names_every_function():
    assert list(metrics.NAMES) == list(FUNCTIONS)
    assert list(metrics.NAMES.values())[:7] == [
        "MAE",
        "MSE",
        "RMSE",
        "robust MAPE",
        "sMAPE",
        "MASE",
        "R2",
    ]


@given(pairs_and_masks())
def test_metrics_agree_with_scikit_learn(case):
    y, p = case[0].ravel(), case[1].ravel()
    assert metrics.mae(y, p) == pytest.approx(sklearn.metrics.mean_absolute_error(y, p))
    assert metrics.mse(y, p) == pytest.approx(sklearn.metrics.mean_squared_error(y, p))
    assert metrics.rmse(y, p) == pytest.approx(sklearn.metrics.root_mean_squared_error(y, p))
    floor = np.finfo(np.float64).eps
    expected = 100 * sklearn.metrics.mean_absolute_percentage_error(y, p)
    assert metrics.robust_mape(y, p, floor) == pytest.approx(expected)
    if np.ptp(y) > 1e-3:
        assert metrics.r2(y, p) == pytest.approx(sklearn.metrics.r2_score(y, p), abs=1e-9)


def test_metrics_agree_with_utilsforecast():
    rng = np.random.default_rng(4)
    season, rows, parts = 7, 60, {}
    for name in ("a", "b"):
        y = 10 + rng.normal(size=rows)
        parts[name] = pd.DataFrame(
            {"unique_id": name, "ds": np.arange(rows), "y": y, "p": y + rng.normal(size=rows)}
        )
    train = pd.concat([part.iloc[:40] for part in parts.values()])
    test = pd.concat([part.iloc[40:] for part in parts.values()])
    for name, part in parts.items():
        y, p = part["y"].to_numpy()[40:], part["p"].to_numpy()[40:]
        scale = metrics.seasonal_naive_scale(part["y"].to_numpy()[:40], np.ones(40, bool), season)
        expected = {
            key: loss(test, models=["p"]).set_index("unique_id").loc[name, "p"]
            for key, loss in {
                "mae": losses.mae,
                "mse": losses.mse,
                "rmse": losses.rmse,
                "bias": losses.bias,
            }.items()
        }
        # Theirs is a share of the sum of both sizes, ours (M4) of their mean, in percent.
        expected["smape"] = (
            200 * losses.smape(test, models=["p"]).set_index("unique_id").loc[name, "p"]
        )
        scaled = losses.mase(test, models=["p"], seasonality=season, train_df=train)
        expected["mase"] = scaled.set_index("unique_id").loc[name, "p"]
        found = {
            key: getattr(metrics, key)(y, p) for key in ("mae", "mse", "rmse", "bias", "smape")
        }
        assert found | {"mase": metrics.mase(y, p, scale)} == pytest.approx(expected)


@EACH
@settings(max_examples=25)
@given(case=pairs_and_masks())
def test_masking_equals_dropping(name, case):
    y, p, mask = case
    expected = FUNCTIONS[name](y[mask], p[mask])
    assert FUNCTIONS[name](y, p, mask) == pytest.approx(expected, nan_ok=True)


@EACH
def test_nan_outside_the_mask_is_never_looked_at(name):
    y, mask = np.array([1.0, np.nan, 3.0]), np.array([True, False, True])
    assert np.isfinite(FUNCTIONS[name](y, np.array([1.5, 2.0, 2.0]), mask))


@EACH
def test_nan_inside_the_mask_makes_the_metric_nan(name):
    assert np.isnan(FUNCTIONS[name](np.array([1.0, 2.0, 4.0]), np.array([1.0, np.nan, 3.0])))


@EACH
def test_nothing_observed_is_nan_without_a_warning(name):
    assert np.isnan(FUNCTIONS[name](Y, P, np.zeros(4, dtype=bool)))
    assert np.isnan(FUNCTIONS[name](np.empty(0), np.empty(0)))


@EACH
def test_mismatched_shapes_are_an_error_that_names_both(name):
    with pytest.raises(
        ValueError, match=r"y_pred must have the shape of y_true, \[4\], but has \[3\]"
    ):
        FUNCTIONS[name](Y, P[:3])
    with pytest.raises(
        ValueError, match=r"mask must have the shape of y_true, \[4\], but has \[2, 2\]"
    ):
        FUNCTIONS[name](Y, P, np.ones((2, 2), dtype=bool))


@given(case=pairs_and_masks(), factor=st.floats(0.01, 100), sign=st.sampled_from([-1, 1]))
def test_units_scale_the_metrics_that_have_units_and_no_others(case, factor, sign):
    y, p, _ = case
    c = factor * sign
    assert metrics.mae(c * y, c * p) == pytest.approx(factor * metrics.mae(y, p))
    assert metrics.mse(c * y, c * p) == pytest.approx(factor**2 * metrics.mse(y, p))
    assert metrics.rmse(c * y, c * p) == pytest.approx(factor * metrics.rmse(y, p))
    assert metrics.bias(c * y, c * p) == pytest.approx(c * metrics.bias(y, p), abs=1e-9 * factor)
    assert metrics.smape(c * y, c * p) == pytest.approx(metrics.smape(y, p))
    assert metrics.mase(c * y, c * p, factor) == pytest.approx(metrics.mase(y, p, 1.0))
    assert metrics.robust_mape(c * y, c * p, factor) == pytest.approx(
        metrics.robust_mape(y, p, 1.0)
    )


@given(pairs_and_masks())
def test_metrics_keep_their_bounds(case):
    y, p, _ = case
    assert abs(metrics.bias(y, p)) <= metrics.mae(y, p) * (1 + 1e-12)
    assert metrics.mae(y, p) <= metrics.rmse(y, p) * (1 + 1e-12)
    assert 0 <= metrics.smape(y, p) <= 200 * (1 + 1e-12)
    assert metrics.smape(y, p) == pytest.approx(metrics.smape(p, y))


def test_robust_mape_floors_the_truth_near_zero():
    assert metrics.robust_mape([0.0, 0.001], [1.0, 1.001], epsilon=10.0) == pytest.approx(10.0)


def test_robust_mape_refuses_a_floor_that_is_no_floor():
    with pytest.raises(ValueError, match="epsilon must be above 0"):
        metrics.robust_mape(Y, P, epsilon=0.0)


def test_epsilon_and_scale_may_differ_by_target():
    y, p = np.zeros((2, 2)), np.ones((2, 2))
    assert metrics.robust_mape(y, p, epsilon=np.array([1.0, 4.0])) == pytest.approx(
        100 * (1 + 0.25) / 2
    )
    assert metrics.mase(y, p, scale=np.array([1.0, 4.0])) == pytest.approx((1 + 0.25) / 2)


@pytest.mark.parametrize("scale", [0.0, np.nan])
def test_values_without_a_scale_do_not_count_in_mase(scale):
    assert metrics.mase([1.0, 1.0], [2.0, 9.0], scale=np.array([2.0, scale])) == 0.5
    assert np.isnan(metrics.mase(Y, P, scale=scale))


def test_r2_of_a_constant_truth_is_not_a_number():
    assert np.isnan(metrics.r2(np.full(7, 0.1), np.full(7, 0.3)))


def test_seasonal_naive_scale_counts_pairs_observed_on_both_sides():
    y = np.array([1.0, 10.0, 4.0, np.nan, 5.0, 13.0])
    # Pairs two rows apart: |4-1| and |5-4|; the others touch the row that was not observed.
    assert metrics.seasonal_naive_scale(y, ~np.isnan(y), season=2) == 2.0


def test_seasonal_naive_scale_is_nan_without_a_pair():
    assert np.isnan(metrics.seasonal_naive_scale(Y, np.ones(4, dtype=bool), season=4))


def test_seasonal_naive_scale_is_nan_where_the_season_repeats_but_for_rounding():
    day = np.array([3.0, 7.0, 5.0, 2.0])
    y = np.concatenate([day + 1e-14 * number for number in range(10)])
    everywhere = np.ones(40, dtype=bool)
    assert np.isnan(metrics.seasonal_naive_scale(y, everywhere, season=4))
    assert np.isnan(metrics.mase(y, y + 1, metrics.seasonal_naive_scale(y, everywhere, season=4)))
    # A millionth of the values is a difference.
    y = np.concatenate([day + 5e-6 * number for number in range(10)])
    assert metrics.seasonal_naive_scale(y, everywhere, season=4) == pytest.approx(5e-6)


@pytest.mark.parametrize("season", [0, -1])
def test_seasonal_naive_scale_refuses_a_season_below_one_row(season):
    with pytest.raises(ValueError, match="season must be at least 1 row"):
        metrics.seasonal_naive_scale(Y, np.ones(4, dtype=bool), season)


def test_mase_of_the_seasonal_naive_forecast_on_its_own_training_part_is_one():
    y = np.sin(np.arange(50.0) ** 1.5)
    scale = metrics.seasonal_naive_scale(y, np.ones(50, dtype=bool), season=7)
    assert metrics.mase(y[7:], y[:-7], scale) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0, 5.0, 2.0, 9.0], ""),
        ([3.0, 3.0, 3.0, 3.0], "it is constant in the training split"),
        ([3.0, 7.0, 3.0, 7.0], "it repeats its season of 2 rows exactly in the training split"),
        ([3.0, 7.0, np.nan, np.nan], "no two values of its training split are a season of 2 rows"),
    ],
)
def test_an_undefined_scale_has_its_reason(values, reason):
    y = np.array(values)
    found = metrics.undefined_scale(y, ~np.isnan(y), season=2)
    assert found.startswith(reason)
    assert (found == "") == np.isfinite(metrics.seasonal_naive_scale(y, ~np.isnan(y), season=2))
