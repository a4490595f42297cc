"""Rows ahead: a blank cell, absent timestamp or absent series is a line, or filled as asked."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import MissingCovariateError, TooLittleDataError, UsageError
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.reading import future_frame, history_frame
from spline_lstm.series.preprocess import preprocess
from spline_lstm.tables.frames import plain_frame
from spline_lstm.tables.raw_table import typed_table
from tests.builders import HOUR, START, make_preprocess_params, make_schema

LOOKBACK, HORIZON, LAST = 4, 3, 40
COVARIATES = [
    {"name": "price", "known_future": True},
    {"name": "open", "dtype": "boolean", "known_future": True, "missing": "zero"},
    {"name": "rate", "known_future": True, "missing": "ffill"},
]


def frame(rows=60, shops=("a", "b")):
    """Shops, hourly: y is the hour, price twice, rate three times the hour, open every other."""
    number = np.arange(rows)
    parts = [
        pd.DataFrame(
            {
                "time": pd.to_datetime(START + number * HOUR),
                "shop": shop,
                "y": number % 7 + number / 10,
                "price": 2.0 * number,
                "open": number % 2,
                "rate": 3.0 * number,
            }
        )
        for shop in shops
    ]
    return pd.concat(parts, ignore_index=True)


def make_preprocessor(covariates=COVARIATES):
    schema = make_schema(series_col="shop", dynamic_covariates=covariates)
    table = typed_table(plain_frame(frame(), schema, "raw"), schema, where="raw")
    params = make_preprocess_params(feature_mode="multivariate", max_gap=2, scaler="none")
    return preprocess(table, schema, params, where="raw").preprocessor


@pytest.fixture(scope="module")
def preprocessor():
    return make_preprocessor()


def served(preprocessor, history, future=None, **options):
    return serving_inputs(
        preprocessor,
        history_frame(preprocessor, history, "history"),
        lookback=LOOKBACK,
        horizon=HORIZON,
        future=None if future is None else future_frame(preprocessor, future, "future"),
        **options,
    )


def parts(rows=60):
    """The history of 40 hours, and the rows that follow it."""
    whole = frame(rows)
    past = whole["time"] < pd.Timestamp(START + LAST * HOUR)
    return whole[past].reset_index(drop=True), whole[~past].reset_index(drop=True)


def refusal(preprocessor, history, future=None, **options):
    with pytest.raises(MissingCovariateError) as caught:
        served(preprocessor, history, future, **options)
    return caught.value.lines


def test_every_blank_cell_absent_timestamp_and_absent_series_is_a_line(preprocessor):
    history, future = parts()
    future.loc[2:, "price"] = np.nan
    lines = refusal(preprocessor, history, future[:20].drop(index=1))
    assert lines == (
        "future, series 'a': the row is absent, so 'price', 'rate' have no value at "
        "2020-01-02T17:00:00Z; give it, or set absent to blank to have it filled",
        "future: series 'b' is absent, so 'price', 'rate' have no value at 2020-01-02T16:00:00Z, "
        "2020-01-02T17:00:00Z, 2020-01-02T18:00:00Z; give its rows",
        "future row 1: 'price' is blank, so it has no value at 2020-01-02T18:00:00Z in series 'a', "
        "and its policy interpolate finds none; give it, or set missing of the column in the "
        "schema",
    )


def test_without_rows_ahead_the_history_is_said_to_end(preprocessor):
    history, _ = parts()
    one, two = refusal(preprocessor, history)
    assert one.startswith(
        "history, series 'a': 'price', 'rate' are known-future columns, but have no value at "
        "2020-01-02T16:00:00Z, 2020-01-02T17:00:00Z, 2020-01-02T18:00:00Z; give the rows"
    )
    assert two.startswith("history, series 'b'")


def test_lines_beyond_twenty_are_counted(preprocessor):
    shops = [f"s{number:02d}" for number in range(25)]
    whole = frame(60, shops)
    past = whole["time"] < pd.Timestamp(START + LAST * HOUR)
    lines = refusal(preprocessor, whole[past], whole[~past & (whole["shop"] == "s00")])
    assert len(lines) == 21
    assert lines[-1] == "future: 4 more values are missing"


def test_the_policy_of_a_column_decides_what_a_blank_cell_is(preprocessor):
    history, future = parts()
    # The gap of one hour closes; open is zero, and rate stays.
    future.loc[[1, 21], ["price", "open", "rate"]] = np.nan
    inputs = served(preprocessor, history, future)
    assert [str(preprocessor.features[index]) for index in preprocessor.future_indices] == [
        "price",
        "open",
        "rate",
    ]
    for window in inputs.X_future:
        np.testing.assert_array_equal(window[:, 0], [80, 82, 84])
        np.testing.assert_array_equal(window[:, 1], [0, 0, 0])
        np.testing.assert_array_equal(window[:, 2], [120, 120, 126])


def test_absent_rows_count_as_blank_if_asked(preprocessor):
    history, future = parts()
    inputs = served(preprocessor, history, future.drop(index=[1, 21]), absent="blank")
    np.testing.assert_array_equal(inputs.X_future[0], [[80, 0, 120], [82, 0, 120], [84, 0, 126]])
    lines = refusal(preprocessor, history, future[:20], absent="blank")
    assert lines[0].startswith("future, series 'b': 'price' is blank, so it has no value at")
    assert len(lines) == HORIZON
    kind = [{**item, "missing": "ffill"} for item in COVARIATES[:1]]
    held = served(make_preprocessor(kind), history, absent="blank")
    np.testing.assert_array_equal(held.X_future[..., 0], np.full((2, 3), 78.0))
    with pytest.raises(UsageError, match="absent is 'skip'; give error or blank"):
        served(preprocessor, history, future, absent="skip")


def test_rows_ahead_may_be_in_the_history_and_a_table_of_their_own_counts_more(preprocessor):
    history, future = parts()
    whole = pd.concat([history, future.assign(y=np.nan)], ignore_index=True)
    expected = served(preprocessor, history, future)
    for rows in (None, future):
        inputs = served(preprocessor, whole, rows)
        assert inputs.X.tobytes() == expected.X.tobytes()
        assert inputs.X_future.tobytes() == expected.X_future.tobytes()
        assert len(inputs.notes) == 1
    dearer = served(preprocessor, whole, future.assign(price=future["price"] + 1))
    np.testing.assert_array_equal(dearer.X_future[..., 0] - 1, expected.X_future[..., 0])


def test_a_blank_cell_in_the_rows_of_the_history_is_named_there(preprocessor):
    history, future = parts()
    whole = pd.concat([history, future.assign(y=np.nan)], ignore_index=True)
    late = (whole["time"] >= pd.Timestamp(START + LAST * HOUR)) & (whole["shop"] == "b")
    whole.loc[late, "price"] = np.nan
    lines = refusal(preprocessor, whole)
    assert [line.split(":")[0] for line in lines] == [f"history row {100 + n}" for n in range(3)]


def test_thirty_blank_targets_at_the_end_are_forecast(preprocessor):
    whole = frame()
    whole.loc[whole["time"] >= pd.Timestamp(START + 30 * HOUR), "y"] = np.nan
    inputs = served(preprocessor, whole)
    assert inputs.timestamps.tolist() == [[START + (30 + step) * HOUR for step in range(3)]] * 2
    with pytest.raises(TooLittleDataError, match="4 of them in a gap of a target beyond"):
        served(preprocessor, whole, start="end", absent="blank")


def test_an_origin_outside_of_the_history_is_refused(preprocessor):
    history, future = parts()
    with pytest.raises(TooLittleDataError, match="starts at or after 2019-12-31T00:00:00Z"):
        served(preprocessor, history, future, start="2019-12-31")
    with pytest.raises(TooLittleDataError, match="2 of the 4 rows before"):
        served(preprocessor, history, future, start="2020-01-01 02:00")
    with pytest.raises(TooLittleDataError, match=r"ends \d+ rows before 2200-01-01T00:00:00Z"):
        served(preprocessor, history, future, start="2200-01-01")


def test_an_optional_covariate_that_is_not_there_is_replaced_with_a_warning():
    optional = [
        {**COVARIATES[0], "required": False},
        {"name": "open", "dtype": "boolean", "missing": "zero", "required": False},
    ]
    preprocessor = make_preprocessor(optional)
    history, _ = parts()
    inputs = served(preprocessor, history.drop(columns=["price", "open"]))
    assert inputs.warnings == tuple(
        f"history has no column {name!r}; its values are replaced by the policy of the schema"
        for name in ("price", "open")
    )
    columns = list(preprocessor.features)
    np.testing.assert_array_equal(inputs.X[:, :, columns.index("open")], np.zeros((2, LOOKBACK)))
    # Nothing is known of the price: the mean of training replaces it.
    neutral = preprocessor.neutral[columns.index("price")]
    np.testing.assert_allclose(inputs.X[:, :, columns.index("price")], neutral)
    np.testing.assert_allclose(inputs.X_future, np.full((2, HORIZON, 1), neutral))
