"""Features of a table: its numbers and categories, and the parts of its dates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.core.row_schema import RowSchema
from spline_lstm.tables.row_table import NO_DATE, RowTable

DATE_PARTS = ("days", "year", "month", "day", "weekday", "hour")
NS_PER_DAY = 86_400 * 10**9


@dataclass(frozen=True)
class Features:
    """Columns of a table as they enter preprocessing.

    Attributes
    ----------
    numbers : name -> [rows] float64, NaN where missing
    categories : name -> [rows] objects, texts or None
    """

    numbers: dict[str, np.ndarray]
    categories: dict[str, np.ndarray]


def features_of(table: RowTable, schema: RowSchema, names: Sequence[str]) -> Features:
    """The features in the columns `names` of a table; a date is a number for each of its parts."""
    numbers, categories = {}, {}
    for name in names:
        kind, values = schema.kind(name), table.columns[name]
        if kind == "number":
            numbers[name] = values
        elif kind == "date":
            numbers |= {f"{name}.{part}": _part(values, part) for part in DATE_PARTS}
        else:
            categories[name] = values
    return Features(numbers, categories)


def column_of(feature: str, schema: RowSchema) -> str:
    """The column of the table that a feature comes from: that of a date is named before the dot."""
    return feature if feature in schema.names else feature.rpartition(".")[0]


def _part(instants: np.ndarray, part: str) -> Float[np.ndarray, " rows"]:
    missing = instants == NO_DATE
    dates = pd.DatetimeIndex(np.where(missing, 0, instants).view("datetime64[ns]"))
    parts = {
        "days": lambda: instants // NS_PER_DAY,
        "year": lambda: dates.year,
        "month": lambda: dates.month,
        "day": lambda: dates.day,
        "weekday": lambda: dates.day_of_week,
        "hour": lambda: dates.hour + dates.minute / 60,
    }
    return np.where(missing, np.nan, np.asarray(parts[part](), dtype=np.float64))
