"""The rows of a table from which constants of preprocessing may be fitted."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from spline_lstm.series.grid import Layout
from spline_lstm.tables.raw_table import RawTable


@dataclass(frozen=True)
class TrainingSplit:
    """The rows from which constants may be fitted.

    Attributes
    ----------
    table : RawTable
        All rows: the values of training rows do not depend on later ones.
    layout : Layout
    end : int, ns, instant after the last row
    table_rows : [table_rows] bool
    grid_rows : [rows] bool
    """

    table: RawTable
    layout: Layout
    end: int
    table_rows: Bool[np.ndarray, " table_rows"]
    grid_rows: Bool[np.ndarray, " rows"]

    @classmethod
    def before(cls, instant: int, table: RawTable, layout: Layout) -> "TrainingSplit":
        """All rows before an instant."""
        rows = table.timestamps < instant, layout.timestamps < instant
        return cls(table, layout, instant, *rows)

    def known_at_end(self, delay: int) -> "TrainingSplit":
        """What of a column with a delay is known when the split ends: all but its last rows."""
        if not delay:
            return self
        clock = self.layout.clock
        end = clock.first_rows(np.array([self.end], dtype=np.int64)) - delay
        return self.before(int(clock.timestamps_of(end)[0]), self.table, self.layout)


def training_groups(
    split: TrainingSplit, raw: Float[np.ndarray, " rows"], groups: int
) -> list[Float[np.ndarray, " observed"]]:
    """Training observations of each series if there are `groups` of them; the last: of all."""
    seen = split.grid_rows & ~np.isnan(raw)
    bounds = itertools.pairwise(split.layout.row_offsets) if groups > 1 else ()
    return [*(raw[start:end][seen[start:end]] for start, end in bounds), raw[seen]]
