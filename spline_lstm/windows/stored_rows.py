"""Rows of a panel in partitions as they lie on disk, and arrays that are decoded as they are read.

Most rows follow from little: their targets were observed, every fill of a target is the target
itself, and so is its z-score, but for the scaling; they are known from their own instant on, and
their instants are evenly spaced. Such a row has its targets on disk, in the smallest type that
holds them exactly, and its other features. The other rows, with a fill, say, are marked by a bit,
and are stored in full beside them. What is decoded has the bits of what was written.
"""

import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.mixins import NDArrayOperatorsMixin

# Of `known_at`: the value is always known, or never.
ALWAYS, NEVER = -1, np.iinfo(np.int32).max
# In place of an offset from a row to the one at which it is known.
KNOWN_ALWAYS, KNOWN_NEVER = np.iinfo(np.int32).min, np.iinfo(np.int32).max
# Types that targets are stored in; one of decimals is the number of the smallest decimal places.
FORMS: dict[str, Any] = {"float32": np.float32, "decimal": np.int32, "float64": np.float64}
NO_DECIMAL = np.iinfo(np.int32).min
# Rows that are decoded together, so that what is needed in between stays small.
DECODED_ROWS = 1 << 20
WORD = 64

Rows = slice | Int[np.ndarray, " rows"]


def mapping_of(array: np.ndarray) -> mmap.mmap | None:
    """The mapping that an array, or the array it is a view of, lies in; None if in none.

    >>> mapping_of(np.arange(3)) is None
    True
    """
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


@dataclass(frozen=True)
class SeriesRules:
    """What rows follow from, by series.

    Attributes
    ----------
    first, step : [series] int64, ns: instants of the rows; step 0: they are stored
    form : [series] int8, index into `FORMS`
    divisor : [series] float64, of the form ``decimal``
    known_after : [series, F_total] int32: rows from a row to the one at which it is known
    center, scale : [series or 1, F_target] float64, of z-scores; without columns if these are
        stored
    """

    first: Int[np.ndarray, " series"]
    step: Int[np.ndarray, " series"]
    form: Int[np.ndarray, " series"]
    divisor: Float[np.ndarray, " series"]
    known_after: Int[np.ndarray, "series features"]
    center: Float[np.ndarray, "series_or_one targets"]
    scale: Float[np.ndarray, "series_or_one targets"]


