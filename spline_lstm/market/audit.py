"""Does a window of daily bars know the future? Change what comes after it, build it again, compare.

Two questions, answered by building everything again from a changed raw table:

``inputs``  The days after a day t are replaced or deleted. No bit of a window that ends with t may
            differ, of any symbol. Windows of the validation and the test split are compared with
            scaling that is fitted again on the changed table, for no change after the training
            split may reach it; those of training use the scaling of the whole training split.
``labels``  The days from the start of a split on are replaced. No label of an earlier split may
            differ: this is what the purge is for.

The clock stays: which days are trading days is known ahead. A feature of tomorrow's close, a scaler
that saw all rows and a split without purge are each found (tests/market/test_audit.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spline_lstm.core.errors import LeakageError
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema, load_schema
from spline_lstm.market.bars import bars_of
from spline_lstm.market.panel import each_symbol, make_panel, to_arrays
from spline_lstm.market.preprocess import fit_scaling, preprocess_bars
from spline_lstm.market.preprocessor import DirectionPreprocessor
from spline_lstm.market.windows import (
    DirectionWindows,
    labelled,
    make_direction_windows,
)
from spline_lstm.tables.raw_file import find_raw
from spline_lstm.tables.raw_table import RawTable, read_raw_table, rows_of
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.windows import SPLITS

# What happens to the days after a window: other prices and volumes, or none.
CHANGES = ("values", "deleted")
# Standard deviation of the logarithm of the factors on prices and volumes.
SPREAD = 0.3


@dataclass(frozen=True)
class Finding:
    """A window that changed.

    Attributes
    ----------
    split, symbol : str
    instant : int, of its last day
    what : str
        The inputs that differ and the change, or that its label does.
    """

    split: str
    symbol: str
    instant: int
    what: str


@dataclass(frozen=True)
class BarsAudit:
    """Result: windows whose inputs and labels were compared, by split, and what was found."""

    inputs: dict[str, int]
    labels: dict[str, int]
    findings: tuple[Finding, ...]


def audit_direction(folder: Path, params: Params, origins: int, seed: int) -> str:
    """Part `audit` of the task: audit the raw table of a folder, and say what was compared.

    Raises
    ------
    LeakageError
        A window knows the future.
    """
    schema, raw = load_schema(folder / params.data.schema_file), find_raw(Pipeline(folder))
    table = read_raw_table(
        raw.read_bytes(), schema, where=str(raw), reading=Reading.of(params.data)
    )
    result = audit_bars(table, schema, params, origins=origins, seed=seed)
    inputs, labels = (
        ", ".join(f"{count} {split}" for split, count in each.items())
        for each in (result.inputs, result.labels)
    )
    if result.findings:
        first = result.findings[0]
        day = params.clock.text_of(first.instant)
        raise LeakageError(
            f"{raw}: {len(result.findings)} of the windows compared ({inputs}) changed with what "
            f"comes after them; first {first.split} window of {first.symbol!r} that ends at {day}: "
            f"{first.what}. Report this as a defect, with params.yaml and the schema"
        )
    return (
        f"windows compared bit by bit: {inputs}; 0 differ; labels compared with later splits "
        f"changed: {labels}; 0 differ"
    )


def audit_bars(
    table: RawTable, schema: Schema, params: Params, *, origins: int, seed: int = 0
) -> BarsAudit:
    """Audit a raw table: at most `origins` days of each split, drawn with `seed`."""
    rng = np.random.default_rng(seed)
    base = preprocess_bars(table, schema, params, where="the table")
    fitted = base.preprocessor
    windows = make_direction_windows(base.arrays, fitted, params)
    inputs, findings = dict.fromkeys(map(str, SPLITS), 0), list[Finding]()
    for split, rows in windows.splits.items():
        days = np.unique(windows.arrays.timestamps[rows - 1])
        for number, day in enumerate(rng.permutation(days)[:origins].tolist()):
            change = CHANGES[number % len(CHANGES)]
            changed = perturbed(table, params, day + 1, change, rng)
            other = rebuilt(changed, fitted, params, refit=split != "train")
            ending = rows[windows.arrays.timestamps[rows - 1] == day]
            inputs[split] += len(ending)
            findings += compare_inputs(windows, fitted, other, split, ending, change)
    labels, wrong = compare_labels(table, fitted, params, windows, rng)
    return BarsAudit(inputs, labels, (*findings, *wrong))


def perturbed(
    table: RawTable, params: Params, since: int, change: str, rng: np.random.Generator
) -> RawTable:
    """The table with the rows from an instant on changed; their prices stay possible."""
    after = table.timestamps >= since
    if change == "deleted":
        return rows_of(table, ~after)
    values, roles = table.values.copy(), params.direction.columns.roles
    for names in ([name for role, name in roles.items() if role != "volume"], [roles["volume"]]):
        factor = np.exp(rng.normal(0.0, SPREAD, int(after.sum())))
        for name in names:
            values[after, table.columns.index(name)] *= factor
    return replace(table, values=values)


def rebuilt(
    table: RawTable, fitted: DirectionPreprocessor, params: Params, *, refit: bool
) -> tuple[Sequence[str], AsOfArrays]:
    """Symbols and arrays of a changed table, with the constants as they are or fitted again."""
    bars = bars_of(table, params.direction.columns, params.data.time_zone)
    panel = make_panel(bars, fitted.clock)
    instants = fitted.split_instants
    scaler = fit_scaling(panel, instants, params) if refit else fitted.scaler
    return panel.symbols, to_arrays(panel, scaler, instants)


def compare_inputs(
    windows: DirectionWindows,
    fitted: DirectionPreprocessor,
    other: tuple[Sequence[str], AsOfArrays],
    split: str,
    origins: np.ndarray,
    change: str,
) -> list[Finding]:
    """Windows whose inputs differ from those of the other arrays."""
    symbols, arrays = other
    findings = []
    for origin in origins.tolist():
        instant = int(windows.arrays.timestamps[origin - 1])
        series = int(np.searchsorted(windows.arrays.series_offsets, origin, side="right")) - 1
        symbol = fitted.series[series]
        rows = each_symbol(arrays.series_offsets)[symbols.index(symbol)]
        end = rows.start + int(np.searchsorted(arrays.timestamps[rows], instant)) + 1
        mine = windows.arrays.scaled[origin - windows.lookback : origin]
        differs = (mine != arrays.scaled[end - windows.lookback : end]).any(axis=0)
        if differs.any():
            names = ", ".join(np.array(windows.feature_names)[differs][:5].tolist())
            findings.append(Finding(split, symbol, instant, f"{names} ({change})"))
    return findings


def compare_labels(
    table: RawTable,
    fitted: DirectionPreprocessor,
    params: Params,
    windows: DirectionWindows,
    rng: np.random.Generator,
) -> tuple[dict[str, int], list[Finding]]:
    """Windows of each split but the last, and those whose label changes with the next split."""
    counts, findings = dict[str, int](), list[Finding]()
    for split, start in zip(SPLITS, fitted.split_instants.tolist(), strict=False):
        if split == SPLITS[-1]:
            break
        changed = perturbed(table, params, start, "values", rng)
        kept = rows_of(changed, np.isin(_names(changed), fitted.series))
        label = labelled(rebuilt(kept, fitted, params, refit=False)[1], params).label
        rows = windows.splits[split]
        counts[split] = len(rows)
        before, after = windows.arrays.raw_target[rows, 0], label[rows]
        # NaN, a label that is not known, equals itself.
        wrong = rows[(before != after) & ~(np.isnan(before) & np.isnan(after))]
        series = np.searchsorted(windows.arrays.series_offsets, wrong, side="right") - 1
        findings += [
            Finding(split, fitted.series[number], int(instant), "its label is of the next split")
            for number, instant in zip(
                series.tolist(), windows.arrays.timestamps[wrong - 1].tolist(), strict=True
            )
        ]
    return counts, findings


def _names(table: RawTable) -> np.ndarray:
    return np.array(table.series_names)[table.series]
