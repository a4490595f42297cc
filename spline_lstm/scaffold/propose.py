"""From the content of a file to a schema and params, each decision with its reason."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.errors import UsageError, shorten
from spline_lstm.core.timestamps import (
    DAY,
    YEAR,
    Cadence,
    find_cadence,
    frequency_text,
    parse_frequency,
    within_series,
)
from spline_lstm.scaffold.column_roles import Options, Roles, choose_roles
from spline_lstm.scaffold.column_types import Column, examine
from spline_lstm.scaffold.read_text import TextTable, read_text_table
from spline_lstm.scaffold.series_keys import longest_series, repeated
from spline_lstm.series.seasonal import detect_season

MIN_GRID_ROWS = 40
MAX_ONE_HOT = 8
CALENDAR = {
    "day": ("hour_sin", "hour_cos"),
    "week": ("dow_sin", "dow_cos"),
    "year": ("doy_sin", "doy_cos"),
}


@dataclass(frozen=True)
class Proposal:
    """What `init` writes and says.

    Attributes
    ----------
    schema : content of the covariate schema
    values : dotted key of params.yaml -> value
    decisions : what -> what was decided, and why
    questions : what the owner of the data should check
    """

    schema: Mapping[str, Any]
    values: Mapping[str, Any]
    decisions: Mapping[str, str]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Extent:
    """How much data there is.

    Attributes
    ----------
    step : ns
    rows : rows of the table
    grid_rows : rows of the regular grid, all series together
    longest : grid rows from the first to the last timestamp of the table
    absent : share of grid rows without an observed target, the worst target's
    """

    step: int
    rows: int
    grid_rows: int
    longest: int
    absent: float


def propose(
    content: bytes, where: str, options: Options, overlay: Mapping[str, Any] = MappingProxyType({})
) -> Proposal:
    """Look at CSV text and propose a schema and params; the `overlay` replaces proposed values.

    Raises
    ------
    UsageError
        The file leaves something open; the message names the candidates and the option to give.
    """
    table = read_text_table(content, where, separator=options.separator, decimal=options.decimal)
    columns = {
        str(name): examine(table.cells[name], table.decimal, options.missing)
        for name in table.cells
    }
    roles = choose_roles(table, columns, options, where)
    used = {name: columns[name] for name in (*roles.targets, *roles.covariates)}
    _check_values(used, where)
    step, cadence = _step(roles, options, where)
    extent = _extent(roles, columns, step)
    if extent.longest < MIN_GRID_ROWS:
        raise UsageError(
            f"{where}: {extent.longest} rows of {frequency_text(step)} from first to last "
            "timestamp; "
            f"training, validation and test need at least {MIN_GRID_ROWS}: bring more data or a "
            "shorter --frequency"
        )
    rows = longest_series(roles.timestamps, roles.keys)
    season, season_text = find_season(
        roles.timestamps[rows],
        columns[roles.targets[0]].numbers[rows],
        step,
        math.floor(0.7 * extent.longest),
    )
    schema = _schema(table, roles, used, columns, extent)
    values = {**_values(roles, extent, season), **overlay}
    season_text = "as in the params" if "evaluate.season" in overlay else season_text
    season_text = f"{values['evaluate.season']} rows ({season_text})"
    decisions = _decisions(table, roles, used, extent, cadence, values, season_text)
    return Proposal(schema, values, decisions, _questions(roles, columns, extent, values))


def _check_values(used: Mapping[str, Column], where: str) -> None:
    """Ask about texts and numbers that may mean "missing" instead of guessing."""
    for name, column in used.items():
        doubtful = column.oddities or column.sentinels
        if doubtful:
            kind = "is not a number" if column.oddities else "is far from all other numbers"
            flags = " ".join(f"--missing={text}" for text in doubtful[:3])
            remedy = f"add {flags} if it means missing"
            remedy += (
                ", or fix the cells" if column.oddities else ", or --missing= if it is a value"
            )
            raise UsageError(
                f"{where}: column {name!r} contains {shorten(doubtful[0])}, which {kind}; {remedy}"
            )


def _step(roles: Roles, options: Options, where: str) -> tuple[int, Cadence | None]:
    cadence = find_cadence(within_series(roles.timestamps, roles.keys))
    if options.frequency is not None:
        try:
            return parse_frequency(options.frequency), cadence
        except ValueError as error:
            raise UsageError(f"--frequency {options.frequency}: {error}") from None
    if cadence is None:
        raise UsageError(f"{where}: all rows have one timestamp; a series needs several")
    if cadence.step is None:
        mode, median = frequency_text(cadence.mode), frequency_text(cadence.median)
        months = 28 * DAY <= cadence.median <= 31 * DAY
        advice = (
            f"--frequency {YEAR / 12 / 3600e9:.4f}h (a mean month)" if months else "--frequency"
        )
        raise UsageError(
            f"{where}: the timestamps do not follow a fixed step (most frequent {mode}, in "
            f"{cadence.mode_share:.0%} of the rows; median {median}); give the step of the regular "
            f"grid with {advice}"
        )
    return cadence.step, cadence


def possible_seasons(step: int) -> dict[str, int]:
    """Day, week and year in rows, if they are more than one row."""
    seasons = {"day": DAY / step, "week": 7 * DAY / step, "year": YEAR / step}
    whole = {
        name: round(rows)
        for name, rows in seasons.items()
        if abs(rows - round(rows)) < 0.25 and rows >= 2
    }
    # A year of single days or shorter steps rarely repeats often enough to be found.
    return {name: rows for name, rows in whole.items() if name != "year" or rows <= 60}


def find_season(
    timestamps: Int[np.ndarray, " rows"], values: Float[np.ndarray, " rows"], step: int, rows: int
) -> tuple[int, str]:
    """Rows in the season of a series, and its name.

    Without a clear season it is the shortest one that fits, or one row.

    Parameters
    ----------
    timestamps, values : np.ndarray
        [rows] of one series, NaN where missing.
    step : int
        ns.
    rows : int
        Grid rows of the training split.
    """
    seasons = {
        name: length for name, length in possible_seasons(step).items() if 2 * length <= rows
    }
    if not seasons:
        return 1, "none"
    grid = np.full(rows, np.nan)
    positions = np.rint((timestamps - timestamps.min()) / step).astype(np.int64)
    grid[positions[positions < rows]] = values[positions < rows]
    found = detect_season(grid, ~np.isnan(grid), list(seasons.values()))
    length = found or min(seasons.values())
    name = next(name for name, each in seasons.items() if each == length)
    return (
        length,
        f"{name}, {'found in the data' if found else 'from the calendar, not seen in the data'}",
    )


def _extent(roles: Roles, columns: Mapping[str, Column], step: int) -> Extent:
    frame = pd.DataFrame(
        {"key": roles.keys, "row": np.rint((roles.timestamps - roles.timestamps.min()) / step)}
    )
    bounds = frame.groupby("key")["row"].agg(["min", "max"])
    grid_rows = int((bounds["max"] - bounds["min"] + 1).sum())
    observed = [
        len(frame[~np.isnan(columns[name].numbers)].drop_duplicates())
        if columns[name].is_number
        else len(frame)
        for name in roles.targets
    ]
    longest = int(frame["row"].max()) + 1
    return Extent(step, len(frame), grid_rows, longest, 1 - min(observed) / grid_rows)


def _schema(
    table: TextTable,
    roles: Roles,
    used: Mapping[str, Column],
    columns: Mapping[str, Column],
    extent: Extent,
) -> dict[str, Any]:
    markers = sorted({text for column in used.values() for text in column.markers})
    table_format = {
        "separator": table.separator,
        "decimal": table.decimal,
        "missing_markers": markers,
    }
    content: dict[str, Any] = {"version": 1, "timestamp_col": roles.timestamp}
    if roles.series is not None:
        content["series_col"] = roles.series
    content["target_cols"] = list(roles.targets)
    content["dynamic_covariates"] = [_covariate(columns[name]) for name in roles.covariates]
    calendar = _calendar(extent)
    content["calendar_features"] = {"enabled": bool(calendar), "features": calendar}
    content["static_covariates"] = [
        {
            "name": name,
            "dtype": "categorical",
            "encoding": "embedding",
            "dim": _dim(columns[name]),
            "required": True,
        }
        for name in roles.statics
    ]
    content["table_format"] = table_format | {"timestamp_format": roles.form}
    return content


def _covariate(column: Column) -> dict[str, Any]:
    dtype = "categorical" if column.kind == "text" else column.kind
    content: dict[str, Any] = {"name": column.name, "dtype": dtype}
    if dtype == "categorical":
        few = column.distinct <= MAX_ONE_HOT
        content |= (
            {"encoding": "one_hot"} if few else {"encoding": "embedding", "dim": _dim(column)}
        )
    return content | {"required": True, "known_future": False}


def _dim(column: Column) -> int:
    return min(8, max(2, math.ceil(column.distinct / 2)))


def _calendar(extent: Extent) -> list[str]:
    """Calendar phases that change from row to row and complete at least two cycles in the data."""
    span = extent.longest * extent.step
    periods = {"day": DAY, "week": 7 * DAY, "year": YEAR}
    return [
        name
        for key, length in periods.items()
        if 2 * extent.step <= length <= span / 2
        for name in CALENDAR[key]
    ]


def _values(roles: Roles, extent: Extent, season: int) -> dict[str, Any]:
    horizon = season if 4 <= season <= 48 else 12
    horizon = max(1, min(horizon, math.floor(0.15 * extent.longest / 4)))
    return {
        "data.sort": _is_unsorted(roles),
        "data.duplicates": "last" if repeated(roles.timestamps, roles.keys) else "error",
        "preprocess.feature_mode": "multivariate" if roles.covariates else "univariate",
        "preprocess.frequency": frequency_text(extent.step),
        "preprocess.max_missing": _missing_limit(extent.absent),
        "preprocess.min_rows": max(1, _rounded_down(extent.rows // 2)),
        "window.lookback": max(1, min(4 * horizon, 168, math.floor(0.7 * extent.longest / 4))),
        "window.horizon": horizon,
        "evaluate.season": season,
        "evaluate.moving_average": horizon,
    }


def _is_unsorted(roles: Roles) -> bool:
    steps = pd.Series(roles.timestamps).groupby(roles.keys).diff()
    return bool(steps.lt(0).any())


def _missing_limit(absent: float) -> float:
    """The default 0.3, or a step above the share in the file."""
    return 0.3 if absent <= 0.25 else min(1.0, round(math.floor(20 * absent + 2) / 20, 2))


def _rounded_down(count: int) -> int:
    size = 10 ** max(0, len(str(count)) - 2)
    return count // size * size


def _decisions(
    table: TextTable,
    roles: Roles,
    used: Mapping[str, Column],
    extent: Extent,
    cadence: Cadence | None,
    values: Mapping[str, Any],
    season: str,
) -> dict[str, str]:
    marks = {"\t": "tab"}
    first, last = (
        pd.Timestamp(int(timestamp)).isoformat(sep=" ")
        for timestamp in (roles.timestamps.min(), roles.timestamps.max())
    )
    markers = sorted({text for column in used.values() for text in column.markers})
    decisions = {
        "table": f"{extent.rows} rows, separator {marks.get(table.separator, table.separator)}, "
        f"decimal mark {table.decimal}, missing: {', '.join(map(repr, ['', *markers]))}",
        "timestamps": f"{roles.timestamp!r} as {roles.form}, {first} to {last} UTC",
        "series": f"{roles.series!r}, {roles.keys.max() + 1} series" if roles.series else "one",
        "targets": ", ".join(map(repr, roles.targets)),
        "covariates": ", ".join(f"{name!r} ({used[name].kind})" for name in roles.covariates)
        or "none",
    }
    if roles.statics:
        decisions["static"] = ", ".join(map(repr, roles.statics))
    if roles.left_out:
        decisions["left out"] = ", ".join(
            f"{name!r} ({why})" for name, why in roles.left_out.items()
        )
    share = (
        f"; {cadence.mode_share:.0%} of the steps are {frequency_text(cadence.mode)}"
        if cadence
        else ""
    )
    decisions["grid"] = (
        f"{values['preprocess.frequency']}{share}; {extent.absent:.1%} of {extent.grid_rows} grid "
        "rows without a target"
    )
    decisions["season"] = season
    decisions["windows"] = (
        f"lookback {values['window.lookback']}, horizon {values['window.horizon']} rows"
    )
    return decisions


def _questions(
    roles: Roles, columns: Mapping[str, Column], extent: Extent, values: Mapping[str, Any]
) -> tuple[str, ...]:
    asked = []
    again = repeated(roles.timestamps, roles.keys)
    if again:
        asked.append(
            f"{again} rows repeat a timestamp of their series: data.duplicates is "
            f"{values['data.duplicates']}"
        )
    if _is_unsorted(roles):
        sort = str(values["data.sort"]).lower()
        asked.append(f"rows are not in chronological order: data.sort is {sort}")
    if extent.absent > 0.25:
        asked.append(
            f"{extent.absent:.0%} of the grid is missing: preprocess.max_missing is "
            f"{values['preprocess.max_missing']}"
        )
    if roles.covariates:
        asked.append(
            "no covariate is marked as known_future: mark those that are planned in advance in the "
            "schema"
        )
    if roles.statics:
        asked.append("static covariates become learned vectors: see dim in the schema")
    if any(not columns[name].is_number for name in roles.targets):
        asked.append("a target contains only 0 and 1: the forecast is a number, not a class")
    return tuple(asked)
