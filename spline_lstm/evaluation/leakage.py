"""Does a window know the future? Change everything at and after its origin, build again, compare bit by bit.

A forecast at instant t may use what was observed before t. So the raw table is changed from t on
(values, missing cells, rows deleted, timestamps moved, outliers), the arrays are built from it as in the
pipeline, and the inputs of every window with origin t must be equal in every bit. Covariates that
are declared as known in advance are the one exception; the first kind of change leaves them alone
and then compares them too.

Windows of the validation and the test part are compared with constants (scaling, categories, seasons,
smoothing) fitted again on the changed table: no change after the training part may reach them. Those of
the training part use the constants of the whole training part, by design, so these are kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.core.params import PreprocessParams, WindowParams
from spline_lstm.core.schema import Schema
from spline_lstm.series.build import build
from spline_lstm.series.fitted import Fitted
from spline_lstm.tables.raw_table import RawTable, rows_of
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.windows import SPLITS, gather_future, gather_inputs, make_windows

# What becomes of the rows at and after the origin. `values` keeps timestamps and columns known in advance.
CHANGES = ("values", "deleted", "moved")
OUTLIER = 1e6
# Builds arrays from a changed table: (table, split, instant up to which the grid must reach).
Rebuild = Callable[[RawTable, str, int], AsOfArrays]


@dataclass(frozen=True)
class Difference:
    """A window that changed.

    Attributes
    ----------
    split, series, change : str
    instant : int, ns since 1970 UTC of the origin
    features : names of the inputs that differ
    """

    split: str
    series: str
    change: str
    instant: int
    features: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """Result: windows compared per split, and those that changed."""

    compared: Mapping[str, int]
    differences: Sequence[Difference] = field(default_factory=tuple)


def audit(
    table: RawTable,
    schema: Schema,
    params: PreprocessParams,
    window: WindowParams,
    *,
    origins: int,
    seed: int = 0,
) -> Audit:
    """Audit the preprocessing of a raw table.

    Parameters
    ----------
    table, schema, params, window
        As the stages take them.
    origins : int
        Instants per split that are drawn at random; all series with a window there are compared.
    seed : int
        Seed of the draw and of the changes.
    """
    built = build(table, schema, params)
    return compare(
        table,
        schema,
        built.arrays,
        built.fitted,
        window,
        rebuilder(schema, params, built.fitted),
        origins,
        seed,
    )


def rebuilder(schema: Schema, params: PreprocessParams, fitted: Fitted) -> Rebuild:
    """How the pipeline builds arrays: constants are kept for the training part, and fitted again otherwise."""

    def rebuild(table: RawTable, split: str, until: int) -> AsOfArrays:
        if split == "train":
            return build(table, schema, params, fitted=fitted, until=until).arrays
        return build(table, schema, params, instants=fitted.split_instants, until=until).arrays

    return rebuild


def compare(
    table: RawTable,
    schema: Schema,
    arrays: AsOfArrays,
    fitted: Fitted,
    window: WindowParams,
    rebuild: Rebuild,
    origins: int,
    seed: int,
) -> Audit:
    """Compare the windows of `arrays` with those that `rebuild` makes of changed tables."""
    rng = np.random.default_rng(seed)
    windows = make_windows(arrays, fitted.scaler, window)
    compared: dict[str, int] = dict.fromkeys(map(str, SPLITS), 0)
    differences: list[Difference] = []
    known = np.array([_is_known_future(schema, name) for name in table.columns])
    for split, rows in windows.splits.items():
        instants = np.unique(arrays.timestamps[rows])
        for number, instant in enumerate(rng.permutation(instants)[:origins]):
            change = CHANGES[number % len(CHANGES)]
            changed = perturb(table, int(instant), change, known, rng)
            other = rebuild(changed, split, int(instant))
            for row in rows[arrays.timestamps[rows] == instant]:
                name = table.series_names[
                    int(np.searchsorted(arrays.series_offsets, row, side="right")) - 1
                ]
                features = _differing(
                    arrays,
                    int(row),
                    other,
                    _row_of(other, changed, name, int(instant)),
                    window,
                    change,
                )
                compared[split] += 1
                if features:
                    differences.append(Difference(split, name, change, int(instant), features))
    return Audit(compared, tuple(differences))


def perturb(
    table: RawTable,
    instant: int,
    change: str,
    known: Bool[np.ndarray, " columns"],
    rng: np.random.Generator,
) -> RawTable:
    """The table with everything at and after `instant` replaced.

    Parameters
    ----------
    table : RawTable
    instant : int, ns
    change : str
        ``values``: other values, missing cells and outliers at the same timestamps, and none in the columns known in
        advance; ``deleted``: no row is left; ``moved``: other values at other timestamps.
    known : [columns] bool
        Columns that are known in advance.
    rng : source of the new values
    """
    after = table.timestamps >= instant
    values, timestamps = table.values.copy(), table.timestamps.copy()
    free = ~known if change == "values" else np.ones(len(known), dtype=bool)
    noise = rng.normal(size=values.shape) * OUTLIER ** rng.random(values.shape)
    noise[rng.random(values.shape) < 0.2] = np.nan
    for column, name in enumerate(table.columns):
        seen = table.values[:, column]
        if name in table.categories:
            noise[:, column] = rng.integers(0, len(table.categories[name]), len(values))
        elif np.isin(seen[~np.isnan(seen)], (0.0, 1.0)).all():
            noise[:, column] = rng.integers(0, 2, len(values))
    values = np.where(after[:, None] & free, noise, values)
    kept = ~after
    if change == "values":
        kept = np.ones(len(after), dtype=bool)
    if change == "moved":
        timestamps, kept = _moved(table, instant, after, rng)
    return rows_of(replace(table, timestamps=timestamps, values=values), kept)


def _moved(
    table: RawTable, instant: int, after: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Timestamps at and after the instant, pulled towards it or pushed away; of equal ones the first is kept."""
    pull = rng.uniform(0.3, 1.2)
    moved = instant + ((table.timestamps - instant) * pull).astype(np.int64)
    timestamps = np.where(after, moved, table.timestamps)
    same = (np.diff(timestamps, prepend=-1) <= 0) & (np.diff(table.series, prepend=-1) == 0)
    return timestamps, ~same & ~(after & (rng.random(len(timestamps)) < 0.2))


