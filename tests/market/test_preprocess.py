"""Tables of daily bars that are refused, repaired or warned of."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import DataContractError, ParamsError, TooLittleDataError
from spline_lstm.market.bars import bars_of
from spline_lstm.market.preprocess import preprocess_bars
from tests.market.builders import direction_params, direction_schema, make_frame, read


def preprocess(frame, **values):
    params = direction_params(values)
    return preprocess_bars(read(frame), direction_schema(), params, where="bars.csv")


def test_prices_are_adjusted_by_one_factor_a_day(frame):
    (bars, *_) = bars_of(read(frame), direction_params().direction.columns)
    own = frame[frame["symbol"] == "A"]
    np.testing.assert_allclose(bars.close, own["adj_close"])
    np.testing.assert_allclose(bars.open, own["open"] / 2)


def test_missing_cells_are_filled_from_the_day_itself_or_the_day_before():
    frame = make_frame(days=10, seed=1)
    frame.loc[3, "close"] = np.nan
    frame.loc[4, ["open", "high", "low"]] = np.nan
    frame.loc[5, "volume"] = np.nan
    (bars,) = bars_of(read(frame), direction_params().direction.columns)
    assert len(bars) == 9
    assert bars.open[3] == bars.high[3] == bars.low[3] == bars.close[3]
    assert bars.volume[4] == frame.loc[4, "volume"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("close", -1.0, "a price must be above 0, but is not so on A 2015-01-02"),
        ("low", 1e6, "the low must not be above the high"),
        ("open", 1e6, "open and close must lie between low and high"),
        ("volume", -1.0, "a volume must not be negative"),
    ],
)
def test_impossible_bars_are_refused_with_their_day(frame, column, value, message):
    wrong = frame.copy()
    wrong.loc[1, column] = value
    with pytest.raises(DataContractError, match=message):
        preprocess(wrong)


def test_a_column_that_is_not_there_is_named(frame):
    params = {"direction.columns.volume": "shares"}
    with pytest.raises(DataContractError, match="no column shares among"):
        preprocess(frame, **params)


def test_settings_that_the_task_does_not_follow_are_refused(frame):
    values = {"window.horizon": 5, "preprocess.smoothing.method": "replace"}
    with pytest.raises(ParamsError, match=r"window\.horizon to 1.*smoothing\.method to off"):
        preprocess(frame, **values)


def test_a_symbol_that_is_too_short_is_left_out_and_named(frame):
    short = make_frame(days=60, seed=4, symbol="NEW", start="2016-06-01")
    panel = pd.concat([frame, short])
    result = preprocess(panel)
    assert result.quality["skipped"] == {"NEW": 60}
    assert "NEW" not in result.preprocessor.series
    assert "'NEW' (60 days)" in result.text
    with pytest.raises(TooLittleDataError, match="needs 85 trading days"):
        preprocess(panel, **{"data.short_series": "error"})


def test_a_move_that_looks_like_a_split_is_warned_of(frame):
    split = frame.copy()
    since = (split["symbol"] == "A") & (split.index >= 300)
    split.loc[since, "adj_close"] /= 2
    text = preprocess(split).text
    assert f"A {frame.loc[300, 'date']}" in text


def test_the_median_needs_several_symbols():
    text = preprocess(make_frame(days=700, seed=1), **{"direction.label": "median"})
    assert "one symbol has no median to beat" in text.text


def test_business_days_of_an_exchange_are_a_clock_as_well(frame):
    observed = preprocess(frame)
    values = {"preprocess.frequency": "B", "preprocess.holidays": ["NYSE"]}
    exchange = preprocess(frame, **values)
    np.testing.assert_array_equal(exchange.arrays.scaled, observed.arrays.scaled)
    assert exchange.preprocessor.clock.frequency == "B"


def test_splits_may_begin_at_dates(frame):
    result = preprocess(frame, **{"preprocess.split.dates": ["2017-01-01", "2017-06-01"]})
    starts = result.arrays.split_instants.view("datetime64[ns]").astype("datetime64[D]")
    assert starts.astype(str).tolist() == ["2017-01-01", "2017-06-01"]
