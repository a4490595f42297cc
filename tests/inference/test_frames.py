import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.clock_params import parse_clock
from spline_lstm.inference.forecast import Forecast
from spline_lstm.inference.frames import forecast_frame, forecast_texts

CLOCK = parse_clock("1h")


def forecast_of(point, dtype):
    point = np.asarray(point, dtype=dtype)[None, :, None]
    empty = np.empty((*point.shape, 0), dtype)
    timestamps = np.arange(point.shape[1], dtype=np.int64)[None]
    return Forecast(point, empty, empty, (), None, None, timestamps, ("a",), ("y",))


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (51653410816.123456, 35.0, "51653410816.12346"),
        (1.0234567891e-07, 7e-9, "1.02345679e-07"),
        (5.0, 1.0, "5.0"),
        (np.inf, 1.0, "inf"),
    ],
)
def test_text_of_a_float64_has_the_digits_that_the_scale_gives(value, scale, text):
    table = forecast_texts(forecast_of([value], np.float64), CLOCK, np.array([[scale]]))
    assert table["y"].tolist() == [text]


def test_text_of_a_float32_has_seven_digits():
    table = forecast_texts(forecast_of([0.1, 123.456789], np.float32), CLOCK, np.array([[50.0]]))
    assert table["y"].tolist() == ["0.1", "123.4568"]


@given(
    level=st.floats(-1e12, 1e12), scale=st.floats(1e-9, 1e6), dtype=st.sampled_from(["f4", "f8"])
)
def test_texts_read_back_to_a_millionth_of_the_scale(level, scale, dtype):
    forecast = forecast_of(level + scale * np.linspace(-3, 3, 7), dtype)
    texts, numbers = (
        forecast_texts(forecast, CLOCK, np.array([[scale]])),
        forecast_frame(forecast, CLOCK),
    )
    assert texts.index.equals(numbers.index)
    read = texts["y"].astype(np.float64).to_numpy()
    off = np.abs(read - numbers["y"].to_numpy().astype(np.float64))
    step = np.spacing(np.abs(numbers["y"].to_numpy())).astype(np.float64)
    assert (off <= np.maximum(1e-6 * scale, 10 * step)).all()
