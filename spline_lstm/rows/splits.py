"""Which split each row belongs to: random, stratified, by group or by time."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.params_tabular import TabularParams

SPLITS = ("train", "validation", "test")
# Regression: parts of the target's distribution that `stratified` puts into each split.
STRATA = 5

Codes = Int[np.ndarray, " rows"]


def split_rows(
    params: TabularParams,
    strata: Codes,
    units: Codes,
    times: Codes | None = None,
    needed: Sequence[str] = SPLITS,
) -> Codes:
    """Position in `SPLITS` of each row.

    Units of rows are drawn in random order (of a seed), and go to the training split until it has
    its share of the rows, then to the validation split, then to the test split. Stratified, this
    happens in each stratum. By time, they are taken in the order of time.

    Parameters
    ----------
    params : TabularParams
    strata : [rows] int
        Class, or part of the target's distribution.
    units : [rows] int
        Rows of one unit are never separated.
    times : [rows] int64, optional
        For the split by time; rows of one time stay together.
    needed : sequence of str
        Splits that must have a row.

    Raises
    ------
    TooLittleDataError
        A split that is needed has no row.
    """
    if params.split == "time" and times is not None:
        places = np.unique(times, return_inverse=True)[1]
        codes = _cut(np.zeros_like(units), _joined(units, places), params, times)
    else:
        used = strata if params.split == "stratified" else np.zeros_like(units)
        codes = _cut(used, units, params, None)
    for code, name in enumerate(SPLITS):
        if name in needed and not (codes == code).any():
            largest = int(np.unique(units, return_counts=True)[1].max())
            raise TooLittleDataError(
                f"the {name} split has no row of {len(units)}, of which up to {largest} stay "
                "together; change tabular.train and tabular.validation, or the split; "
                "tabular.duplicates: keep separates equal rows"
            )
    return codes.astype(np.int8)


def _cut(strata: Codes, units: Codes, params: TabularParams, times: Codes | None) -> Codes:
    """Split of each row: units of each stratum, in order, up to the shares of its rows."""
    _, first, ids, sizes = np.unique(
        units, return_index=True, return_inverse=True, return_counts=True
    )
    if times is None:
        order = np.random.Generator(np.random.PCG64(params.seed)).permutation(len(sizes))
    else:
        # By its latest row, so that no unit that trains is later than one that tests.
        latest = times[first]
        np.maximum.at(latest, ids, times)
        order = np.argsort(latest, kind="stable")
    stratum = strata[first]
    codes = np.zeros(len(sizes), dtype=np.int64)
    for value in np.unique(stratum):
        chosen = order[stratum[order] == value]
        # The middle of a unit decides, so that no split is favoured.
        middles = np.cumsum(sizes[chosen]) - sizes[chosen] / 2
        total = sizes[chosen].sum()
        bounds = np.array([params.train, params.train + params.validation]) * total
        codes[chosen] = np.searchsorted(bounds, middles, side="right")
    return codes[ids]


def _joined(first: Codes, second: Codes) -> Codes:
    """Units so large that neither units of `first` nor of `second` are separated."""
    offset = int(first.max()) + 1
    size = offset + int(second.max()) + 1
    links = coo_array((np.ones(len(first)), (first, second + offset)), shape=(size, size))
    labels = connected_components(links, directed=False)[1]
    return np.unique(labels[first], return_inverse=True)[1]


def units_of(copies: Codes, groups: Codes | None) -> Codes:
    """Rows that stay together: copies of a row, and with `groups` the rows of a group."""
    return copies if groups is None else _joined(copies, groups)


def strata_of(target: np.ndarray, kind: str) -> Codes:
    """Class of each row, or for regression the fifth of the target's distribution."""
    codes = np.unique(target, return_inverse=True)[1]
    if kind == "classification":
        return codes
    # By value, so that equal targets are in one stratum.
    below = np.searchsorted(np.sort(target), target, side="left")
    return below * STRATA // len(target)
