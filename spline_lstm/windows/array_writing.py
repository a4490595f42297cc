"""As-of arrays of partitions are written: data/processed/arrays.

What lies on disk is that of `spline_lstm.windows.stored_rows`. Each file has the rows of all
partitions, so that several processes write one file and readers see one array. Targets lie in a
file for each of their types, and instants that are not evenly spaced in one of their own: a
partition writes its rows into those that it needs, which leaves the others without a block on disk.
``_index.json`` says which rows and series are whose; the small arrays are in small.npz, what rows
follow from in rules.npz.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.artifacts import write_arrays, write_json
from spline_lstm.windows.array_files import INDEX, ROW_ARRAYS, RULES, SMALL
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.stored_rows import (
    ALWAYS,
    FORMS,
    KNOWN_ALWAYS,
    KNOWN_NEVER,
    NEVER,
    NO_DECIMAL,
    WORD,
    SeriesRules,
    known_at_of,
    other_features,
)

# Arrays with a row per series.
SERIES_ARRAYS = ("static_ids", "constants")
# Decimal places that targets are tried with.
DECIMAL_PLACES = range(5)
# Rows from which the usual delay of a feature is found.
SAMPLED_ROWS = 1001


@dataclass(frozen=True)
class Place:
    """Rows and series of a partition among all: first, and the one after the last.

    Attributes
    ----------
    file, sha256 : of the raw table
    start, end : grid rows
    first_series, end_series : series
    """

    file: str
    sha256: str
    start: int
    end: int
    first_series: int
    end_series: int


@dataclass(frozen=True)
class Written:
    """What a partition leaves beside its rows.

    Attributes
    ----------
    small : AsOfArrays
        Without the arrays of rows.
    rules : SeriesRules
    full : [rows in full] int64, numbers of the rows whose values are in files of the partition
    """

    small: AsOfArrays
    rules: SeriesRules
    full: Int[np.ndarray, " rows_in_full"]


def create(folder: Path, rows: int, preprocessor: Preprocessor) -> None:
    """Make the files of all rows, which the partitions then write."""
    targets = len(preprocessor.targets)
    folder.mkdir(parents=True)
    shapes = {f"target_{form}": (kind, (rows, targets)) for form, kind in FORMS.items()}
    others = len(_stored_features(preprocessor))
    shapes |= {"features": (np.float32, (rows, others)), "timestamps": (np.int64, (rows,))}
    for name, (kind, shape) in shapes.items():
        if 0 not in shape:
            np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape)


def _stored_features(preprocessor: Preprocessor) -> Int[np.ndarray, " others"]:
    """Features whose z-scores do not follow from the targets."""
    derived = preprocessor.target_indices if preprocessor.scaler.power is None else ()
    return other_features(len(preprocessor.features), derived)


def write_rows(
    folder: Path, place: Place, arrays: AsOfArrays, preprocessor: Preprocessor
) -> Written:
    """Write the arrays of a partition, whose series are those of the preprocessor, into its rows.

    Raises
    ------
    ValueError
        The arrays are not what the preprocessor makes of the targets.
    """
    others = _stored_features(preprocessor)
    form, divisor, numbers = _smallest(arrays.raw_target)
    rules = replace(
        _rules(arrays, preprocessor),
        form=np.full(len(arrays.series_offsets) - 1, list(FORMS).index(form), np.int8),
        divisor=np.full(len(arrays.series_offsets) - 1, divisor),
    )
    _check_derived(arrays, rules)
    own = slice(place.start, place.end)
    _write(folder / f"target_{form}.npy", own, numbers)
    if len(others):
        _write(folder / "features.npy", own, arrays.scaled[:, others])
    for series in np.flatnonzero(rules.step == 0):
        first, end = arrays.series_offsets[series : series + 2]
        rows = slice(place.start + first, place.start + end)
        _write(folder / "timestamps.npy", rows, arrays.timestamps[first:end])
    apart, values = _in_full(arrays, rules, others, place.start)
    for name, content in values.items():
        np.save(_part_of(folder, name, place), content[apart])
    small = replace(arrays, **{name: getattr(arrays, name)[:0] for name in ROW_ARRAYS})
    return Written(small, rules, place.start + np.flatnonzero(apart))


def _write(path: Path, rows: slice, values: np.ndarray) -> None:
    file = np.lib.format.open_memmap(path, mode="r+")
    file[rows] = values
    file.flush()


def _part_of(folder: Path, name: str, place: Place) -> Path:
    return folder / f".{name}-{place.start}.npy"


def _smallest(values: Float[np.ndarray, "rows targets"]) -> tuple[str, float, np.ndarray]:
    """The smallest type that holds targets exactly, its divisor, and the targets in it.

    >>> form, divisor, numbers = _smallest(np.array([[0.1], [np.nan], [2.05]]))
    >>> form, divisor, numbers.ravel().tolist()
    ('decimal', 100.0, [10, -2147483648, 205])

    Whole numbers have no negative zero:

    >>> _smallest(np.array([[0.1], [-0.0]]))[0]
    'float64'
    """
    missing = np.isnan(values)

    def is_exact(found: np.ndarray) -> bool:
        return bool((missing | (found.view(np.int64) == values.view(np.int64))).all())

    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if is_exact(narrow.astype(np.float64)):
        return "float32", 1.0, narrow
    for divisor in (10.0**places for places in DECIMAL_PLACES):
        with np.errstate(over="ignore"):
            whole = np.where(missing, 0.0, np.rint(values * divisor))
        if np.abs(whole).max(initial=0) < NEVER and is_exact(whole.astype(np.int32) / divisor):
            return "decimal", divisor, np.where(missing, NO_DECIMAL, whole).astype(np.int32)
    return "float64", 1.0, values


def _rules(arrays: AsOfArrays, preprocessor: Preprocessor) -> SeriesRules:
    """What most rows follow from; the form of the targets is left out."""
    offsets = arrays.series_offsets
    first, series = arrays.timestamps[offsets[:-1]], arrays.row_series
    second = arrays.timestamps[np.minimum(offsets[:-1] + 1, offsets[1:] - 1)]
    # A series of one row has any step but 0.
    step = np.where(np.diff(offsets) > 1, second - first, 1)
    ahead = np.arange(len(series)) - offsets[series]
    even = arrays.timestamps == first[series] + ahead * step[series]
    step = np.where(np.logical_and.reduceat(even, offsets[:-1]), step, 0)
    after = _usual(arrays.known_at)
    center = scale = np.empty((1, 0))
    scaler = preprocessor.scaler
    if scaler.power is None:
        own = scaler.columns(preprocessor.target_indices)
        rows = preprocessor.scaler_rows(preprocessor.series) if scaler.per_series else None
        center, scale = (
            values[None] if rows is None else values[rows] for values in (own.center, own.scale)
        )
    nothing = np.empty(0)
    return SeriesRules(
        first, step, nothing, nothing, np.tile(after, (len(first), 1)), center, scale
    )


def _usual(known_at: Int[np.ndarray, "rows features"]) -> Int[np.ndarray, " features"]:
    """Rows after which each feature is known, as most of its rows have it."""
    rows = np.unique(np.linspace(0, len(known_at) - 1, SAMPLED_ROWS).astype(np.int64))
    after = known_at[rows].astype(np.int64) - rows[:, None]
    after = np.where(known_at[rows] == ALWAYS, KNOWN_ALWAYS, after)
    after = np.where(known_at[rows] == NEVER, KNOWN_NEVER, after)
    found = []
    for column in after.T:
        values, counts = np.unique(column, return_counts=True)
        found.append(values[counts.argmax()])
    return np.array(found, dtype=np.int32)


def _check_derived(arrays: AsOfArrays, rules: SeriesRules) -> None:
    """Raise ValueError unless what is not stored follows from what is."""
    if not np.array_equal(arrays.observed, ~np.isnan(arrays.raw_target)):
        raise ValueError("targets are observed where there is none, or the other way round")
    if not rules.center.shape[1]:
        return
    series = arrays.row_series if len(rules.center) > 1 else np.zeros(1, np.int64)
    center, scale = rules.center[series], rules.scale[series]
    pairs = ((arrays.scaled, arrays.filled_target), (arrays.causal, arrays.causal_target))
    for scores, values in pairs:
        expected = ((values - center) / scale).astype(np.float32)
        if not np.array_equal(scores[:, arrays.target_indices], expected, equal_nan=True):
            raise ValueError("the z-scores of the targets do not follow from their fills")


def _in_full(
    arrays: AsOfArrays, rules: SeriesRules, others: Int[np.ndarray, " others"], start: int
) -> tuple[Bool[np.ndarray, " rows"], dict[str, np.ndarray]]:
    """Rows that do not follow from the rules, and what is stored of them."""
    numbers = np.arange(start, start + len(arrays.timestamps))
    # Rows count from the first one of all partitions.
    known_at = arrays.known_at.astype(np.int64)
    moved = (known_at != ALWAYS) & (known_at != NEVER)
    known_at = np.where(moved, known_at + start, known_at).astype(np.int32)
    values = {
        "known_at": known_at,
        "valid": arrays.valid,
        "filled_target": arrays.filled_target,
        "causal_target": arrays.causal_target,
        "causal_features": arrays.causal[:, others],
    }
    usual: dict[str, Any] = {
        "known_at": known_at_of(rules.known_after[:1], numbers),
        "valid": np.ones(len(numbers), bool),
        "filled_target": arrays.raw_target,
        "causal_target": arrays.raw_target,
        "causal_features": arrays.scaled[:, others],
    }
    if arrays.replaced.size:
        values["replaced"], usual["replaced"] = arrays.replaced, np.zeros_like(arrays.replaced)
    apart = np.zeros(len(numbers), bool)
    for name, each in values.items():
        differs = _bits(each) != _bits(usual[name])
        if each.dtype.kind == "f":
            differs &= ~(np.isnan(each) & np.isnan(usual[name]))
        apart |= differs.reshape(len(numbers), -1).any(axis=1)
    return apart, values


def _bits(values: np.ndarray) -> np.ndarray:
    """Numbers of the bits of floats, which tell 0 from -0."""
    if values.dtype.kind != "f":
        return values
    return np.ascontiguousarray(values).view(f"i{values.itemsize}")


def write_index(
    folder: Path, places: Sequence[Place], parts: Sequence[Written], run_id: str
) -> None:
    """Write what is not per row, once all partitions have written their rows."""
    first = parts[0].small
    lengths = np.concatenate([np.diff(each.small.series_offsets) for each in parts])
    content = {
        item.name: getattr(first, item.name)
        for item in fields(first)
        if item.name not in ROW_ARRAYS
    }
    content["series_offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    for name in SERIES_ARRAYS:
        content[name] = np.concatenate([getattr(each.small, name) for each in parts])
    write_arrays(folder / SMALL, content)
    rules = _joined([each.rules for each in parts])
    write_arrays(folder / RULES, vars(rules))
    _remove_unused(folder, rules)
    _join_full(folder, places, [each.full for each in parts])
    write_json(
        folder / INDEX,
        {
            "run_id": run_id,
            "rows": places[-1].end,
            "series": places[-1].end_series,
            "partitions": [asdict(place) for place in places],
        },
    )


def _joined(parts: Sequence[SeriesRules]) -> SeriesRules:
    """The rules of all series."""
    found = {
        item.name: np.concatenate([getattr(each, item.name) for each in parts])
        for item in fields(SeriesRules)
    }
    for name in ("center", "scale"):
        # One row for all series, in each partition.
        if len(found[name]) < len(found["first"]) or not found[name].shape[1]:
            found[name] = getattr(parts[0], name)
    return SeriesRules(**found)


def _remove_unused(folder: Path, rules: SeriesRules) -> None:
    """Remove the files into which no partition wrote."""
    used = set(rules.form.tolist())
    unused = [f"target_{name}" for index, name in enumerate(FORMS) if index not in used]
    if (rules.step != 0).all():
        unused.append("timestamps")
    for name in unused:
        (folder / f"{name}.npy").unlink()


def _join_full(
    folder: Path, places: Sequence[Place], full: Sequence[Int[np.ndarray, " rows_in_full"]]
) -> None:
    """Mark the rows in full, and join their values, which each partition wrote apart."""
    words = np.zeros(-(-places[-1].end // WORD), dtype=np.uint64)
    for rows in full:
        bits = np.uint64(1) << (rows % WORD).astype(np.uint64)
        np.bitwise_or.at(words, rows // WORD, bits)
    counts = np.bitwise_count(words).astype(np.int64)
    ranks = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.uint32)
    np.save(folder / "marks.npy", words)
    np.save(folder / "ranks.npy", ranks)
    bounds = np.cumsum([0, *(len(rows) for rows in full)])
    names = [path.name.removeprefix(".").rsplit("-", 1)[0] for path in folder.glob(".*-0.npy")]
    for name in sorted(names):
        joined = None
        for place, (start, end) in zip(places, pairwise(bounds), strict=True):
            part = _part_of(folder, name, place)
            values = np.load(part)
            if joined is None:
                shape = (int(bounds[-1]), *values.shape[1:])
                joined = _created(folder / f"full_{name}.npy", values.dtype, shape)
            if joined.size:
                joined[start:end] = values
            part.unlink()


def _created(path: Path, kind: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A file to be written; one without values cannot be mapped."""
    if 0 not in shape:
        return np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    empty = np.empty(shape, kind)
    np.save(path, empty)
    return empty
