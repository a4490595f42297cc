"""The series of a body as rows of a table: limits, lengths and names are checked here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.core.schema import Schema
from spline_lstm.service.bodies import Batch, Flat, Future, OneSeries, Options, Series
from spline_lstm.service.errors import CallError, finding_of, refused
from spline_lstm.service.settings import Settings

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Rows:
    """The history of one series.

    Attributes
    ----------
    name : str
    timestamps : list of str or of int
    columns : column -> cells, targets and covariates, as long as `timestamps`
    static : static covariate -> its value
    future : rows to forecast, if the body has them
    places : column -> keys that lead to it from the series on
    """

    name: str
    timestamps: list[Any]
    columns: Mapping[str, list[Any]]
    static: Mapping[str, Any]
    future: Future | None
    places: Mapping[str, Loc] = field(default_factory=dict)


def rows_of(body: Options, schema: Schema, settings: Settings) -> list[Rows]:
    """The series of a body.

    Raises
    ------
    CallError
        There are too many rows or series, lists differ in length, a name occurs twice, or a column
        is not one of the schema.
    """
    if isinstance(body, Flat):
        found = _of_flat(body, schema.target_cols, settings)
    else:
        assert isinstance(body, (OneSeries, Batch))
        given = body.series if isinstance(body, Batch) else [body]
        _check_count(len(given), settings)
        found = [
            _of_series(each, _loc(body, index), schema.target_cols)
            for index, each in enumerate(given)
        ]
    check_rows(found, [_loc(body, index) for index in range(len(found))], schema, settings)
    return found


def check_rows(
    found: Sequence[Rows], locs: Sequence[Loc], schema: Schema, settings: Settings
) -> None:
    """Check the series of a body, and that each has a name of its own.

    Raises
    ------
    CallError
        As `rows_of`.
    """
    _check_count(len(found), settings)
    for rows, loc in zip(found, locs, strict=True):
        _check(rows, loc, schema, settings)
    names = [rows.name for rows in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refused(422, ("body",), "names", f"two series have the name {twice!r}; name each")


def _loc(body: Options, index: int) -> Loc:
    return ("body", "series", index) if isinstance(body, Batch) else ("body",)


def _check_count(count: int, settings: Settings) -> None:
    if count > settings.max_series:
        raise refused(
            413,
            ("body",),
            "max_series",
            f"{count} series are more than {settings.max_series}; send them in several calls",
        )


def _check(rows: Rows, loc: Loc, schema: Schema, settings: Settings) -> None:
    """Limits, lengths and columns of one series."""
    ahead = rows.future
    longest = max(len(rows.timestamps), len(ahead.timestamps) if ahead else 0)
    if longest > settings.max_rows:
        raise refused(
            413,
            (*loc, "timestamps"),
            "max_rows",
            f"{longest} rows are more than {settings.max_rows}; send the newest ones",
        )
    covariates = {item.name for item in schema.dynamic_covariates}
    statics = {item.name for item in schema.static_covariates}
    known = {*schema.target_cols, *covariates}
    findings = [*_misfits(rows.columns, known, len(rows.timestamps), loc, rows.places)]
    if ahead:
        places = places_of("covariates", ahead.covariates)
        length = len(ahead.timestamps)
        findings += _misfits(ahead.covariates, covariates, length, (*loc, "future"), places)
    findings += [
        finding_of((*loc, "static", name), "column", _no_column(name, statics))
        for name in sorted(set(rows.static) - statics)
    ]
    if findings:
        raise CallError(422, *findings)


def _misfits(
    columns: Mapping[str, Sequence[Any]],
    known: set[str],
    length: int,
    loc: Loc,
    places: Mapping[str, Loc],
) -> Iterator[Any]:
    """Columns that the model does not read, or that are longer or shorter than the timestamps."""
    for name, cells in columns.items():
        place = (*loc, *places.get(name, (name,)))
        if name not in known:
            yield finding_of(place, "column", _no_column(name, known))
        elif len(cells) != length:
            yield finding_of(
                place,
                "length",
                f"column {name!r} has {len(cells)} values for {length} timestamps; give one per "
                "timestamp, null where it is missing",
            )


def _no_column(name: str, known: set[str]) -> str:
    names = ", ".join(map(repr, sorted(known))) or "none"
    return f"the model reads no column {name!r}; leave it out, the columns are {names}"


def _of_series(series: Series, loc: Loc, targets: tuple[str, ...]) -> Rows:
    columns = {**by_target(series.values, targets, (*loc, "values")), **series.covariates}
    places = places_of("values", series.values, targets) | places_of(
        "covariates", series.covariates
    )
    return Rows(series.name, series.timestamps, columns, series.static, series.future, places)


def places_of(key: str, given: Any, names: Sequence[str] = ()) -> dict[str, Loc]:
    """Where the columns under a key of a body are; a list is the column of all `names`."""
    if isinstance(given, dict):
        return {name: (key, name) for name in given}
    return dict.fromkeys(names, (key,))


def by_target(
    values: list[Any] | dict[str, Any], targets: tuple[str, ...], loc: Loc
) -> dict[str, Any]:
    """Values by target; a model of one target may be given them without its name."""
    if isinstance(values, dict):
        if missing := [name for name in targets if name not in values]:
            raise refused(
                422, loc, "target", f"the target {missing[0]!r} is missing; give its values"
            )
        return values
    if len(targets) == 1:
        return {targets[0]: values}
    raise refused(
        422, loc, "target", f"the model has the targets {', '.join(targets)}; give values by name"
    )


def _of_flat(body: Flat, targets: tuple[str, ...], settings: Settings) -> list[Rows]:
    _check_count(len(body.sizes), settings)
    total = sum(body.sizes)
    if total != len(body.timestamps):
        raise refused(
            422,
            ("body", "sizes"),
            "length",
            f"sizes add up to {total}, but there are {len(body.timestamps)} timestamps; give the "
            "rows of each series",
        )
    columns = {**by_target(body.y, targets, ("body", "y")), **body.covariates}
    places = places_of("y", body.y, targets) | places_of("covariates", body.covariates)
    names = body.names if body.names is not None else _numbered(len(body.sizes))
    if len(names) != len(body.sizes):
        raise refused(
            422,
            ("body", "names"),
            "length",
            f"{len(names)} names for {len(body.sizes)} sizes; give one name per series",
        )
    for name, cells in columns.items():
        if len(cells) != total:
            raise refused(
                422,
                ("body", *places[name]),
                "length",
                f"column {name!r} has {len(cells)} values for {total} timestamps; give one per "
                "timestamp, null where it is missing",
            )
    bounds = pairwise(accumulate(body.sizes, initial=0))
    return [
        Rows(
            name,
            body.timestamps[start:end],
            {column: cells[start:end] for column, cells in columns.items()},
            {},
            None,
            places,
        )
        for name, (start, end) in zip(names, bounds, strict=True)
    ]


def _numbered(count: int) -> list[str]:
    return [""] if count == 1 else [str(index) for index in range(count)]


def history_rows(series: Sequence[Rows], schema: Schema) -> pd.DataFrame:
    """One row per timestamp, as `spline_lstm.inference.reading.history_frame` reads them."""
    frames = [
        _frame(each.name, each.timestamps, {**each.columns, **_repeated(each)}, schema)
        for each in series
    ]
    return pd.concat(frames, ignore_index=True)


def future_rows(series: Sequence[Rows], schema: Schema) -> pd.DataFrame | None:
    """The rows to forecast of all series that have some; None if none has."""
    frames = [
        _frame(each.name, each.future.timestamps, each.future.covariates, schema)
        for each in series
        if each.future is not None
    ]
    return pd.concat(frames, ignore_index=True) if frames else None


def _repeated(rows: Rows) -> dict[str, list[Any]]:
    return {name: [value] * len(rows.timestamps) for name, value in rows.static.items()}


def _frame(
    name: str, timestamps: list[Any], columns: Mapping[str, list[Any]], schema: Schema
) -> pd.DataFrame:
    content: dict[str, Any] = {str(schema.timestamp_cols[0]): timestamps}
    for column, cells in columns.items():
        is_target = column in schema.target_cols
        content[column] = np.array(cells, dtype=np.float64) if is_target else cells
    frame = pd.DataFrame(content)
    if schema.series_col is not None and schema.series_col not in columns:
        frame[schema.series_col] = name
    return frame