@dataclass(frozen=True)
class StoredRows:
    """Rows on disk, mapped into memory; each method decodes an array of some of them.

    Attributes
    ----------
    offsets : [series + 1] int64, first row of each series, and the end
    targets : indices of the targets among the features
    rules : SeriesRules
    values : form -> [rows, F_target], of the series that have it
    features : [rows, F_other] float32, z-scores of all features but the targets; of all if those
        of the targets are stored
    timestamps : [rows] int64, of series without a step; empty: there are none
    marks : [words] uint64, a bit for each row, set if it is stored in full
    ranks : [words] uint32, rows in full before each word
    full : array -> its rows in full
    """

    offsets: Int[np.ndarray, " bounds"]
    targets: Int[np.ndarray, " targets"]
    rules: SeriesRules
    values: Mapping[str, np.ndarray]
    features: Float[np.ndarray, "rows others"]
    timestamps: Int[np.ndarray, " rows"]
    marks: Int[np.ndarray, " words"]
    ranks: Int[np.ndarray, " words"]
    full: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.offsets[-1])

    @cached_property
    def _others(self) -> Int[np.ndarray, " others"]:
        """Indices of the features that are stored."""
        count = self.rules.known_after.shape[1]
        return other_features(count, self.targets if self.rules.center.shape[1] else ())

    def arrays(self) -> dict[str, Any]:
        """The arrays of `AsOfArrays` with a row per grid row, decoded as they are read."""
        features, targets = self.rules.known_after.shape[1], len(self.targets)
        kinds: dict[str, tuple[Any, tuple[int, ...]]] = {
            "scaled": (np.float32, (features,)),
            "causal": (np.float32, (features,)),
            "known_at": (np.int32, (features,)),
            "valid": (np.bool_, ()),
            "raw_target": (np.float64, (targets,)),
            "filled_target": (np.float64, (targets,)),
            "causal_target": (np.float64, (targets,)),
            "observed": (np.bool_, (targets,)),
            "timestamps": (np.int64, ()),
        }
        if "replaced" in self.full:
            kinds["replaced"] = (np.bool_, (targets,))
        return {
            name: StoredArray(self, getattr(self, f"decode_{name}"), np.dtype(kind), columns)
            for name, (kind, columns) in kinds.items()
        }

    def mappings(self) -> Iterator[mmap.mmap]:
        """Of all files."""
        arrays = (*self.values.values(), *self.full.values())
        for array in (*arrays, self.features, self.timestamps, self.marks, self.ranks):
            if (mapping := mapping_of(array)) is not None:
                yield mapping

    def decode_raw_target(self, rows: Rows) -> Float[np.ndarray, "rows targets"]:
        """Targets, data units."""
        if len(self.values) == 1:
            ((name, values),) = self.values.items()
            return self._numbers_of(name, values[rows], rows)
        form = self.rules.form[self._series_of(rows)]
        found = np.empty((len(form), len(self.targets)))
        for index, name in enumerate(FORMS):
            if name in self.values:
                numbers = self._numbers_of(name, self.values[name][rows], rows)
                found[form == index] = numbers[form == index]
        return found

    def _numbers_of(self, form: str, values: np.ndarray, rows: Rows) -> np.ndarray:
        if form != "decimal":
            return values.astype(np.float64)
        divisor = self.rules.divisor[self._series_of(rows)][:, None]
        return np.where(values == NO_DECIMAL, np.nan, values / divisor)

    def decode_observed(self, rows: Rows) -> Bool[np.ndarray, "rows targets"]:
        """Where there is a target."""
        return ~np.isnan(self.decode_raw_target(rows))

    def decode_filled_target(self, rows: Rows) -> Float[np.ndarray, "rows targets"]:
        """Targets with all fills."""
        return self._with_full("filled_target", self.decode_raw_target(rows), rows)

    def decode_causal_target(self, rows: Rows) -> Float[np.ndarray, "rows targets"]:
        """Targets with the fills of the time."""
        return self._with_full("causal_target", self.decode_raw_target(rows), rows)

    def decode_scaled(self, rows: Rows) -> Float[np.ndarray, "rows features"]:
        """Features, z-scores."""
        return self._features(self.features[rows], self.decode_filled_target, rows)

    def decode_causal(self, rows: Rows) -> Float[np.ndarray, "rows features"]:
        """Features as known at the time, z-scores."""
        others = self.features[rows]
        if others.shape[1]:
            others = self._with_full("causal_features", np.array(others), rows)
        return self._features(others, self.decode_causal_target, rows)

    def _features(
        self, others: np.ndarray, targets: Callable[[Rows], np.ndarray], rows: Rows
    ) -> np.ndarray:
        center, scale = self.rules.center, self.rules.scale
        if not center.shape[1]:
            return np.array(others)
        if len(center) > 1:
            series = self._series_of(rows)
            center, scale = center[series], scale[series]
        scores = (targets(rows) - center) / scale
        found = np.empty((len(scores), self.rules.known_after.shape[1]), np.float32)
        found[:, self.targets] = scores
        found[:, self._others] = others
        return found

    def decode_known_at(self, rows: Rows) -> Int[np.ndarray, "rows features"]:
        """First row at which each feature is known."""
        after = self.rules.known_after
        shared = after[:1] if self._is_known_alike else after[self._series_of(rows)]
        found = known_at_of(shared, _numbers(rows))
        return self._with_full("known_at", found, rows)

    @cached_property
    def _is_known_alike(self) -> bool:
        return bool((self.rules.known_after == self.rules.known_after[:1]).all())

    def decode_valid(self, rows: Rows) -> Bool[np.ndarray, " rows"]:
        """Where no target has been silent for long."""
        return self._with_full("valid", np.ones(_count(rows), bool), rows)

    def decode_replaced(self, rows: Rows) -> Bool[np.ndarray, "rows targets"]:
        """Observations that were outliers."""
        shape = (_count(rows), len(self.targets))
        return self._with_full("replaced", np.zeros(shape, bool), rows)

    def decode_timestamps(self, rows: Rows) -> Int[np.ndarray, " rows"]:
        """Instants of the rows."""
        first, step = self.rules.first, self.rules.step
        series = self._series_of(rows)
        # The instant that row 0 would have.
        before = first - self.offsets[:-1] * step
        found = before[series] + _numbers(rows) * step[series]
        if not len(self.timestamps):
            return found
        return np.where(step[series] == 0, self.timestamps[rows], found)

    def _series_of(self, rows: Rows) -> Int[np.ndarray, " rows"]:
        if not isinstance(rows, slice):
            return np.searchsorted(self.offsets, rows, side="right") - 1
        first = int(np.searchsorted(self.offsets, rows.start, side="right")) - 1
        end = max(int(np.searchsorted(self.offsets, rows.stop)), first + 1)
        bounds = np.clip(self.offsets[first : end + 1], rows.start, rows.stop)
        return np.repeat(np.arange(first, end), np.diff(bounds))

    def _with_full(self, name: str, values: np.ndarray, rows: Rows) -> np.ndarray:
        """Values of rows, in place, with those that are stored in full."""
        where, which = self._full_rows(rows)
        if len(where):
            values[where] = self.full[name][which]
        return values

    def _full_rows(self, rows: Rows) -> tuple[np.ndarray, Any]:
        """Positions of rows in full among some rows, and among all rows in full."""
        if isinstance(rows, slice):
            first = rows.start // WORD
            words = np.asarray(self.marks[first : -(-rows.stop // WORD)])
            bits = np.unpackbits(words.view(np.uint8), bitorder="little").view(bool)
            skipped = rows.start - first * WORD
            where = np.flatnonzero(bits[skipped : skipped + rows.stop - rows.start])
            begin = int(self.ranks[first]) + int(bits[:skipped].sum()) if len(words) else 0
            return where, slice(begin, begin + len(where))
        bit = (rows % WORD).astype(np.uint64)
        word = rows // WORD
        where = np.flatnonzero((self.marks[word] >> bit) & np.uint64(1))
        word, bit = word[where], bit[where]
        before = self.marks[word] & ((np.uint64(1) << bit) - np.uint64(1))
        return where, self.ranks[word].astype(np.int64) + np.bitwise_count(before)


def other_features(features: int, targets: Any) -> Int[np.ndarray, " others"]:
    """Indices of all features but some.

    >>> other_features(4, (0, 2)).tolist()
    [1, 3]
    """
    return np.setdiff1d(np.arange(features), np.asarray(targets, dtype=np.int64))


def known_at_of(
    after: Int[np.ndarray, "series_or_rows features"], numbers: Int[np.ndarray, " rows"]
) -> Int[np.ndarray, "rows features"]:
    """`AsOfArrays.known_at` of rows from the rows after which they are known.

    >>> known_at_of(np.array([[0, 2, KNOWN_ALWAYS]]), np.array([7, 8])).tolist()
    [[7, 9, -1], [8, 10, -1]]
    """
    found = numbers[:, None] + after.astype(np.int64)
    found = np.where(after == KNOWN_ALWAYS, ALWAYS, found)
    return np.where(after == KNOWN_NEVER, NEVER, found).astype(np.int32)


def _numbers(rows: Rows) -> Int[np.ndarray, " rows"]:
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows


def _count(rows: Rows) -> int:
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


@dataclass(frozen=True, eq=False)
class StoredArray(NDArrayOperatorsMixin):
    """An array with a row per grid row that is decoded as it is read.

    Indexed and computed with like a NumPy array; what comes of it is one.

    Attributes
    ----------
    store : StoredRows
    decode : rows -> their values
    dtype : of the values
    columns : shape of a row
    """

    store: StoredRows
    decode: Callable[[Rows], np.ndarray]
    dtype: np.dtype[Any]
    columns: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the shape of a row."""
        return (self.store.rows, *self.columns)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.store.rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self._slice(0, len(self))
        return values if dtype is None else values.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = (np.asarray(each) if isinstance(each, StoredArray) else each for each in inputs)
        return getattr(ufunc, method)(*plain, **options)

    def __getitem__(self, key: Any) -> Any:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                values = self._slice(start, max(stop, start))
            else:
                values = self.decode(np.arange(start, stop, step))
            return values[(slice(None), *rest)] if rest else values
        if np.ndim(rows) > 1 and np.asarray(rows).dtype == bool:
            return np.asarray(self)[key]
        numbers = self._row_numbers(rows)
        values = self.decode(numbers.reshape(-1))
        if not rest:
            return values.reshape((*numbers.shape, *self.columns))[()]
        return values[(np.arange(numbers.size).reshape(numbers.shape), *rest)]

    def _row_numbers(self, rows: Any) -> Int[np.ndarray, "..."]:
        """Numbers of rows, from 0 on."""
        numbers = np.asarray(rows)
        if numbers.dtype == bool:
            if len(numbers) != len(self):
                raise IndexError(f"{len(numbers)} flags for {len(self)} rows")
            return np.flatnonzero(numbers)
        numbers = numbers.astype(np.int64)
        if numbers.size and not -len(self) <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"there are {len(self)} rows, not row {numbers.max()}")
        return np.where(numbers < 0, numbers + len(self), numbers)

    def _slice(self, start: int, stop: int) -> np.ndarray:
        if stop == start:
            return np.empty((0, *self.columns), self.dtype)
        if stop - start <= DECODED_ROWS:
            return self.decode(slice(start, stop))
        found = np.empty((stop - start, *self.columns), self.dtype)
        for begin in range(start, stop, DECODED_ROWS):
            end = min(begin + DECODED_ROWS, stop)
            found[begin - start : end - start] = self.decode(slice(begin, end))
        return found


def stored_in(array: object) -> StoredRows | None:
    """What an array is decoded from, if it is."""
    return cast(StoredArray, array).store if isinstance(array, StoredArray) else None
