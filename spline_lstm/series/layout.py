"""The whole table on its regular grids, and the instants at which its parts begin."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.params_data import SplitParams
from spline_lstm.core.timestamps import parse_instant
from spline_lstm.series.grid import Grid, Placed, make_grid, place_panel
from spline_lstm.tables.raw_table import RawTable


@dataclass(frozen=True)
class Layout:
    """All series on grids of one step and one anchor.

    Attributes
    ----------
    anchor : int, ns
    grids : one per series
    row_offsets : [series + 1] int64, first grid row of each series, and the end
    observation_timestamps, observation_series : [observations] int64, of the raw table
    snap : float, steps
    """

    anchor: int
    grids: tuple[Grid, ...]
    row_offsets: Int[np.ndarray, " bounds"]
    observation_timestamps: Int[np.ndarray, " observations"]
    observation_series: Int[np.ndarray, " observations"]
    snap: float

    def place(
        self, values: Float[np.ndarray, " observations"]
    ) -> tuple[Placed, Float[np.ndarray, " present"]]:
        """Where the observations of one column lie on the grid, and these observations without the missing ones.

        A row of the table in which the column is missing takes no grid row from it.
        """
        present = ~np.isnan(values)
        timestamps, series = self.observation_timestamps[present], self.observation_series[present]
        return place_panel(timestamps, series, self.grids, self.row_offsets, self.snap), values[
            present
        ]

    @property
    def step(self) -> int:
        """Length of one step, ns."""
        return self.grids[0].step

    @property
    def rows(self) -> int:
        """Number of grid rows, of all series together."""
        return int(self.row_offsets[-1])

    @property
    def timestamps(self) -> Int[np.ndarray, " rows"]:
        """Instants of all rows, ns since 1970 UTC."""
        return np.concatenate([grid.timestamps for grid in self.grids])


def lay_out(
    table: RawTable, step: int, snap: float, *, anchor: int | None = None, until: int | None = None
) -> Layout:
    """Put the rows of a table on grids of `step` ns through `anchor` (default: the first timestamp of all)."""
    anchor = int(table.timestamps.min()) if anchor is None else anchor
    bounds = zip(table.series_offsets[:-1], table.series_offsets[1:], strict=True)
    grids = tuple(
        make_grid(table.timestamps[begin:end], anchor, step, until) for begin, end in bounds
    )
    row_offsets = np.cumsum([0, *(grid.rows for grid in grids)]).astype(np.int64)
    return Layout(anchor, grids, row_offsets, table.timestamps, table.series, snap)


def split_instants(layout: Layout, params: SplitParams) -> Int[np.ndarray, " two_or_three"]:
    """Instants (ns) at which the validation and the test part begin, and with a third date the test part ends.

    They are the same in every series, on the grid.

    A date between two rows counts as the later one: an observation of a training row lies before it.
    """
    step, anchor = layout.step, layout.anchor
    if params.dates is not None:
        rows = [-((anchor - parse_instant(text)) // step) for text in params.dates]
        return np.array([anchor + row * step for row in rows], dtype=np.int64)
    start = min(grid.start for grid in layout.grids)
    count = (max(grid.start + step * grid.rows for grid in layout.grids) - start) // step
    shares = (params.train, params.train + params.validation)
    return np.array([start + round(share * count) * step for share in shares], dtype=np.int64)
