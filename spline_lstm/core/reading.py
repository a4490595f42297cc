"""How a raw table is read: the settings of `data` that change what its rows mean."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from spline_lstm.core.params_data import DataParams

Duplicates = Literal["error", "copies", "first", "last", "mean", "sum"]


@dataclass(frozen=True)
class Reading:
    """The rules by which rows of a table become rows of a series.

    preprocessor.json has them, so that the history of a forecast is read as the training data were.

    Attributes
    ----------
    sort : bool
        Sort rows by timestamp within a series instead of refusing them.
    duplicates : str
        What becomes of rows of one series with one timestamp: ``error``, ``copies`` (exact copies
        are dropped, others refused), ``first``, ``last``, ``mean`` or ``sum``.
    time_zone : str, optional
        Zone of timestamps that are written without one; None: UTC.
    ambiguous_hour : str
        Which instant an hour is that occurs twice when clocks are set back: ``order`` (the rows of
        the series tell), ``earlier`` or ``later``.
    """

    sort: bool = False
    duplicates: Duplicates = "error"
    time_zone: str | None = None
    ambiguous_hour: Literal["order", "earlier", "later"] = "order"

    @classmethod
    def of(cls, data: DataParams) -> Self:
        """The settings in the section `data` of params.yaml."""
        return cls(data.sort, data.duplicates, data.time_zone, data.ambiguous_hour)

    def to_json(self) -> dict[str, Any]:
        """Content for preprocessor.json."""
        return asdict(self)


# Rows in order, each timestamp once, in UTC.
AS_WRITTEN = Reading()
