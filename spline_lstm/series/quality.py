"""The quality report: the contents of the raw table, what was done to it, and its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.params import PreprocessParams
from spline_lstm.series.data_warnings import (
    CLOSED,
    CONSTANT,
    MOVED,
    OUTSIDE,
    SHORT,
    UNKNOWN,
    DataWarning,
    closed_line,
    moved_line,
    summarise_warnings,
)
from spline_lstm.series.drift import drift_report, warnings_of
from spline_lstm.series.grid import Column, Layout
from spline_lstm.series.panel import MAX_NAMED, ShortSeries
from spline_lstm.series.table_facts import TableFacts
from spline_lstm.tables.contract import Violation, raise_violations
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.mapped import passing, release
from spline_lstm.windows.preprocessor import Preprocessor

# Rows of each split that the drift report samples evenly: its values then differ by some 0.01.
DRIFT_ROWS = 100_000
# Distances in ns beyond this do not fit an int64.
LONGEST_SPAN_NS = 290 * 365 * 86_400_000_000_000
LATER_SPLITS = ("validation", "test")
UNBOUNDED = np.array([-np.inf, np.inf])

SKIPPED = "it is left out (data.short_series: skip)"


@dataclass(frozen=True)
class ColumnQuality:
    """Findings in one column.

    Attributes
    ----------
    rows : [series] int64, grid rows from the first to the last observed target
    missing : [series] int64, those of them without an observation
    longest_gap : [series] int64, steps
    outliers : [series] int64, flagged observations
    filled : int, grid rows that were filled
    gaps, gaps_beyond : int, gaps, and gaps longer than the limit
    constant : bool, each series has one value, or none, in the whole training split
    outside : int, observations beyond the bounds of a target
    """

    rows: Int[np.ndarray, " series"]
    missing: Int[np.ndarray, " series"]
    longest_gap: Int[np.ndarray, " series"]
    outliers: Int[np.ndarray, " series"]
    filled: int
    gaps: int
    gaps_beyond: int
    constant: bool
    outside: int

    @classmethod
    def of_all(cls, parts: Sequence["ColumnQuality"]) -> "ColumnQuality":
        """Of the series of all partitions."""
        return cls(
            rows=np.concatenate([part.rows for part in parts]),
            missing=np.concatenate([part.missing for part in parts]),
            longest_gap=np.concatenate([part.longest_gap for part in parts]),
            outliers=np.concatenate([part.outliers for part in parts]),
            filled=sum(part.filled for part in parts),
            gaps=sum(part.gaps for part in parts),
            gaps_beyond=sum(part.gaps_beyond for part in parts),
            constant=all(part.constant for part in parts),
            outside=sum(part.outside for part in parts),
        )


def assess_column(
    raw: Float[np.ndarray, " rows"],
    column: Column,
    outliers: Int[np.ndarray, " series"],
    layout: Layout,
    training: Bool[np.ndarray, " rows"],
    max_gap: int,
    alive: Bool[np.ndarray, " rows"],
    bounds: Float[np.ndarray, "2"] = UNBOUNDED,
) -> ColumnQuality:
    """Findings in a column from its observations `raw` on the grid and its filled form.

    Blanks before the first and after the last observed target of a series, where `alive` is False,
    do not count as gaps.
    """
    absent = np.isnan(raw) & alive
    lengths, series = _runs(absent, layout.row_offsets)
    longest = np.zeros(len(layout.grids), dtype=np.int64)
    np.maximum.at(longest, series, lengths)
    return ColumnQuality(
        rows=np.add.reduceat(alive.astype(np.int64), layout.row_offsets[:-1]),
        missing=np.add.reduceat(absent.astype(np.int64), layout.row_offsets[:-1]),
        longest_gap=longest,
        outliers=outliers,
        filled=int((absent & ~np.isnan(column.filled)).sum()),
        gaps=len(lengths),
        gaps_beyond=int((lengths > max_gap).sum()),
        constant=_constant(np.where(training, raw, np.nan), layout.row_offsets),
        outside=int(((raw < bounds[0]) | (raw > bounds[1])).sum()),
    )


def _constant(raw: np.ndarray, row_offsets: np.ndarray) -> bool:
    """No series has two different values."""
    largest, smallest = (
        function.reduceat(raw, row_offsets[:-1]) for function in (np.fmax, np.fmin)
    )
    return not (largest > smallest).any()


def _runs(absent: np.ndarray, row_offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Length and series of each run of absent rows; a run ends with its series."""
    begins = absent & ~np.concatenate([[False], absent[:-1]])
    begins[row_offsets[:-1]] = absent[row_offsets[:-1]]
    run = np.cumsum(begins)[absent]
    lengths = np.bincount(run, minlength=1)[1:]
    return lengths, np.searchsorted(row_offsets, np.flatnonzero(begins), side="right") - 1


