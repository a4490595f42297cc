"""Pages of stored predictions."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pandas as pd

from spline_lstm.service.source import Source
from spline_lstm.store.predictions import files_of, read_predictions


@dataclass(frozen=True)
class Query:
    """Which rows, and which page of them.

    Attributes
    ----------
    symbol : name of the series; None: all
    first, last : dates of `ts`, both included; None: no limit
    offset, limit : rows before the page, and rows of it at most
    """

    symbol: str | None
    first: str | None
    last: str | None
    offset: int
    limit: int


def page_of(source: Source, query: Query) -> dict[str, Any]:
    """One page, in the order of date and key, and the offset of the next one.

    Raises
    ------
    StoreError
        A stored file is damaged.
    """
    end = query.offset + query.limit
    rows = list(islice(_rows(source, query), query.offset, end + 1))
    return {
        "pipeline": source.name,
        "predictions": rows[: query.limit],
        "next_offset": end if len(rows) > query.limit else None,
    }


def _rows(source: Source, query: Query) -> Iterator[dict[str, Any]]:
    """Rows of one date after the other, so that a page reads no later dates."""
    folder = source.store.predictions
    names = {path.parent.name for path in files_of(folder, task_id=source.task)}
    for date in sorted(name.removeprefix("date=") for name in names):
        if (query.first and date < query.first) or (query.last and date > query.last):
            continue
        chosen = {} if query.symbol is None else {"symbol": query.symbol}
        yield from _plain(read_predictions(folder, task_id=source.task, date=date, **chosen))


def _plain(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows as JSON has them: instants as text, missing values as null."""
    texts = {
        name: [value.isoformat() for value in frame[name]]
        for name in frame.columns
        if pd.api.types.is_datetime64_any_dtype(frame[name])
    }
    frame = frame.assign(**texts)
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        yield {str(name): value for name, value in row.items()}
