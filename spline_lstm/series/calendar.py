"""Calendar features: functions of the timestamp only, known for any time."""

from collections.abc import Sequence
from typing import Any

import lazy_loader
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.time_zones import DAY_NS, local_times

# Few schemas count holidays; the package takes a quarter of a second to load.
holidays: Any = lazy_loader.load("holidays")

TURN = 2 * np.pi
HOLIDAY = "is_holiday"


def calendar_features(
    timestamps: Int[np.ndarray, " rows"],
    names: Sequence[str],
    country: str | None = None,
    subdivision: str | None = None,
    zone: str | None = None,
) -> Float[np.ndarray, "rows features"]:
    """Sine and cosine of the position in a day, week, year or all months, and public holidays.

    Parameters
    ----------
    timestamps : [rows] ns since 1970 UTC
    names : ``is_holiday``; ``hour_*``, ``dow_*``, ``doy_*``, ``month_*`` with ``sin`` or ``cos``
    country, subdivision : whose holidays, as in the package holidays
    zone : time zone whose wall clock counts, by default UTC

    Returns
    -------
    [rows, features] float64 in -1..1. The position is continuous: 06:30 is 6.5 / 24 of a turn.
    """
    if not names:
        return np.empty((len(timestamps), 0))
    walls = local_times(timestamps, zone)
    turns = {
        cycle: _turns(walls, cycle)
        for cycle in {name.rsplit("_", 1)[0] for name in names if name != HOLIDAY}
    }
    functions = {"sin": np.sin, "cos": np.cos}
    columns = []
    for name in names:
        if name == HOLIDAY:
            columns.append(_holidays(walls, country, subdivision))
            continue
        cycle, function = name.rsplit("_", 1)
        columns.append(functions[function](TURN * turns[cycle]))
    return np.column_stack(columns)


def _holidays(walls: np.ndarray, country: str | None, subdivision: str | None) -> np.ndarray:
    """1 on public holidays, else 0."""
    days, position = np.unique(walls // DAY_NS, return_inverse=True)
    dates = pd.DatetimeIndex((days * DAY_NS).view("datetime64[ns]"))
    years = range(dates[0].year, dates[-1].year + 1)
    known = holidays.country_holidays(country or "", subdiv=subdivision, years=years)
    return np.array([date in known for date in dates.date], dtype=np.float64)[position]


def _turns(walls: np.ndarray, cycle: str) -> np.ndarray:
    moments = pd.DatetimeIndex(walls.view("datetime64[ns]"))
    day = (walls % DAY_NS) / DAY_NS
    if cycle == "hour":
        return day
    if cycle == "dow":
        return (moments.day_of_week.to_numpy() + day) / 7
    if cycle == "doy":
        return (moments.day_of_year.to_numpy() - 1 + day) / np.where(moments.is_leap_year, 366, 365)
    return (moments.month.to_numpy() - 1) / 12
