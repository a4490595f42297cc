"""Section direction of params.yaml: what the task of that name asks, and of which columns."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from spline_lstm.core.section import Count, Section

ColumnName = Annotated[str, Field(min_length=1)]


class ColumnsParams(Section):
    """Columns of the daily bars, by the names that the schema gives them."""

    open: ColumnName = "open"
    """first price of the day"""
    high: ColumnName = "high"
    """highest price"""
    low: ColumnName = "low"
    """lowest price"""
    close: ColumnName = "close"
    """last price"""
    volume: ColumnName = "volume"
    """shares traded"""
    adjusted_close: ColumnName | None = "adj_close"
    """last price adjusted for splits and dividends; null: there is none, and the close counts"""

    @property
    def roles(self) -> dict[str, str]:
        """Role -> column, of the columns that there are."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: column for name, column in found.items() if column is not None}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, each once, in the order of their roles."""
        return tuple(dict.fromkeys(self.roles.values()))

    @pydantic.model_validator(mode="after")
    def _each_once(self) -> "ColumnsParams":
        columns = list(self.roles.values())
        twice = {name for name in columns if columns.count(name) > 1}
        if twice:
            raise ValueError(f"each column has one role; named twice: {', '.join(sorted(twice))}")
        return self


class DirectionParams(Section):
    """Task direction: the probability that a price rises; unused by other tasks."""

    label: Literal["threshold", "median"] = "threshold"
    """what is learned: threshold (the return is above the threshold) | median (it is above that of
    the median symbol of the day)"""
    horizon: Count = 5
    """trading days over which the return of the adjusted close counts"""
    threshold: Annotated[float, Field(gt=-1.0)] = 0.03
    """return that must be exceeded; 0.03: 3 %"""
    columns: ColumnsParams = ColumnsParams()
