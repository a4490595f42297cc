import numpy as np
import pytest
from scipy.special import boxcox
from scipy.stats import boxcox_normmax

from spline_lstm.core.errors import DataContractError, ParamsError
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.series.powers import box_cox_power, fit_power
from spline_lstm.series.preprocess import preprocess
from tests.builders import hours, make_preprocess_params, make_schema, make_table

LOG = TargetOptions(transform="log")


def growing(rows=300, seed=0):
    """Growth of half a percent per row, times noise."""
    random = np.random.default_rng(seed)
    return 20 * np.exp(0.005 * np.arange(rows) + random.normal(0, 0.1, rows))


@pytest.mark.parametrize("power", [-0.5, 0.0, 0.3, 1.0])
def test_the_power_is_that_of_the_highest_likelihood(power):
    normal = np.random.default_rng(1).normal(10, 0.5, 4000)
    values = np.exp(normal / 5) if power == 0 else (normal * 0.1 + 1.0) ** (1 / power)
    expected = boxcox_normmax(values / np.median(values), method="mle")
    assert box_cox_power(values) == pytest.approx(np.clip(expected, -1, 2), abs=0.026)


def test_bounds_lie_some_training_ranges_beyond_the_training_values():
    fitted = fit_power([np.array([4.0, 6.0])], TargetOptions("log", bound_ratio=3.0), "none", "y")
    low, high, center, scale = fitted.rows[-1]
    # Below, the floor of half the smallest value is nearer.
    assert (fitted.floor, low, high, center, scale) == (2.0, 2.0, 12.0, 0.0, 1.0)


@pytest.mark.parametrize("wrong", [0.0, -3.0])
def test_training_values_that_are_not_positive_are_refused(wrong):
    values = growing()
    values[50] = wrong
    table = make_table({"": (hours(300), values)})
    with pytest.raises(
        DataContractError, match=rf"target y has 1 training values .*lowest is {wrong:g};.*log"
    ):
        preprocess(table, make_schema(), make_preprocess_params(), where="t", options=LOG)


def test_later_values_that_are_not_positive_count_as_the_floor():
    values = growing()
    values[-5:] = -1.0
    table = make_table({"": (hours(300), values)})
    result = preprocess(table, make_schema(), make_preprocess_params(), where="t", options=LOG)
    training = np.log(values[:210])
    floor = np.log(values[:210].min() / 2)
    expected = (np.append(np.log(values[:-5]), [floor] * 5) - training.mean()) / training.std()
    np.testing.assert_allclose(result.arrays.scaled[:, 0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(result.arrays.raw_target[:, 0], values)


@pytest.mark.parametrize("scope", ["global", "per_series"])
def test_targets_are_scaled_after_their_power_and_covariates_are_not_transformed(scope):
    random = np.random.default_rng(2)
    series = {
        name: (hours(300), np.column_stack([level * growing(seed=level), random.normal(size=300)]))
        for name, level in (("a", 1), ("b", 100))
    }
    params = make_preprocess_params(feature_mode="multivariate", scaler_scope=scope)
    schema = make_schema(series_col="s", dynamic_covariates=[{"name": "x"}])
    table = make_table(series, ("y", "x"))
    options = TargetOptions(transform="box-cox")
    result = preprocess(table, schema, params, where="t", options=options)
    scaler, arrays = result.preprocessor.scaler, result.arrays
    power = scaler.power.exponent[0]
    assert np.isnan(scaler.power.exponent[1])
    targets = {name: values[:, 0] for name, (_, values) in series.items()}
    pooled = np.concatenate([values[:210] for values in targets.values()])
    assert power == pytest.approx(box_cox_power(pooled))
    unit = np.median(pooled) if power else 1.0
    for number, (name, values) in enumerate(targets.items()):
        fitted = boxcox((pooled if scope == "global" else values[:210]) / unit, power)
        expected = (boxcox(values / unit, power) - fitted.mean()) / fitted.std()
        rows = slice(number * 300, (number + 1) * 300)
        np.testing.assert_allclose(arrays.scaled[rows, 0], expected, rtol=1e-4, atol=1e-5)
        constants = result.preprocessor.target_scaler.plain
        own = pooled if scope == "global" else values[:210]
        found = constants.center if scope == "global" else constants.center[number]
        assert found.item() == pytest.approx(own.mean()), name


def test_labels_are_transformed_and_scores_are_undone():
    table = make_table({"": (hours(300), growing())})
    result = preprocess(table, make_schema(), make_preprocess_params(), where="t", options=LOG)
    scaler = result.preprocessor.target_scaler
    values = growing()[:, None]
    np.testing.assert_allclose(scaler.forecast(scaler.transform(values)), values, rtol=1e-9)


def test_probabilities_are_not_transformed():
    changes = {
        "train.loss": "bce", "model.normalization": "none", "preprocess.scaler": "none",
        "target.transform": "log",
    }  # fmt: skip
    with pytest.raises(ParamsError, match=r"set target\.transform to none"):
        with_values(Params(), changes, "overlay")


def test_a_negative_power_of_large_numbers_keeps_their_digits():
    # 1 / x of values around 1e9 is 1e-9: beside 1 float32 would see one number.
    values = 1e9 / np.random.default_rng(4).normal(10, 1, 300)
    result = preprocess(
        make_table({"": (hours(300), values)}),
        make_schema(),
        make_preprocess_params(),
        where="t",
        options=TargetOptions("box-cox"),
    )
    power = result.preprocessor.scaler.power
    assert power.exponent[0] == pytest.approx(-1.0, abs=0.5)
    assert power.unit[0] == np.median(values[:210])
    assert 0.1 < result.preprocessor.scaler.scale[0] < 10.0 * abs(power.exponent[0])
    again = power.backward(power.forward(values[:, None]).astype(np.float32))
    np.testing.assert_allclose(again[:, 0], values, rtol=1e-5)
