"""Does a window know the future? Change everything from its origin on, build it again, compare.

A forecast at instant t may use what was observed before t, and of a covariate with a delay what
was observed as many rows before t. So the raw table is changed from there on
(values, missing values, rows deleted, timestamps moved, outliers), the arrays are built from it as
in the pipeline, and the inputs of every window with origin t must be equal in every bit. Covariates
that are declared as known in the future are the one exception; the first kind of change keeps them
and then compares them too.

A leak shows only if something after the origin matters for the window: a gap that is still open at
the origin, or an outlier just before it. Half of the origins are drawn from such positions.

Windows of the validation and the test split are compared with constants (scaling, categories,
seasons, smoothing) fitted again on the changed table: no change after the training split may reach
them. Those of the training split use the constants of the whole training split, by design, so these
are kept. So is the clock: which rows a calendar has is known ahead, and the dates of an observed
clock are declared to be.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import bind
from spline_lstm.core.params import PreprocessParams, WindowParams
from spline_lstm.core.schema import Schema
from spline_lstm.core.target_options import PLAIN, TargetOptions
from spline_lstm.series.apply import (
    apply,
    column_values,
    find_outliers,
    layout_of,
    observed,
    without_outliers,
)
from spline_lstm.series.fit import fit
from spline_lstm.series.grid import lay_out
from spline_lstm.series.panel import select_series
from spline_lstm.series.splits import split_instants, with_snap
from spline_lstm.tables.raw_table import RawTable, rows_of
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.gather import gather_future, gather_inputs
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import SPLITS, make_windows

# What happens to the rows at and after the origin. `values` keeps timestamps and columns known in
# the future.
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
    instant : int, of the origin
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
    clock: Clock | None = None,
    options: TargetOptions = PLAIN,
    origins: int,
    seed: int = 0,
) -> Audit:
    """Audit the preprocessing of a raw table.

    Parameters
    ----------
    table, schema, params, window
        As the stages take them.
    clock : Clock
        Bound to the table; by default that of `params`, without a time zone.
    options : TargetOptions
        Transform and channels of the targets.
    origins : int
        Instants per split, see `draw_instants`; all series with a window there are compared.
    seed : int
        Seed of the draw and of the changes.
    """
    clock = clock or bind(params.clock(), table.timestamps)
    selected = select_series(
        table,
        clock,
        schema.target_cols,
        snap=params.snap,
        needed=window.rows,
        policy="skip",
        where="the table",
    ).table
    # All series count in the constants, also those without a window; the splits are of the others.
    instants = split_instants(lay_out(selected, clock, params.snap), params.split)
    preprocessor, arrays = build(
        table, schema, params, clock=clock, options=options, instants=instants
    )
    return compare(table, arrays, preprocessor, window, rebuilder(preprocessor), origins, seed)


def build(
    table: RawTable,
    schema: Schema,
    params: PreprocessParams,
    *,
    clock: Clock | None = None,
    options: TargetOptions = PLAIN,
    instants: Int[np.ndarray, " two_or_three"] | None = None,
    until: int | None = None,
) -> tuple[Preprocessor, AsOfArrays]:
    """Fit the constants on a table and build its arrays; arguments as in `audit` and `fit`."""
    clock = clock or bind(params.clock(), table.timestamps)
    layout = lay_out(table, clock, params.snap, until=until)
    layout, params = with_snap(layout, params, instants)
    outliers = find_outliers(table, schema, params)
    preprocessor = fit(
        table, schema, params, layout, instants=instants, outliers=outliers, options=options
    )
    return preprocessor, apply(table, preprocessor, layout=layout, outliers=outliers).arrays


def rebuilder(preprocessor: Preprocessor) -> Rebuild:
    """How the pipeline builds arrays: constants are kept for training windows, or fitted again."""
    schema, params = preprocessor.table_schema, preprocessor.params

    def rebuild(table: RawTable, split: str, until: int) -> AsOfArrays:
        if split == "train":
            return apply(table, preprocessor, until=until).arrays
        return build(
            table,
            schema,
            params,
            clock=preprocessor.clock,
            options=preprocessor.options,
            instants=preprocessor.split_instants,
            until=until,
        )[1]

    return rebuild


def compare(
    table: RawTable,
    arrays: AsOfArrays,
    preprocessor: Preprocessor,
    window: WindowParams,
    rebuild: Rebuild,
    origins: int,
    seed: int,
) -> Audit:
    """Compare the windows of `arrays` with those that `rebuild` makes of changed tables."""
    rng = np.random.default_rng(seed)
    clock = preprocessor.clock
    windows = make_windows(arrays, preprocessor.scaler, clock, window)
    exposed = exposed_rows(table, preprocessor)
    compared: dict[str, int] = dict.fromkeys(map(str, SPLITS), 0)
    differences: list[Difference] = []
    known = np.array([_is_known_future(preprocessor.table_schema, name) for name in table.columns])
    for split, rows in windows.splits.items():
        instants = draw_instants(arrays.timestamps[rows], exposed[rows], origins, rng)
        for number, instant in enumerate(instants.tolist()):
            change = CHANGES[number % len(CHANGES)]
            since = first_unknown(table.columns, preprocessor, instant)
            changed = perturb(table, instant, change, known, rng, since)
            other = rebuild(changed, split, instant)
            for row in rows[arrays.timestamps[rows] == instant].tolist():
                name = table.series_names[arrays.row_series[row]]
                other_row = _row_of(other, changed, name, instant, clock)
                features = _differing(arrays, row, other, other_row, window, change)
                compared[split] += 1
                if features:
                    differences.append(Difference(split, name, change, instant, features))
    return Audit(compared, tuple(differences))


def exposed_rows(table: RawTable, preprocessor: Preprocessor) -> Bool[np.ndarray, " rows"]:
    """Origins at which a leak of preprocessing can show.

    The row before has a value that preprocessing made, a fill or the replacement of an outlier, in
    a gap that is closed at or after the origin: whoever looks ahead gets another value there.
    """
    layout = layout_of(table, preprocessor)
    exposed = np.zeros(layout.rows, dtype=bool)
    schema, params = preprocessor.table_schema, preprocessor.params
    outliers = find_outliers(table, schema, params)
    for name in preprocessor.columns:
        if not _is_known_future(schema, name):
            values = column_values(table, name, preprocessor.categories)
            cleaned = without_outliers(values, outliers.get(name), params.outliers)
            exposed |= np.isnan(observed(cleaned, layout))
    # Of the row before; the first rows of a series are origins of no window.
    return np.concatenate([[False], exposed[:-1]])


def draw_instants(
    timestamps: Int[np.ndarray, " windows"],
    exposed: Bool[np.ndarray, " windows"],
    count: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, " instants"]:
    """Draw at most `count` instants: half of them with an exposed window if there are so many.

    Parameters
    ----------
    timestamps : [windows] int64
        Origins of the windows of one split, of all series.
    exposed : [windows] bool
        See `exposed_rows`.
    count : int
    rng : numpy.random.Generator
    """
    chosen = rng.permutation(np.unique(timestamps[exposed]))[: count // 2]
    others = np.setdiff1d(timestamps, chosen)
    return np.concatenate([chosen, rng.permutation(others)[: count - len(chosen)]])


def perturb(
    table: RawTable,
    instant: int,
    change: str,
    known: Bool[np.ndarray, " columns"],
    rng: np.random.Generator,
    since: Int[np.ndarray, " columns"] | None = None,
) -> RawTable:
    """The table with everything at and after `instant` replaced.

    Parameters
    ----------
    table : RawTable
    instant : int
    change : str
        ``values``: other values, missing values and outliers at the same timestamps, except in the
        columns known in the future; ``deleted``: no row is left; ``moved``: other values at other
        timestamps.
    known : [columns] bool
        Columns that are known in the future.
    rng : source of the new values
    since : [columns] int64
        Instant from which on the values of each column are replaced, for columns that become known
        late; by default `instant`.
    """
    after = table.timestamps >= instant
    late = np.zeros((1, len(known)), dtype=bool)
    if since is not None:
        late = (table.timestamps[:, None] >= since) & ~after[:, None]
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
    values = np.where((after[:, None] & free) | late, noise, values)
    kept = ~after
    if change == "deleted":
        values = np.where(late, np.nan, values)
    if change == "values":
        kept = np.ones(len(after), dtype=bool)
    if change == "moved":
        timestamps, kept = _moved(table, instant, after, rng)
    return rows_of(replace(table, timestamps=timestamps, values=values), kept)


def first_unknown(
    columns: Sequence[str], preprocessor: Preprocessor, instant: int
) -> Int[np.ndarray, " columns"]:
    """The first timestamp of each column that is unknown at a forecast origin.

    It is the origin, or earlier by the delay of the column.
    """
    schema = preprocessor.table_schema
    delays = np.array([schema.delay(name) for name in columns], dtype=np.int64)
    row = preprocessor.clock.locate(np.array([instant], dtype=np.int64))[0]
    return preprocessor.clock.timestamps_of(row - delays)


def _moved(
    table: RawTable, instant: int, after: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Timestamps from the instant on, pulled towards it or pushed away; equal ones are dropped."""
    pull = rng.uniform(0.3, 1.2)
    moved = instant + ((table.timestamps - instant) * pull).astype(np.int64)
    timestamps = np.where(after, moved, table.timestamps)
    same = (np.diff(timestamps, prepend=-1) <= 0) & (np.diff(table.series, prepend=-1) == 0)
    return timestamps, ~same & ~(after & (rng.random(len(timestamps)) < 0.2))


def _is_known_future(schema: Schema, name: str) -> bool:
    covariate = schema.covariate(name)
    return covariate is not None and covariate.known_future


def _row_of(arrays: AsOfArrays, table: RawTable, series: str, instant: int, clock: Clock) -> int:
    """Row of an instant in the grid of a series; it may be the one after its last row."""
    begin = int(arrays.series_offsets[table.series_names.index(series)])
    first, row = clock.locate(np.array([arrays.timestamps[begin], instant]))[0]
    return begin + int(row - first)


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
        one, two = (_ahead(made, at, ahead) for made, at in ((arrays, row), (other, other_row)))
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