def _is_known_future(schema: Schema, name: str) -> bool:
    covariate = schema.covariate(name)
    return covariate is not None and covariate.known_future


def _row_of(arrays: AsOfArrays, table: RawTable, series: str, instant: int) -> int:
    """Row of an instant in the grid of a series; it may be the one after its last row."""
    begin = int(arrays.series_offsets[table.series_names.index(series)])
    step = int(arrays.timestamps[begin + 1] - arrays.timestamps[begin])
    return begin + (instant - int(arrays.timestamps[begin])) // step


def _differing(
    arrays: AsOfArrays,
    row: int,
    other: AsOfArrays,
    other_row: int,
    window: WindowParams,
    change: str,
) -> tuple[str, ...]:
    """Names of the inputs of two windows that are not equal in every bit."""
    names = [str(name) for name in arrays.feature_names]
    if [str(name) for name in other.feature_names] != names:
        return ("the features themselves",)
    one, two = _inputs(arrays, row, window.lookback), _inputs(other, other_row, window.lookback)
    declared = set(arrays.future_indices.tolist()) - set(arrays.calendar_indices.tolist())
    found = [
        name
        for index, name in enumerate(names)
        if (change == "values" or index not in declared)
        and one[:, index].tobytes() != two[:, index].tobytes()
    ]
    if not np.array_equal(_static(arrays, row), _static(other, other_row)):
        found.append("static ids")
    ahead = min(window.horizon, len(arrays.timestamps) - row, len(other.timestamps) - other_row)
    if change == "values" and ahead == window.horizon:
        one, two = (_ahead(part, at, ahead) for part, at in ((arrays, row), (other, other_row)))
        found += ["X_future"] if one.tobytes() != two.tobytes() else []
    return tuple(found)


def _inputs(arrays: AsOfArrays, row: int, lookback: int) -> np.ndarray:
    return gather_inputs(arrays.scaled, arrays.causal, arrays.known_at, np.array([row]), lookback)[
        0
    ]


def _ahead(arrays: AsOfArrays, row: int, horizon: int) -> np.ndarray:
    return gather_future(arrays.scaled, np.array([row]), horizon, arrays.future_indices)[0]


def _static(arrays: AsOfArrays, row: int) -> Int[np.ndarray, " statics"]:
    # The window's last row, because the origin itself may be the first row of the next series.
    return arrays.static_ids[int(np.searchsorted(arrays.series_offsets, row - 1, side="right")) - 1]
