"""A `Forecast` as a table: one row per series and timestamp, bounds next to each target."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.core.clock import Clock
from spline_lstm.inference.forecast import Forecast
from spline_lstm.inference.intervals import level_name

# A float32 has so many, and z-scores are float32.
DIGITS = 7


def forecast_frame(forecast: Forecast, clock: Clock) -> pd.DataFrame:
    """One row per window and step.

    Parameters
    ----------
    forecast : Forecast
    clock : Clock
        Whose rows were forecast.

    Returns
    -------
    pd.DataFrame
        Indexed by `series` and `timestamp`, in the zone of the clock; columns of each target: its
        forecast under its own name, ``<target>_lower_80`` and ``<target>_upper_80`` for each level,
        and for an ensemble ``<target>_ensemble_std``; data units.
    """
    columns = {name: values for _, name, values in _columns(forecast)}
    return pd.DataFrame(columns, index=_index(forecast, clock))


def _index(forecast: Forecast, clock: Clock) -> pd.MultiIndex:
    horizon = forecast.timestamps.shape[1]
    return pd.MultiIndex.from_arrays(
        [
            np.repeat(np.array(forecast.series, dtype=object), horizon),
            clock.to_pandas(forecast.timestamps.ravel()),
        ],
        names=["series", "timestamp"],
    )


def _columns(forecast: Forecast) -> Iterator[tuple[int, str, np.ndarray]]:
    """Position of the target, name and values of each column."""
    for position, target in enumerate(forecast.targets):
        yield position, target, forecast.point[:, :, position].ravel()
        for number, level in enumerate(forecast.levels):
            for side, bound in (("lower", forecast.lower), ("upper", forecast.upper)):
                name = f"{target}_{side}_{level_name(level)}"
                yield position, name, bound[:, :, position, number].ravel()
        if forecast.ensemble_std is not None:
            name = f"{target}_ensemble_std"
            yield position, name, forecast.ensemble_std[:, :, position].ravel()


def forecast_texts(
    forecast: Forecast, clock: Clock, scales: Float[np.ndarray, "windows targets"]
) -> pd.DataFrame:
    """`forecast_frame` with numbers as texts that read back as forecast, without noise digits.

    A float32 has `DIGITS` digits; the next one would be noise. Of a float64, as many digits of the
    scale count: a forecast of 51653410816 that is known to 0.00001 has all of them.

    Parameters
    ----------
    forecast, clock : as in `forecast_frame`
    scales : [windows, targets] data units per z-score
    """
    horizon = forecast.timestamps.shape[1]
    decimals = np.repeat(DIGITS - 1 - np.floor(np.log10(scales)).astype(int), horizon, axis=0)
    columns = {
        name: [
            f"{value:.{DIGITS}g}" if values.dtype == np.float32 else repr(round(value, places))
            for value, places in zip(values.tolist(), decimals[:, position].tolist(), strict=True)
        ]
        for position, name, values in _columns(forecast)
    }
    return pd.DataFrame(columns, index=_index(forecast, clock))


def in_zone_of(table: pd.DataFrame, timestamps: pd.Series) -> pd.DataFrame:
    """The table with timestamps in the time zone of `timestamps`; naive if these are naive."""
    if not pd.api.types.is_datetime64_any_dtype(timestamps):
        return table
    zone, known = timestamps.dt.tz, pd.DatetimeIndex(table.index.get_level_values(1))
    moved = known.tz_localize(None) if zone is None else known.tz_convert(zone)
    index = pd.MultiIndex.from_arrays(
        [table.index.get_level_values(0), moved], names=table.index.names
    )
    return table.set_index(index)
