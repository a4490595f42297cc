"""Where the later splits begin, and what the timestamps before them say of the grid."""

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from spline_lstm.core.params_data import PreprocessParams, SplitParams
from spline_lstm.core.timestamps import parse_instant
from spline_lstm.series.grid import Layout
from spline_lstm.series.snap import AUTO, HALF, INTERPOLATE, LARGEST_JITTER, jitter


def split_instants(layout: Layout, params: SplitParams) -> Int[np.ndarray, " two_or_three"]:
    """Starts of the validation and the test split, and its end if a third date sets it.

    They are the same in every series, on the grid.

    A date between two rows counts as the later one: observations of training rows lie before it.
    """
    clock = layout.clock
    if params.dates is not None:
        wanted = [
            each if isinstance(each, int) else parse_instant(each, clock.zone)
            for each in params.dates
        ]
        return clock.timestamps_of(clock.first_rows(np.array(wanted, dtype=np.int64)))
    start, count = layout.first_row, layout.end_row - layout.first_row
    shares = (params.train, params.train + params.validation)
    rows = [start + round(share * count) for share in shares]
    return clock.timestamps_of(np.array(rows, dtype=np.int64))


def with_snap(
    layout: Layout,
    params: PreprocessParams,
    instants: Int[np.ndarray, " two_or_three"] | None = None,
) -> tuple[Layout, PreprocessParams]:
    """Layout and params, `snap` ``auto`` replaced by what training timestamps call for.

    preprocessor.json has the result, so that serving places timestamps as training did.

    Parameters
    ----------
    layout, params
    instants : [2 or 3] int64, ns
        Starts of the later splits; by default as `params.split` says.
    """
    if params.snap != AUTO:
        return layout, params
    begin = (split_instants(layout, params.split) if instants is None else instants)[0]
    timestamps = layout.observation_timestamps
    scatter = jitter(timestamps[timestamps < begin], layout.clock) > LARGEST_JITTER
    snap = INTERPOLATE if scatter else HALF
    return replace(layout, snap=snap), params.model_copy(update={"snap": snap})
