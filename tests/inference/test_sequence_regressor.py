import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import UsageError
from spline_lstm.inference.sequence_regressor import SequenceRegressor

ROWS, LOOKBACK = 240, 4
PARAMS = {
    "model.hidden": [8],
    "model.dropout": 0.0,
    "train.max_epochs": 25,
    "train.learning_rate": 0.02,
}


def made() -> tuple[pd.DataFrame, pd.Series]:
    """A target that is the sum of the last two values of a feature."""
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    X = pd.DataFrame(rng.normal(size=(ROWS, 2)), columns=["a", "b"], index=index)
    return X, 10 * X["a"].rolling(2).sum() + 100


@pytest.fixture(scope="module")
def fitted() -> SequenceRegressor:
    return SequenceRegressor(LOOKBACK, params=PARAMS).fit(*made())


def test_predictions_have_the_index_and_are_empty_where_the_lookback_is_not_filled(fitted):
    X, y = made()
    found = fitted.predict(X)
    assert list(found.columns) == ["prediction"]
    pd.testing.assert_index_equal(found.index, X.index)
    assert found["prediction"].isna().sum() == LOOKBACK - 1
    last = slice(-48, None)
    assert (found["prediction"] - y)[last].std() < 0.6 * y[last].std()


def test_a_prediction_reads_no_later_row_and_no_target(fitted):
    X, _ = made()
    changed = X.copy()
    changed.iloc[100:] += 5
    before, after = fitted.predict(X), fitted.predict(changed)
    pd.testing.assert_frame_equal(before.iloc[:100], after.iloc[:100])
    assert (before.iloc[100:] != after.iloc[100:]).all().all()


def test_three_dimensions_are_the_same_windows(fitted):
    X, _ = made()
    windows = np.lib.stride_tricks.sliding_window_view(X.to_numpy(), LOOKBACK, axis=0)
    found = fitted.predict(windows.transpose(0, 2, 1))
    expected = fitted.predict(X)["prediction"].to_numpy()[LOOKBACK - 1 :]
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-5)
    assert len(found) == len(windows)


def test_three_dimensions_are_fitted_to_the_same_network(fitted):
    X, y = made()
    windows = np.lib.stride_tricks.sliding_window_view(X.to_numpy(), LOOKBACK, axis=0)
    again = SequenceRegressor(params={**PARAMS, "train.max_epochs": 2})
    again.fit(windows.transpose(0, 2, 1)[1:], y.to_numpy()[LOOKBACK:])
    assert again.predict(windows.transpose(0, 2, 1)).notna().all().all()


def test_what_does_not_fit_is_refused(fitted):
    X, y = made()
    with pytest.raises(UsageError, match="is not fitted"):
        SequenceRegressor().predict(X)
    with pytest.raises(ValueError, match="X has 1 features, but SequenceRegressor is expecting 2"):
        fitted.predict(X[["a"]])
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match=f"samples of 3 rows, .* expecting {LOOKBACK}"):
        fitted.predict(np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match="must have the same index"):
        SequenceRegressor(LOOKBACK).fit(X, y.reset_index(drop=True))
    with pytest.raises(ValueError, match="give more rows, or a shorter lookback"):
        SequenceRegressor(ROWS).fit(X, y)
    with pytest.raises(ValueError, match="Expected a table"):
        fitted.predict(np.zeros(5))


def test_a_column_of_texts_is_named():
    X, y = made()
    with pytest.raises(ValueError, match="columns that are not numbers: place"):
        SequenceRegressor(LOOKBACK, params=PARAMS).fit(X.assign(place="here"), y)


def test_columns_may_have_numbers_for_names_in_messages():
    frame = pd.DataFrame({0: ["a", "b"] * 40, 1: np.arange(80.0)})
    with pytest.raises(ValueError, match="columns that are not numbers: 0; leave"):
        SequenceRegressor(LOOKBACK, params=PARAMS).fit(frame, np.arange(80.0))
