from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spline_lstm.inference.forecast import ModelInputs, forecast_windows
from spline_lstm.inference.frames import forecast_frame, in_zone_of
from spline_lstm.inference.intervals import (
    Intervals,
    conformal_intervals,
    no_intervals,
    quantile_intervals,
)
from spline_lstm.models.outputs import Outputs
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.scaling import Scaler
from tests.builders import HOUR, HOURLY, no_limits

# Two windows (series a, and one that training did not see), three steps, one target.
AHEAD = HOUR * np.array([[10, 11, 12], [20, 21, 22]])
INPUTS = ModelInputs(
    X=np.zeros((2, 4, 1), np.float32),
    X_future=np.zeros((2, 3, 1), np.float32),
    X_static=np.zeros((2, 1), np.int32),
    timestamps=AHEAD,
    series=("a", "new"),
    scaler_rows=np.array([0, -1]),
    history=np.zeros((2, 4, 1)),
)
POINT = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
# Series a has mean 100 and standard deviation 10; all series together 1000 and 50.
SCALER = Scaler("standard", np.array([[100.0], [1000.0]]), np.array([[10.0], [50.0]]))
DATA_UNITS = [[100, 110, 120], [1150, 1200, 1250]]


class FixedNetwork:
    """A network that answers the same z-scores to all windows, and records what it was given."""

    def __init__(self, outputs, **config):
        defaults = {
            "model_type": "lstm",
            "future_features": (),
            "static_sizes": (),
            "quantiles": (),
            "targets": ("y",),
            "is_combined": False,
        }
        self.config = SimpleNamespace(**{**defaults, **config})
        self.answer, self.weights = outputs, {}
        self.given = ()

    def outputs(self, *inputs):
        self.given = inputs
        return self.answer


def forecast_of(outputs, intervals=None, **config):
    return forecast_windows(FixedNetwork(outputs, **config), INPUTS, SCALER, intervals, no_limits())


def test_forecast_is_in_the_data_units_of_each_series():
    forecast = forecast_of(Outputs(POINT))
    assert forecast.point.dtype == np.float64
    assert forecast.point[:, :, 0].tolist() == DATA_UNITS
    assert (forecast.quantiles, forecast.ensemble_std) == (None, None)
    assert (forecast.series, forecast.targets) == (("a", "new"), ("y",))


def test_timestamps_start_at_the_origin():
    timestamps = forecast_of(Outputs(POINT)).timestamps
    assert (timestamps // HOUR).tolist() == [[10, 11, 12], [20, 21, 22]]


def test_std_of_an_ensemble_is_scaled_but_not_shifted():
    forecast = forecast_of(Outputs(POINT, ensemble_std=np.full((2, 3, 1), 0.5, np.float32)))
    assert forecast.ensemble_std[:, :, 0].tolist() == [[5, 5, 5], [25, 25, 25]]


def test_quantiles_are_scaled_level_by_level_and_give_the_bounds():
    levels = (0.1, 0.5, 0.9)
    quantiles = np.stack([POINT - 1, POINT, POINT + 2], axis=-1)
    intervals = quantile_intervals(levels, 3, 1)
    forecast = forecast_of(Outputs(POINT, quantiles), intervals, quantiles=levels)
    assert forecast.quantiles[0, 0, 0].tolist() == [90, 100, 120]
    assert forecast.levels == (80.0,)
    assert forecast.lower[:, 0, 0].tolist() == [[90], [1100]]
    assert forecast.upper[:, 0, 0].tolist() == [[120], [1250]]


def test_conformal_bounds_lie_around_the_point_forecast():
    intervals = conformal_intervals(np.full((99, 3, 1), 7.0), [50, 90])
    forecast = forecast_of(Outputs(POINT), intervals)
    assert forecast.levels == (50.0, 90.0)
    np.testing.assert_array_equal(
        forecast.upper, np.repeat(forecast.point + 7, 2).reshape(2, 3, 1, 2)
    )
    np.testing.assert_array_equal(
        forecast.lower, np.repeat(forecast.point - 7, 2).reshape(2, 3, 1, 2)
    )


@pytest.mark.parametrize("intervals", [None, no_intervals(3, 1)])
def test_without_intervals_there_are_no_levels(intervals):
    forecast = forecast_of(Outputs(POINT), intervals)
    assert forecast.levels == ()
    assert forecast.lower.shape == forecast.upper.shape == (2, 3, 1, 0)


@pytest.mark.parametrize("future", [True, False])
@pytest.mark.parametrize("static", [True, False])
def test_network_gets_only_the_inputs_that_it_reads(future, static):
    network = FixedNetwork(
        Outputs(POINT),
        future_features=("price",) if future else (),
        static_sizes=(3,) if static else (),
    )
    forecast_windows(network, INPUTS, SCALER, None, no_limits())
    X, X_future, X_static = network.given
    assert X is INPUTS.X
    assert X_future is (INPUTS.X_future if future else None)
    assert X_static is (INPUTS.X_static if static else None)


def test_frame_has_a_row_per_series_and_step():
    intervals = Intervals("split conformal", (80.0, 97.5), np.ones((2, 3, 1)), np.full((3, 1), 99))
    std = np.full((2, 3, 1), 0.5, np.float32)
    frame = forecast_frame(forecast_of(Outputs(POINT, ensemble_std=std), intervals), HOURLY)
    assert list(frame.columns) == [
        "y",
        "y_lower_80",
        "y_upper_80",
        "y_lower_97.5",
        "y_upper_97.5",
        "y_ensemble_std",
    ]
    assert frame.index.names == ["series", "timestamp"]
    assert frame.loc[("new", pd.Timestamp(21 * HOUR, tz="UTC"))].tolist() == [
        1200,
        1199,
        1201,
        1199,
        1201,
        25,
    ]


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_frame_takes_the_time_zone_of_the_history(zone):
    history = pd.Series(pd.to_datetime([0], utc=True))
    history = history.dt.tz_convert(zone) if zone else history.dt.tz_localize(None)
    frame = in_zone_of(forecast_frame(forecast_of(Outputs(POINT)), HOURLY), history)
    first = frame.index.get_level_values(1)[0]
    assert first == pd.Timestamp(10 * HOUR, tz="UTC").tz_convert(zone)


def test_point_quantiles_and_intervals_keep_to_the_bounds_and_a_constant_stays():
    bounds = np.array([[105.0, 1160.0]])
    # Series a was constant at 0, as its lookback is.
    for constant, held in ((np.nan, False), (0.0, True)):
        limits = ForecastLimits(bounds, np.array([[constant], [np.nan]]))
        quantiles = np.stack([POINT - 1, POINT, POINT + 1], axis=-1)
        network = FixedNetwork(Outputs(POINT, quantiles), quantiles=(0.1, 0.5, 0.9))
        intervals = quantile_intervals((0.1, 0.5, 0.9), 3, 1)
        found = forecast_windows(network, INPUTS, SCALER, intervals, limits)
        first = [0.0] * 3 if held else [105, 110, 120]
        assert found.point[:, :, 0].tolist() == [first, [1150, 1160, 1160]]
        assert found.lower[0, :, 0, 0].tolist() == ([0.0] * 3 if held else [105, 105, 110])
        assert found.upper[1, :, 0, 0].tolist() == [1160] * 3
        assert (found.quantiles[1] <= 1160).all()
