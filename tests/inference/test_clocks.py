"""A Forecaster and an exported file continue the timestamps of a calendar."""

import numpy as np
import pandas as pd
import pytest

import spline_lstm
from spline_lstm.__main__ import main
from spline_lstm.core.errors import DataContractError
from spline_lstm.export.onnx_export import export_onnx
from spline_lstm.export.spec import load_spec
from spline_lstm.inference.exported import ExportedForecaster

BERLIN = "Europe/Berlin"
MONTHS = pd.date_range("2000-01-31", "2024-01-31", freq="ME")
DAYS = pd.date_range("2023-05-01", "2024-03-29", freq="D", tz=BERLIN)
NUMBERS = pd.Index(np.delete(np.arange(100, 3000, 10), [60, 61]))
# Business days until the day before 4 July 2024, on which New York is closed; 19 June was, too.
OPEN = pd.bdate_range("2023-07-05", "2024-07-03")
OPEN = OPEN[~OPEN.isin(pd.to_datetime(
    ["2023-09-04", "2023-11-23", "2023-12-25", "2024-01-01", "2024-01-15", "2024-02-19",
     "2024-03-29", "2024-05-27", "2024-06-19"]
))]  # fmt: skip


def fitted(dates: pd.Index, **params) -> tuple[pd.DataFrame, spline_lstm.Forecaster]:
    """A frame with a rising wave on the dates, and a linear forecaster of it."""
    rows = np.arange(len(dates))
    frame = pd.DataFrame({"timestamp": dates, "y": rows / 10 + np.sin(rows * np.pi / 6)})
    forecaster = spline_lstm.Forecaster(
        "y", model="linear", lookback=24, horizon=3, params=params or None
    )
    return frame, forecaster.fit(frame)


@pytest.mark.parametrize(
    ("dates", "params", "frequency", "ahead"),
    [
        (MONTHS, {}, "ME", ["2024-02-29", "2024-03-31", "2024-04-30"]),
        (
            OPEN,
            {"preprocess.frequency": "B", "preprocess.holidays": ["NYSE"]},
            "B",
            ["2024-07-05", "2024-07-08", "2024-07-09"],
        ),
        (DAYS, {}, "D", ["2024-03-30", "2024-03-31", "2024-04-01"]),
    ],
    ids=["months", "trading days", "days of Berlin"],
)
def test_a_frame_is_continued_on_its_own_clock_and_in_its_zone(dates, params, frequency, ahead):
    frame, forecaster = fitted(dates, **params)
    assert forecaster.params_.preprocess.frequency == frequency
    assert forecaster.params_.data.time_zone == (BERLIN if dates.tz else None)
    found = forecaster.predict().index.get_level_values("timestamp")
    expected = pd.DatetimeIndex(ahead, tz=dates.tz)
    assert found.tz == expected.tz
    assert found.tolist() == expected.tolist()
    assert forecaster.predict(frame.iloc[:-1]).index[0][1] == dates[-1]


def test_a_frame_that_follows_no_clock_is_told_what_was_found():
    dates = pd.DatetimeIndex(
        pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(1, 200) ** 2, unit="h")
    )
    with pytest.raises(DataContractError, match="^frame: .*set frequency"):
        fitted(dates)


def test_a_frame_of_whole_numbers_is_continued_by_whole_numbers():
    _, forecaster = fitted(NUMBERS)
    assert forecaster.params_.preprocess.frequency == "index 10"
    found = forecaster.predict().index.get_level_values("timestamp")
    assert found.tolist() == [3000, 3010, 3020]


def test_an_offset_of_a_frame_is_a_zone():
    assert fitted(MONTHS.tz_localize("+05:30"))[1].params_.data.time_zone == "+05:30"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dates", "second"),
    [
        (MONTHS, "2024-03-31T00:00:00Z"),
        (DAYS, "2024-03-31T00:00:00+01:00"),
        (NUMBERS, "3010"),
    ],
    ids=["months", "days of Berlin", "index"],
)
def test_an_onnx_file_gives_the_timestamps_of_the_forecaster(dates, second, tmp_path, capsys):
    frame, forecaster = fitted(dates)
    forecaster.save(tmp_path)
    model = tmp_path / "models/edge/model.onnx"
    model.parent.mkdir()
    model.write_bytes(export_onnx(load_spec(tmp_path), 17).content)
    loaded = ExportedForecaster.load(model, tmp_path / "models/preprocessor.json")
    expected = forecaster.forecast()
    np.testing.assert_array_equal(loaded.predict(frame).timestamps, expected.timestamps)
    frame.to_csv(tmp_path / "history.csv", index=False)
    assert main(["predict", str(model), str(tmp_path / "history.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    written = [line.split(",")[1] for line in lines]
    assert written == forecaster.preprocessor_.clock.texts_of(expected.timestamps[0])
    assert written[1] == second
