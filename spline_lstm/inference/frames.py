"""A `Forecast` as a table: one row per series and timestamp, bounds next to each target."""

import numpy as np
import pandas as pd

from spline_lstm.core.clock import Clock
from spline_lstm.inference.forecast import Forecast
from spline_lstm.inference.intervals import level_name


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
    horizon = forecast.timestamps.shape[1]
    index = pd.MultiIndex.from_arrays(
        [
            np.repeat(np.array(forecast.series, dtype=object), horizon),
            clock.to_pandas(forecast.timestamps.ravel()),
        ],
        names=["series", "timestamp"],
    )
    columns = {}
    for position, target in enumerate(forecast.targets):
        columns[target] = forecast.point[:, :, position].ravel()
        for number, level in enumerate(forecast.levels):
            for side, bound in (("lower", forecast.lower), ("upper", forecast.upper)):
                name = f"{target}_{side}_{level_name(level)}"
                columns[name] = bound[:, :, position, number].ravel()
        if forecast.ensemble_std is not None:
            columns[f"{target}_ensemble_std"] = forecast.ensemble_std[:, :, position].ravel()
    return pd.DataFrame(columns, index=index)


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
