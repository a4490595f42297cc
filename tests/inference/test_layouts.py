"""Histories and futures in the layout of the schema give the windows of the plain table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.reading import Reading
from spline_lstm.inference.forecast import ModelInputs
from spline_lstm.inference.forecaster import Forecaster
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.reading import future_frame, history_frame
from spline_lstm.series.preprocess import preprocess
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.windows.preprocessor import Preprocessor
from tests.builders import make_preprocess_params, make_schema

ROWS, LOOKBACK, HORIZON = 60, 6, 3
PROMO = [{"name": "promo", "known_future": True}]


def fitted(content: str, schema, reading: Reading, frequency: str = "1h") -> Preprocessor:
    params = make_preprocess_params(feature_mode="multivariate", frequency=frequency)
    table = read_raw_table(content.encode(), schema, where="raw", reading=reading)
    result = preprocess(table, schema, params, where="raw", reading=reading).preprocessor
    return Preprocessor.from_json(result.to_json())


def served(preprocessor: Preprocessor, history: str, future: str | None = None) -> ModelInputs:
    return serving_inputs(
        preprocessor,
        history_frame(preprocessor, history.encode(), "history"),
        future=None if future is None else future_frame(preprocessor, future.encode(), "future"),
        lookback=LOOKBACK,
        horizon=HORIZON,
    )


def check_same(one: ModelInputs, two: ModelInputs) -> None:
    for name in ("X", "X_future", "timestamps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert one.series == two.series


def hours(count: int) -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", periods=count, freq="h")


def test_a_wide_history_and_future_are_those_of_long_ones():
    rng = np.random.default_rng(0)
    times = hours(ROWS + HORIZON).strftime("%Y-%m-%d %H:%M")
    values = rng.normal(size=(ROWS, 2)).round(3).astype(str)
    # One series begins late, the other has ended one row before.
    values[:4, 1] = values[20, 1] = values[-1, 0] = ""
    promo = rng.integers(0, 2, ROWS + HORIZON).astype(str)
    wide = ["time,a,b,promo", *(f"{times[i]},{values[i, 0]},{values[i, 1]},{promo[i]}"
                                for i in range(ROWS))]  # fmt: skip
    long = [
        f"{name},{times[i]},{values[i, column]},{promo[i]}"
        for column, name, rows in ((0, "a", range(ROWS - 1)), (1, "b", range(4, ROWS)))
        for i in rows
    ]
    ahead = [f"{times[i]},{promo[i]}" for i in range(ROWS - 1, ROWS + HORIZON)]
    history, plain = "\n".join(wide), "\n".join(["shop,time,y,promo", *long])
    future = "\n".join(["time,promo", *ahead])
    plain_future = "\n".join(
        ["shop,time,promo", *(f"{name},{row}" for name in "ab" for row in ahead)]
    )
    layout = {"columns": ["a", "b"], "value": "y", "series": "shop"}
    common = {"series_col": "shop", "dynamic_covariates": PROMO}
    of_wide = fitted(history, make_schema(wide=layout, **common), Reading())
    of_long = fitted(plain, make_schema(**common), Reading())
    expected = served(of_long, plain, plain_future)
    check_same(served(of_wide, history, future), expected)
    # What a forecaster keeps of a wide history is long, and is read again.
    kept = history_frame(of_wide, history.encode(), "history")
    again = history_frame(of_wide, kept, "kept")
    pd.testing.assert_frame_equal(again, kept.reset_index(drop=True))


@pytest.mark.parametrize("columns", [["day", "time"], "time"])
def test_wall_clocks_of_a_zone_are_read_as_in_training(columns):
    """The clocks change within the history."""
    start = datetime(2023, 10, 27, tzinfo=UTC)
    moments = [start + timedelta(hours=row) for row in range(ROWS)]
    local = [moment.astimezone(ZoneInfo("Europe/Berlin")) for moment in moments]
    mark = "," if isinstance(columns, list) else " "
    header = "day,time,y" if isinstance(columns, list) else "time,y"
    walls = "\n".join([header, *(f"{m:%Y-%m-%d}{mark}{m:%H:%M},{m.hour}" for m in local)])
    aware = "\n".join(["time,y", *(f"{m.isoformat()},{m.hour}" for m in local)])
    zone = Reading(time_zone="Europe/Berlin")
    of_walls = fitted(walls, make_schema(timestamp_col=columns), zone)
    of_aware = fitted(aware, make_schema(), zone)
    check_same(served(of_walls, walls), served(of_aware, aware))


def test_rows_without_timestamps_are_continued_by_the_future():
    rng = np.random.default_rng(1)
    rows = [f"{value:.3f},{row % 3}" for row, value in enumerate(rng.normal(size=ROWS))]
    history = "\n".join(["y,promo", *rows])
    future = "\n".join(["promo", *(str(row % 3) for row in range(ROWS, ROWS + HORIZON))])
    schema = make_schema(timestamp_col=None, dynamic_covariates=PROMO)
    inputs = served(fitted(history, schema, Reading(), "index 1"), history, future)
    assert inputs.timestamps.tolist() == [[ROWS, ROWS + 1, ROWS + 2]]
    counted = "\n".join(["time,y,promo", *(f"{row},{cells}" for row, cells in enumerate(rows))])
    ahead = "\n".join(["time,promo", *(f"{row},{row % 3}" for row in range(ROWS, ROWS + HORIZON))])
    indexed = make_schema(dynamic_covariates=PROMO, table_format={"timestamp_format": "index"})
    check_same(inputs, served(fitted(counted, indexed, Reading(), "index 1"), counted, ahead))


def test_a_forecaster_fits_updates_and_keeps_a_wide_frame(tmp_path):
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    week = 10 + np.tile([0.0, 1, 2, 3, 2, 1, 0], 13)[:90]
    frame = pd.DataFrame(
        {"day": days.strftime("%Y-%m-%d"), "north": week, "south": week + 5, "new": np.nan}
    )
    frame.loc[30:, "new"] = week[30:]
    layout = {"columns": ["north", "south", "new"], "value": "y", "series": "region"}
    schema = make_schema(timestamp_col="day", series_col="region", wide=layout)
    forecaster = Forecaster(
        schema=schema,
        horizon=2,
        lookback=14,
        model="linear",
        params={"data.time_zone": "Europe/Berlin", "preprocess.frequency": "D"},
    ).fit(frame)
    forecast = forecaster.predict()
    zone = ZoneInfo("Europe/Berlin")
    # The clocks change on the first day.
    expected = [datetime(2024, 3, 31, tzinfo=zone), datetime(2024, 4, 1, tzinfo=zone)]
    assert forecast.loc["new"].index.tolist() == expected
    assert list(dict.fromkeys(forecast.index.get_level_values(0))) == ["new", "north", "south"]
    forecaster.save(tmp_path)
    loaded = Forecaster.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(), forecast)
    pd.testing.assert_frame_equal(loaded.predict(frame), forecast)
    row = {"day": ["2024-03-31"], "north": [10.0], "south": [15.0], "new": [10.0]}
    assert loaded.update(pd.DataFrame(row)).predict().loc["north"].index[0] == expected[1]


def test_an_empty_column_of_a_wide_history_is_named():
    times = hours(ROWS).strftime("%Y-%m-%d %H:%M")
    lines = [
        "time,a,b",
        *(f"{time},{number % 7},{number % 5}" for number, time in enumerate(times)),
    ]
    wide = {"columns": ["a", "b"], "value": "y", "series": "shop"}
    schema = make_schema(series_col="shop", wide=wide)
    preprocessor = fitted("\n".join(lines), schema, Reading())
    empty = "\n".join([lines[0], *(line.rpartition(",")[0] + "," for line in lines[1:])])
    inputs = served(preprocessor, empty)
    assert inputs.series == ("a",)
    assert inputs.warnings == (
        "history: series 'b' has no observed target, but needs 6; it has no forecast",
    )
    with pytest.raises(TooLittleDataError, match="series 'b' has no observed target"):
        served(replace(preprocessor, short_series="error"), empty)
