"""Raw table to as-of arrays: grid, fills, covariates, split instants, scaling."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.artifacts import content_id
from spline_lstm.errors import DataContractError
from spline_lstm.frequency import parse_frequency
from spline_lstm.params import PreprocessParams
from spline_lstm.schema import Schema
from spline_lstm.series.arrays import AsOfArrays
from spline_lstm.series.calendar import calendar_features
from spline_lstm.series.grid import NEVER, Column, Grid, fill_column, make_grid, place
from spline_lstm.series.reading import RawTable
from spline_lstm.series.scaling import Scaler, fit_scaler


@dataclass(frozen=True)
class Preprocessed:
    """What preprocessing yields.

    Attributes
    ----------
    arrays : AsOfArrays
    preprocessor : dict
        All that turns raw history into X again, ready for JSON, with its run id.
    quality : dict
        The quality report, ready for JSON.
    """

    arrays: AsOfArrays
    preprocessor: dict[str, Any]
    quality: dict[str, Any]


def preprocess(table: RawTable, schema: Schema, params: PreprocessParams, *, where: str) -> Preprocessed:
    """Build the as-of arrays of all series.

    Parameters
    ----------
    table : RawTable
    schema : Schema
    params : PreprocessParams
    where : str
        Name of the raw table in error messages.

    Raises
    ------
    DataContractError
        Too few rows, too many missing, a constant target, or a cadence that does not fit the grid.
    """
    names = _feature_columns(table, schema, params.data_mode)
    grids = _grids(table, parse_frequency(params.frequency), params, where)
    series = [_fill_series(table, index, grid, names, params) for index, grid in enumerate(grids)]
    columns = {name: _concatenate([filled[name] for filled in series]) for name in names}
    stamps = np.concatenate([grid.stamps for grid in grids])
    bounds = _split_instants(grids, params)
    training = stamps < bounds[0]
    _check_contract(columns, schema, training, params, where)

    calendar = schema.calendar_features
    calendar_names = calendar.features if calendar.enabled and params.data_mode == "multivariate" else ()
    observed = np.column_stack([columns[name].raw for name in names])
    scaler = _append_identity(fit_scaler(observed[training], params.scaler), len(calendar_names))
    arrays = _assemble(columns, names, calendar_names, schema, scaler, stamps, grids, bounds)
    preprocessor = _describe(table, schema, params, arrays, scaler)
    return Preprocessed(arrays, preprocessor, quality_report(table, columns, names, grids, params))


def _feature_columns(table: RawTable, schema: Schema, data_mode: str) -> tuple[str, ...]:
    return table.columns if data_mode == "multivariate" else tuple(schema.target_cols)


def _grids(table: RawTable, step: int, params: PreprocessParams, where: str) -> list[Grid]:
    if len(table.stamps) < params.min_rows:
        raise DataContractError(
            f"{where}: {len(table.stamps)} rows are fewer than preprocess.min_rows = {params.min_rows}; "
            "bring more data or lower the limit"
        )
    anchor = int(table.stamps.min())
    bounds = zip(table.series_offsets[:-1], table.series_offsets[1:], strict=True)
    grids = [make_grid(table.stamps[start:end], anchor, step) for start, end in bounds]
    rows = sum(grid.rows for grid in grids)
    if len(table.stamps) < (1 - params.max_missing) * rows:
        raise DataContractError(
            f"{where}: {rows} grid rows of {params.frequency} for {len(table.stamps)} rows of data: more than "
            f"preprocess.max_missing = {params.max_missing:g} would be missing; the median step of the table is "
            f"{_median_step(table)}: set preprocess.frequency to the cadence of the data, or raise the limit"
        )
    return grids


def _median_step(table: RawTable) -> str:
    steps = np.diff(table.stamps)
    return str(pd.Timedelta(int(np.median(steps[steps > 0])))) if (steps > 0).any() else "undefined"


def _fill_series(
    table: RawTable, index: int, grid: Grid, names: tuple[str, ...], params: PreprocessParams
) -> dict[str, Column]:
    rows = slice(table.series_offsets[index], table.series_offsets[index + 1])
    placed = place(table.stamps[rows], grid, params.snap)
    return {
        name: fill_column(
            placed, table.values[rows, table.columns.index(name)], grid.rows, method=params.fill, max_gap=params.max_gap
        )
        for name in names
    }


def _concatenate(parts: list[Column]) -> Column:
    offsets = np.cumsum([0, *(len(part.raw) for part in parts)])
    known = [
        np.where(part.known_at == NEVER, NEVER, part.known_at + offset)
        for part, offset in zip(parts, offsets[:-1], strict=True)
    ]
    return Column(
        raw=np.concatenate([part.raw for part in parts]),
        filled=np.concatenate([part.filled for part in parts]),
        causal=np.concatenate([part.causal for part in parts]),
        known_at=np.concatenate(known).astype(np.int32),
        valid=np.concatenate([part.valid for part in parts]),
    )


def _split_instants(grids: list[Grid], params: PreprocessParams) -> np.ndarray:
    """Instants (ns) at which the validation and the test part begin, the same in every series."""
    start = min(grid.start for grid in grids)
    end = max(grid.start + grid.step * grid.rows for grid in grids)
    shares = (params.split.train, params.split.train + params.split.validation)
    step = grids[0].step
    return np.array([start + round(share * ((end - start) // step)) * step for share in shares], dtype=np.int64)


def _check_contract(
    columns: dict[str, Column], schema: Schema, training: np.ndarray, params: PreprocessParams, where: str
) -> None:
    for name in schema.target_cols:
        raw = columns[name].raw
        missing = float(np.isnan(raw).mean())
        if missing > params.max_missing:
            raise DataContractError(
                f"{where}: {missing:.1%} of the grid rows have no {name!r}, more than preprocess.max_missing = "
                f"{params.max_missing:g}; check preprocess.frequency, bring better data or raise the limit"
            )
        seen = raw[training & ~np.isnan(raw)]
        if len(seen) == 0 or np.ptp(seen) == 0.0:
            raise DataContractError(
                f"{where}: target {name!r} is constant in the training part; nothing can be learned, check the column"
            )


def _append_identity(scaler: Scaler, count: int) -> Scaler:
    return Scaler(scaler.kind, np.append(scaler.center, np.zeros(count)), np.append(scaler.scale, np.ones(count)))


def _assemble(
    columns: dict[str, Column],
    names: tuple[str, ...],
    calendar_names: tuple[str, ...],
    schema: Schema,
    scaler: Scaler,
    stamps: np.ndarray,
    grids: list[Grid],
    bounds: np.ndarray,
) -> AsOfArrays:
    calendar = calendar_features(stamps, calendar_names)
    rows = np.arange(len(stamps), dtype=np.int32)
    filled = np.column_stack([*(columns[name].filled for name in names), calendar])
    causal = np.column_stack([*(columns[name].causal for name in names), calendar])
    known_at = np.column_stack([*(columns[name].known_at for name in names), *[rows] * len(calendar_names)])
    is_target = np.array([name in schema.target_cols for name in names] + [False] * len(calendar_names))
    raw_target = np.column_stack([columns[name].raw for name in schema.target_cols])
    valid = np.logical_and.reduce([columns[name].valid for name in schema.target_cols])
    held = scaler.transform(causal)
    # A covariate silent for longer than the gap limit says nothing any more: it stands at its training mean.
    for index, name in enumerate(names):
        if not is_target[index]:
            held[~columns[name].valid, index] = 0.0
    return AsOfArrays(
        scaled=scaler.transform(filled).astype(np.float32),
        causal=held.astype(np.float32),
        known_at=known_at.astype(np.int32),
        valid=valid,
        raw_target=raw_target,
        observed=~np.isnan(raw_target),
        timestamps=stamps,
        series_offsets=np.cumsum([0, *(grid.rows for grid in grids)]).astype(np.int64),
        static_ids=np.zeros((len(grids), 0), dtype=np.int32),
        feature_names=np.array([*names, *calendar_names]),
        target_indices=np.flatnonzero(is_target).astype(np.int32),
        split_instants=bounds,
    )


def _describe(
    table: RawTable, schema: Schema, params: PreprocessParams, arrays: AsOfArrays, scaler: Scaler
) -> dict[str, Any]:
    content = {
        "schema": schema.model_dump(mode="json"),
        "features": [str(name) for name in arrays.feature_names],
        "targets": list(schema.target_cols),
        "series": list(table.series_names),
        "target_indices": arrays.target_indices.tolist(),
        "scaler": scaler.to_json(),
        "frequency_ns": parse_frequency(params.frequency),
        "anchor_ns": int(arrays.timestamps[0]),
        "snap": params.snap,
        "fill": params.fill,
        "max_gap": params.max_gap,
        "data_mode": params.data_mode,
    }
    return {"run_id": content_id(content), **content}


def quality_report(
    table: RawTable, columns: dict[str, Column], names: tuple[str, ...], grids: list[Grid], params: PreprocessParams
) -> dict[str, Any]:
    """Figures about the raw table and what was done to it, ready for JSON."""
    per_column = []
    for name in names:
        raw = columns[name].raw
        gaps = _gap_lengths(np.isnan(raw))
        per_column.append(
            {
                "column": name,
                "missing_share": float(np.isnan(raw).mean()),
                "filled_rows": int((np.isnan(raw) & ~np.isnan(columns[name].filled)).sum()),
                "gaps": len(gaps),
                "longest_gap_steps": int(gaps.max(initial=0)),
                "gaps_beyond_limit": int((gaps > params.max_gap).sum()),
            }
        )
    return {
        "rows": len(table.stamps) + table.duplicates,
        "series": len(table.series_names),
        "first_stamp": pd.Timestamp(int(table.stamps.min())).isoformat(),
        "last_stamp": pd.Timestamp(int(table.stamps.max())).isoformat(),
        "median_step": _median_step(table),
        "grid_rows": sum(grid.rows for grid in grids),
        "duplicates_merged": table.duplicates,
        "off_grid_stamps": _off_grid(table, grids),
        "unknown_columns": list(table.unknown_columns),
        "columns": per_column,
    }


def _gap_lengths(missing: np.ndarray) -> np.ndarray:
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
    return edges[1::2] - edges[::2]


def _off_grid(table: RawTable, grids: list[Grid]) -> int:
    """Stamps whose distance to the stamp before is no whole number of steps."""
    steps = np.diff(table.stamps)
    within = np.ones(len(steps), dtype=bool)
    within[table.series_offsets[1:-1] - 1] = False
    return int(((steps % grids[0].step != 0) & within).sum())
