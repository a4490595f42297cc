"""The whole table on its regular grids, and the instants at which its parts begin."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from spline_lstm.frequency import parse_instant
from spline_lstm.params import SplitParams
from spline_lstm.series.grid import Grid, Placed, make_grid, place_panel
from spline_lstm.series.reading import RawTable


@dataclass(frozen=True)
class Layout:
    """All series on grids of one step and one anchor.

    Attributes
    ----------
    anchor : int, ns
    grids : one per series
    placed : Placed
        In rows of all series together.
    """

    anchor: int
    grids: tuple[Grid, ...]
    placed: Placed
    row_offsets: Int[np.ndarray, " bounds"]

    @property
    def step(self) -> int:
        """Length of one step, ns."""
        return self.grids[0].step

    @property
    def rows(self) -> int:
        """Number of grid rows, of all series together."""
        return int(self.row_offsets[-1])

    @property
    def stamps(self) -> Int[np.ndarray, " rows"]:
        """Instants of all rows, ns since 1970 UTC."""
        return np.concatenate([grid.stamps for grid in self.grids])


def lay_out(table: RawTable, step: int, snap: float, *, anchor: int | None = None, until: int | None = None) -> Layout:
    """Put the rows of a table on grids of `step` ns through `anchor` (default: the first stamp of all)."""
    anchor = int(table.stamps.min()) if anchor is None else anchor
    bounds = zip(table.series_offsets[:-1], table.series_offsets[1:], strict=True)
    grids = tuple(make_grid(table.stamps[begin:end], anchor, step, until) for begin, end in bounds)
    placed, row_offsets = place_panel(table.stamps, table.series_offsets, grids, snap)
    return Layout(anchor, grids, placed, row_offsets)


def split_instants(layout: Layout, params: SplitParams) -> Int[np.ndarray, " two"]:
    """Instants (ns) at which the validation and the test part begin, the same in every series, on the grid.

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