def quality_report(
    facts: TableFacts,
    arrays: AsOfArrays,
    columns: Mapping[str, ColumnQuality],
    preprocessor: Preprocessor,
    short: Sequence[ShortSeries] = (),
) -> dict[str, Any]:
    """Everything found, ready for JSON; `short` are the series that were left out."""
    clock = preprocessor.clock
    drift = _drift(arrays, preprocessor.mask_indices)
    limits = preprocessor.params.drift.model_dump()
    constants = preprocessor.constants
    warnings = [
        warning for split, report in drift.items() for warning in warnings_of(report, limits, split)
    ]
    warnings += [DataWarning(UNKNOWN, name) for name in facts.unknown_columns]
    if text := moved_line(facts.beside, facts.rows, facts.example, clock):
        warnings.append(DataWarning(MOVED, "", text=text))
    if text := closed_line(facts.closed, facts.rows, facts.closed_example, clock):
        warnings.append(DataWarning(CLOSED, "", text=text))
    warnings += [DataWarning(SHORT, each.name, text=f"{each}; {SKIPPED}") for each in short]
    warnings += [
        DataWarning(CONSTANT, series, text=_constant_text(series, target, value))
        for target, found in constants.items()
        for series, value in found.items()
    ]
    warnings += [
        DataWarning(OUTSIDE, name, text=_outside_text(name, found.outside))
        for name, found in columns.items()
        if found.outside
    ]
    return {
        **_overview(facts, clock),
        "clock_note": clock.note(),
        "grid_rows": len(arrays.timestamps),
        "duplicates_merged": facts.duplicates,
        "duplicate_copies": facts.copies,
        "duplicate_contradictions": facts.duplicates - facts.copies,
        "off_grid_timestamps": facts.off_grid,
        "outliers": int(sum(found.outliers.sum() for found in columns.values())),
        "unknown_columns": list(facts.unknown_columns),
        "scaler_scope": "per_series" if preprocessor.scaler.per_series else "global",
        "scaler_scope_reason": preprocessor.scaler.reason,
        "skipped_series": [each.to_json() for each in short],
        "constant_series": [
            {"series": series, "target": target, "value": value}
            for target, found in constants.items()
            for series, value in found.items()
        ],
        "columns": [_column_row(name, found) for name, found in columns.items()],
        "per_series": _series_rows(facts, columns) if len(facts.names) > 1 else [],
        "drift": drift,
        "warnings": [str(warning) for warning in warnings],
        "warning_summary": summarise_warnings(warnings),
    }


def _overview(facts: TableFacts, clock: Clock) -> dict[str, Any]:
    return {
        "rows": facts.rows + facts.duplicates,
        "series": len(facts.names),
        "first_timestamp": clock.text_of(facts.first),
        "last_timestamp": clock.text_of(facts.last),
        "median_step": facts.median_step,
    }


def _constant_text(series: str, target: str, value: float) -> str:
    return (
        f"series {series!r}: {target!r} is {value:.10g} in the whole training split, and forecast "
        "as that as long as it stays"
    )


def _outside_text(name: str, count: int) -> str:
    return (
        f"{count} observed values of {name!r} lie outside of target_bounds, which forecasts never "
        "do; check the values, or widen the bounds in the schema"
    )


def _column_row(name: str, found: ColumnQuality) -> dict[str, Any]:
    return {
        "column": name,
        "missing_share": _share(found.missing.sum(), found.rows.sum()),
        "filled_rows": found.filled,
        "gaps": found.gaps,
        "longest_gap_steps": int(found.longest_gap.max()),
        "gaps_beyond_limit": found.gaps_beyond,
        "outliers": int(found.outliers.sum()),
    }


def _series_rows(facts: TableFacts, columns: Mapping[str, ColumnQuality]) -> list[dict[str, Any]]:
    """One record per series; shares and gaps are those of the worst column."""
    (rows, *_) = (found.rows for found in columns.values())
    missing = np.max([found.missing for found in columns.values()], axis=0)
    longest = np.max([found.longest_gap for found in columns.values()], axis=0)
    outliers = np.sum([found.outliers for found in columns.values()], axis=0)
    return [
        {
            "series": name,
            "rows": int(facts.series_rows[index]),
            "missing_share": _share(missing[index], rows[index]),
            "longest_gap_steps": int(longest[index]),
            "outliers": int(outliers[index]),
        }
        for index, name in enumerate(facts.names)
    ]


def _share(part: np.integer, whole: np.integer) -> float:
    return float(part / whole) if whole else 0.0


