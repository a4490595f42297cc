"""The backtest of the task direction by calendar years, on invented bars."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.artifacts import write_json
from spline_lstm.core.errors import ParamsError, TooLittleDataError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.day_backtest import (
    day_backtest,
    january,
    run_year,
    split_instants,
)
from spline_lstm.evaluation.day_content import day_verdict, years_of
from spline_lstm.market.windows import embargo_of
from spline_lstm.page.backtest import backtest_view, long_folds
from tests.direction_folder import VALUES, table
from tests.market.builders import direction_params, direction_schema, read

DAY = 86_400_000_000_000


@pytest.fixture(scope="module")
def params():
    return direction_params(VALUES | {"backtest.folds": 1})


@pytest.fixture(scope="module")
def summary(params):
    return day_backtest(read(table()), direction_schema(), params, Path("nowhere"))


def test_the_last_years_are_tested_one_by_one(summary):
    content = summary.content
    assert [fold["fold"] for fold in content["folds"]] == ["2017"]
    (fold,) = content["folds"]
    assert fold["test_start"] == "2017-01-02T00:00:00Z"
    assert fold["auc"] == pytest.approx(content["backtest_auc"])
    assert fold["increment"] == pytest.approx(content["backtest_increment"]["auc"])
    assert fold["loses"] == (fold["auc"] < fold["auc_volatility"])
    assert list(summary.table["year"]) == ["2017"]
    assert "volatility" in day_verdict(summary.scores)


def test_the_page_shows_the_years(summary, tmp_path):
    write_json(tmp_path / "metrics/backtest.json", summary.content)
    view = backtest_view(Pipeline(tmp_path))
    assert view is not None
    assert view.measures[0] == "auc"
    (row,) = long_folds(view, "auc").to_dict("records")
    assert (row["fold"], row["start"]) == ("2017", pd.Timestamp("2017-01-02"))
    assert row["end"].year == 2017


def test_a_whole_year_is_tested_and_nothing_of_it_is_trained_on(params):
    rows = read(table())
    days = np.unique(rows.timestamps)
    found = run_year(rows, direction_schema(), params, days, 2017)
    first = days[days >= january(2017)][0]
    assert found.forecasts.days.min() == first
    assert set(found.forecasts.years) == {2017}
    # Later prices change nothing of what was fitted for the year before them.
    changed = table()
    later = changed["date"] >= "2017-06-01"
    for name in ("open", "high", "low", "close", "adj_close"):
        changed.loc[later, name] *= 2.0
    other = run_year(read(changed), direction_schema(), params, days, 2017)
    early = found.forecasts.days < january(2017) + 150 * DAY
    np.testing.assert_array_equal(
        found.forecasts.forecasts["ensemble"][early], other.forecasts.forecasts["ensemble"][early]
    )
    assert found.train_auc == other.train_auc


def test_the_embargo_is_before_the_year(params):
    days = np.arange(january(2015), january(2018), DAY)
    validation, test, end = split_instants(days, 2017, embargo_of(params.window))
    assert (january(2017) - test) // DAY == embargo_of(params.window) == 79
    assert (january(2016) - validation) // DAY == 79
    assert end == january(2018)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_a_year_is_one_of_the_time_zone_of_the_market(zone):
    dates = pd.date_range("2014-12-20", "2017-01-10", tz=zone, unit="ns")
    days = dates.asi8
    np.testing.assert_array_equal(years_of(days, zone), dates.year)
    _, test, end = split_instants(days, 2016, 0, zone)
    tested = dates[(days >= test) & (days < end)]
    assert set(tested.year) == {2016}
    assert len(tested) == 366


def test_years_with_too_little_before_them_are_left_out_and_named(params):
    whole = direction_params(VALUES | {"backtest.folds": 9, "backtest.test": 0.1})
    content = day_backtest(read(table()), direction_schema(), whole, Path("nowhere")).content
    assert [fold["fold"] for fold in content["folds"]][-1] == "2017"
    assert content["years_left_out"][0].startswith("2015: the train split has no window")
    short = table()
    short = short[short["date"] < "2015-09-01"]
    with pytest.raises(TooLittleDataError, match="2015: "):
        day_backtest(read(short), direction_schema(), params, Path("nowhere"))


@pytest.mark.parametrize(
    ("values", "words"),
    [({"backtest.strategy": "rolling"}, "is expanding"), ({"trees.members": []}, "needs trees")],
)
def test_settings_that_do_not_go_with_it_are_refused(params, values, words):
    other = direction_params(VALUES | values)
    with pytest.raises(ParamsError, match=words):
        day_backtest(read(table()), direction_schema(), other, Path("nowhere"))
