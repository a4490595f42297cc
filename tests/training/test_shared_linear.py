"""One linear forecast for all targets: that of a panel whose series are the targets."""

import numpy as np
import pytest

from spline_lstm.series.preprocess import preprocess
from spline_lstm.training.linear import fit_targets, train_linear
from spline_lstm.training.residuals import fit_linear_part
from spline_lstm.windows.windows import make_windows
from tests.builders import (
    hours,
    make_preprocess_params,
    make_schema,
    make_table,
    make_window_params,
)

ROWS = 400
WINDOW = make_window_params(lookback=30, horizon=3)


def columns():
    """Two daily waves of different levels and sizes, with noise of their own."""
    random, wave = np.random.default_rng(0), np.sin(2 * np.pi * np.arange(ROWS) / 24)
    return {
        "load": 100 + 20 * wave + random.normal(0, 5, ROWS),
        "heat": -3 + wave + np.cumsum(random.normal(0, 0.05, ROWS)),
    }


def windows_of(table, schema, **changes):
    result = preprocess(table, schema, make_preprocess_params(**changes), where="t")
    preprocessor = result.preprocessor
    return make_windows(result.arrays, preprocessor.scaler, preprocessor.clock, WINDOW)


@pytest.fixture(scope="module")
def windows():
    """Both columns as the targets of one series."""
    values = np.column_stack(list(columns().values()))
    table = make_table({"": (hours(ROWS), values)}, ("load", "heat"))
    return windows_of(table, make_schema(target_cols=["load", "heat"]))


def test_targets_share_the_matrix_of_a_panel_and_keep_their_own_constants(windows):
    # A panel scaled per series fits one matrix on the z-scores of all its series.
    series = {name: (hours(ROWS), values) for name, values in columns().items()}
    panel = windows_of(make_table(series), make_schema(series_col="s"), scaler_scope="per_series")
    (expected,) = fit_targets(panel, shared=False)
    for row, found in enumerate(fit_targets(windows, shared=True)):
        np.testing.assert_array_equal(found.kernel, expected.kernel)
        np.testing.assert_array_equal(found.intercept, expected.intercept)
        for own, of_panel in zip(found.scales, expected.scales, strict=True):
            assert own.center.tolist() == [of_panel.center[row]] * 2
            assert own.scale.tolist() == [of_panel.scale[row]] * 2


def test_without_sharing_each_target_has_its_own_matrix(windows):
    first, second = fit_targets(windows, shared=False)
    assert not np.array_equal(first.kernel, second.kernel)


def test_the_linear_model_and_the_linear_part_share_alike(windows):
    arrays = train_linear(windows, lambda evaluation: None, shared=True).best
    np.testing.assert_array_equal(arrays["0.kernel"], arrays["1.kernel"])
    part = fit_linear_part(windows, (), shared=True)
    np.testing.assert_array_equal(part.forecasters[0].kernel, arrays["0.kernel"])
    assert part.residual_scale[0, 0] != part.residual_scale[0, 1]
