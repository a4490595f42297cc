"""Calendar features: functions of the stamp alone, known for any time."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

TURN = 2 * np.pi


def calendar_features(stamps: Int[np.ndarray, " rows"], names: Sequence[str]) -> Float[np.ndarray, "rows features"]:
    """Sine and cosine of the position in a day, week, year or in the twelve months.

    Parameters
    ----------
    stamps : [rows] ns since 1970 UTC
    names : ``hour_*``, ``dow_*``, ``doy_*`` or ``month_*`` with ``sin`` or ``cos``

    Returns
    -------
    [rows, features] float64 in -1..1. The position is continuous: 06:30 is 6.5 / 24 of a turn.
    """
    if not names:
        return np.empty((len(stamps), 0))
    turns = {cycle: _turns(stamps, cycle) for cycle in {name.rsplit("_", 1)[0] for name in names}}
    functions = {"sin": np.sin, "cos": np.cos}
    columns = []
    for name in names:
        cycle, function = name.rsplit("_", 1)
        columns.append(functions[function](TURN * turns[cycle]))
    return np.column_stack(columns)


def _turns(stamps: np.ndarray, cycle: str) -> np.ndarray:
    moments = pd.DatetimeIndex(stamps.view("datetime64[ns]"))
    day = (stamps % 86_400_000_000_000) / 86_400_000_000_000
    if cycle == "hour":
        return day
    if cycle == "dow":
        return (moments.dayofweek.to_numpy() + day) / 7
    if cycle == "doy":
        return (moments.dayofyear.to_numpy() - 1 + day) / np.where(moments.is_leap_year, 366, 365)
    return (moments.month.to_numpy() - 1) / 12