def _drift(
    arrays: AsOfArrays, masks: Sequence[int]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Drift of the z-scored inputs (the unit does not matter) from the training split.

    Neither of calendar features nor of `masks`, whose gaps are reported by themselves.
    """
    left_out = {*arrays.calendar_indices.tolist(), *masks}
    chosen = [index for index in range(arrays.scaled.shape[1]) if index not in left_out]
    names = [str(arrays.feature_names[index]) for index in chosen]
    samples = _sampled_rows(arrays)
    train, *others = (arrays.scaled[rows][:, chosen] for rows in samples)
    release(arrays)
    return {
        name: drift_report(train, other, names)
        for name, other in zip(LATER_SPLITS, others, strict=True)
    }


def _sampled_rows(arrays: AsOfArrays) -> list[Int[np.ndarray, " rows"]]:
    """Evenly spaced rows of each split, in two passes: how many there are, and every so many."""
    splits, counts = range(3), np.zeros(3, dtype=np.int64)
    for rows in passing(arrays):
        counts += np.bincount(_split_of(arrays, rows), minlength=4)[:3]
    every = [max(-(-int(count) // DRIFT_ROWS), 1) for count in counts]
    seen, chosen = [0, 0, 0], [[np.empty(0, dtype=np.int64)] for _ in splits]
    for rows in passing(arrays):
        split = _split_of(arrays, rows)
        for index in splits:
            own = rows.start + np.flatnonzero(split == index)
            # A copy: a view would keep the numbers of all rows.
            chosen[index].append(own[-seen[index] % every[index] :: every[index]].copy())
            seen[index] += len(own)
    return [np.concatenate(parts) for parts in chosen]


def _split_of(arrays: AsOfArrays, rows: slice) -> Int[np.ndarray, " rows"]:
    """Number of the split of rows; 3 after the test split."""
    return np.searchsorted(arrays.split_instants, arrays.timestamps[rows], side="right")


def check_span(first: int, last: int, where: str) -> None:
    """Raise DataContractError if two instants are too far apart to be subtracted."""
    if last - first > LONGEST_SPAN_NS:
        text = (
            "the timestamps span more than 290 years; fix those outside, split the table, or have "
            "the rows counted instead (`init` with --timestamp none)"
        )
        raise_violations([_violation("span", "", text)], where, {})


def check_size(
    facts: TableFacts, grid_rows: int, clock: Clock, params: PreprocessParams, where: str
) -> None:
    """Enough rows, and a grid that they can fill; checked before the grid takes any memory.

    Raises
    ------
    DataContractError
        One line per limit that is broken.
    """
    found = []
    if facts.rows < params.min_rows:
        text = f"{facts.rows} rows are fewer than preprocess.min_rows = {params.min_rows}; "
        found.append(_violation("min_rows", "", text + "bring more data or lower the limit"))
    if facts.rows < (1 - params.max_missing) * grid_rows or grid_rows >= np.iinfo(np.int32).max:
        median = facts.median_step
        # To set the present cadence would change nothing.
        is_present = clock.kind == "fixed" and median == str(pd.Timedelta(clock.step))
        advice = (
            "bring the missing rows"
            if is_present
            else ("set preprocess.frequency to the cadence of the data")
        )
        text = (
            f"{grid_rows} grid rows of {params.frequency} for {facts.rows} rows of "
            f"data: more than preprocess.max_missing = {params.max_missing:g} would be missing; "
            f"the median step of the table is {median}: {advice}, or raise the limit"
        )
        found.append(_violation("max_missing", "", text))
    found += facts.huge
    check_span(facts.first, facts.last, where)
    raise_violations(found, where, _overview(facts, clock))


def check_targets(
    columns: Mapping[str, ColumnQuality],
    preprocessor: Preprocessor,
    where: str,
    quality: Mapping[str, Any],
) -> None:
    """Targets keep the limits on missing values and gaps, and are not constant.

    Raises
    ------
    DataContractError
        One line per limit that is broken, with the quality report.
    """
    found, params = [], preprocessor.params
    for name in preprocessor.targets:
        column = columns[name]
        missing = _share(column.missing.sum(), column.rows.sum())
        longest = int(column.longest_gap.max())
        if missing > params.max_missing:
            text = (
                f"{missing:.1%} of the grid rows have no {name!r}, more than "
                f"preprocess.max_missing = {params.max_missing:g}; check preprocess.frequency, "
                "bring better data or raise the limit"
            )
            found.append(_violation("max_missing", name, text))
        if params.longest_gap is not None and longest > params.longest_gap:
            text = (
                f"{name!r} has a gap of {longest} steps, longer than preprocess.longest_gap = "
                f"{params.longest_gap}; bring the missing rows or raise the limit"
            )
            found.append(_violation("longest_gap", name, text))
        if column.constant:
            text = (
                f"target {name!r} is constant in the training split; nothing can be learned, "
                "check the column"
            )
            found.append(_violation("constant", name, text))
        constant = list(preprocessor.constants.get(name, ()))
        if constant and not column.constant and preprocessor.short_series == "error":
            text = (
                f"target {name!r} is constant in the training split of the series "
                f"{', '.join(map(repr, constant[:MAX_NAMED]))}; check them, or set "
                "data.short_series to skip"
            )
            found.append(_violation("constant", name, text))
    raise_violations(found, where, quality)


def _violation(rule: str, column: str, text: str) -> Violation:
    return Violation(rule, column, (), 1, text)
