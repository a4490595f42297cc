"""Windows in groups that the sums by step, by series and by hour have in common.

All windows of a series whose steps have the same hours of the day are one group: of a series with
an hourly clock there are 24. The values of a group are added up once, step by step, and the sums by
step, by series and by hour are sums of groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float, Int

HOURS = 24
# Of short series, windows have few others in their group: so many groups are in memory at once.
MOST_GROUPS = 256

Values = Float[np.ndarray, "windows horizon targets"]
OfGroups = Float[np.ndarray, "groups horizon targets"]
Sums = TypeVar("Sums")


@dataclass(frozen=True)
class Grouped(Generic[Sums]):
    """The same sums over each step, each series and each hour of the day.

    Attributes
    ----------
    step : [..., horizon, targets]
    series : [..., series, targets]
    hour : [..., 24, targets]
    """

    step: Sums
    series: Sums
    hour: Sums


@dataclass(frozen=True)
class Layout:
    """Groups of windows of one series whose steps have the same hours.

    A sum over the windows of each group holds all that the sums by step, series and hour need.

    Attributes
    ----------
    series : [groups] int, 0 to `n_series` - 1
    n_series : int
    hour : [groups, horizon] int, 0 to 23
    """

    series: Int[np.ndarray, " groups"]
    n_series: int
    hour: Int[np.ndarray, "groups horizon"]

    def part(self, groups: slice) -> "Layout":
        """Some of the groups."""
        return Layout(self.series[groups], self.n_series, self.hour[groups])

    def sums(self, values: OfGroups) -> Grouped[np.ndarray]:
        """Sums of the groups added up by step, by series and by hour, float64."""
        return Grouped(*self.step_and_series(values), self.by_hour(values))

    def step_and_series(self, values: OfGroups) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the groups added up by step, and by series."""
        return values.sum(axis=0), self.by_series(values)

    def by_series(self, values: OfGroups) -> np.ndarray:
        """Sums of the groups added up by series."""
        return _grouped(values.sum(axis=1), self.series, self.n_series)

    def by_hour(self, values: OfGroups) -> np.ndarray:
        """Sums of the groups added up by hour of the day."""
        return _grouped(values.reshape(-1, values.shape[2]), self.hour.reshape(-1), HOURS)

    def at_groups(self, grouped: Grouped[np.ndarray]) -> Grouped[np.ndarray]:
        """What belongs to each step of each group; all broadcast to [groups, horizon, targets]."""
        return Grouped(
            step=grouped.step,
            series=grouped.series[self.series][:, None],
            hour=grouped.hour[self.hour],
        )


@dataclass(frozen=True)
class Order:
    """Windows group by group, see `Layout`.

    Attributes
    ----------
    rows : [windows] int, positions of the windows
    group : [windows] int, the group of each of them, increasing from 0 by 0 or 1
    layout : Layout
    """

    rows: Int[np.ndarray, " windows"]
    group: Int[np.ndarray, " windows"]
    layout: Layout

    @classmethod
    def of(
        cls,
        series: Int[np.ndarray, " windows"],
        n_series: int,
        hour: Int[np.ndarray, "windows horizon"],
    ) -> "Order":
        """Of windows with these series and hours; windows of a group keep their order."""
        pattern = _equal_rows(hour)
        key = series.astype(np.int64) * (len(series) + 1) + pattern
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        rows = np.argsort(group, kind="stable")
        return cls(rows, group[rows], Layout(series[first], n_series, hour[first]))

    def parts(self) -> Iterator["Order"]:
        """The same in parts of at most `MOST_GROUPS` groups; without windows one empty part."""
        groups = len(self.layout.series)
        for start in range(0, max(1, groups), MOST_GROUPS):
            own = slice(*np.searchsorted(self.group, [start, start + MOST_GROUPS]))
            layout = self.layout.part(slice(start, start + MOST_GROUPS))
            yield Order(self.rows[own], self.group[own] - start, layout)

    def blocks(self, size: int) -> Iterator["Block"]:
        """Blocks of at most `size` windows."""
        for start in range(0, len(self.rows), size):
            own = slice(start, start + size)
            yield Block(self.rows[own], self.group[own])


@dataclass(frozen=True)
class Block:
    """Some windows of an `Order`: their positions and their groups."""

    rows: Int[np.ndarray, " windows"]
    group: Int[np.ndarray, " windows"]

    @cached_property
    def starts(self) -> Int[np.ndarray, " groups"]:
        """Where in the block each of its groups starts."""
        changes = np.flatnonzero(self.group[1:] != self.group[:-1])
        return np.concatenate([[0], changes + 1])

    def take(self, values: Values) -> Values:
        """A copy of the values of these windows."""
        # Twice as fast as to index them.
        return np.take(values, self.rows, axis=0)

    def add_to(
        self,
        sums: Float[np.ndarray, "*terms groups horizon targets"],
        values: Float[np.ndarray, "*terms windows horizon targets"],
    ) -> None:
        """Add the values of the windows of each group to its sums, of several terms or of one."""
        sums[..., self.group[0] : self.group[-1] + 1, :, :] += np.add.reduceat(
            values, self.starts, axis=-3
        )


def _equal_rows(rows: Int[np.ndarray, "rows columns"]) -> Int[np.ndarray, " rows"]:
    """A number of each row, the same for equal rows: that of the first one in sorted order."""
    # Sorting rows takes long. Equal rows have the same sum of products; that others have another
    # one is looked up.
    factors = np.random.default_rng(0).integers(1, 1 << 40, rows.shape[1])
    _, first, inverse = np.unique(rows @ factors, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first[inverse]], rows):
        _, inverse = np.unique(rows, axis=0, return_inverse=True)
    return inverse.reshape(-1)


def _grouped(
    values: Float[np.ndarray, "n targets"], group: Int[np.ndarray, " n"], groups: int
) -> np.ndarray:
    """Sums over each group, [groups, targets] float64."""
    columns = [np.bincount(group, weights=column, minlength=groups) for column in values.T]
    # bincount of nothing is int.
    return np.stack(columns, axis=-1).astype(np.float64)
