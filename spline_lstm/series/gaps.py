"""The longest gaps of a table of series, and the rows around them.

A value is filled from both sides here, for people; a model sees it only if it was known at the
forecast origin, and the causal value before that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.plot_tables import plot_times
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.scaling import Scaler

MAX_FILLED, MAX_OPEN = 4, 2
MAX_CONTEXT = 48


@dataclass(frozen=True)
class Gap:
    """A gap of one target and what surrounds it; data units.

    Attributes
    ----------
    series, target : str
    timestamps : [n] int64, instants of the rows
    raw : [n] float64, NaN if not observed
    filled : [n] float64, two-sided, NaN if left missing
    causal : [n] float64, replaces `filled` until that is known
    smoothed : [n] float64, or None without such a channel
    gap : slice of the n rows, empty if the series has no gap
    """

    series: str
    target: str
    timestamps: Int[np.ndarray, " n"]
    raw: Float[np.ndarray, " n"]
    filled: Float[np.ndarray, " n"]
    causal: Float[np.ndarray, " n"]
    smoothed: Float[np.ndarray, " n"] | None
    gap: slice

    @property
    def is_filled(self) -> bool:
        """The gap has values; a series without a gap counts as filled."""
        return not np.isnan(self.filled[self.gap]).any()


def worst_gaps(
    arrays: AsOfArrays,
    scaler: Scaler,
    series_names: Sequence[str],
    *,
    filled: int = MAX_FILLED,
    left: int = MAX_OPEN,
) -> list[Gap]:
    """The longest gaps that were filled, then the longest left missing, of all targets and series.

    Of equally long gaps the one comes first across which the observed value changes most, in
    training standard deviations. Without any gap, the start of the first series.

    Parameters
    ----------
    arrays : AsOfArrays
    scaler : Scaler
        Of all features, in their order.
    series_names : sequence of str
        One per series.
    filled, left : int
        Most gaps of either kind.
    """
    gaps = [
        gap for target in range(len(arrays.target_indices)) for gap in _ranked_gaps(arrays, target)
    ]
    gaps.sort(key=lambda gap: gap[0])
    chosen = [gap[1:] for gap in gaps if gap[4]][:filled] + [gap[1:] for gap in gaps if not gap[4]][
        :left
    ]
    chosen = chosen or [(0, 0, 0, True)]
    return [
        _gap(arrays, scaler, series_names, target, begin, end) for target, begin, end, _ in chosen
    ]


def _ranked_gaps(
    arrays: AsOfArrays, target: int
) -> list[tuple[tuple[float, ...], int, int, int, bool]]:
    """Gaps inside a series: rank (smaller is worse), target, first row, end, filled."""
    z = arrays.scaled[:, arrays.target_indices[target]]
    found = []
    for first, last in zip(arrays.series_offsets[:-1], arrays.series_offsets[1:], strict=True):
        rows = first + np.flatnonzero(arrays.observed[first:last, target])
        for before in np.flatnonzero(np.diff(rows) > 1):
            left, right = int(rows[before]), int(rows[before + 1])
            jump = float(abs(z[right] - z[left]))
            is_filled = not np.isnan(z[left + 1 : right]).any()
            found.append(
                ((left + 1 - right, -jump, target, left), target, left + 1, right, is_filled)
            )
    return found


def _gap(
    arrays: AsOfArrays, scaler: Scaler, names: Sequence[str], target: int, begin: int, end: int
) -> Gap:
    series = int(np.searchsorted(arrays.series_offsets, begin, side="right")) - 1
    length = end - begin
    reach = min(max(12, 2 * length), max(MAX_CONTEXT, length // 2)) if length else 2 * MAX_CONTEXT
    first = max(int(arrays.series_offsets[series]), begin - reach)
    last = min(int(arrays.series_offsets[series + 1]), end + reach)
    name = str(arrays.feature_names[arrays.target_indices[target]])
    smooth = np.flatnonzero(arrays.feature_names == f"{name}_smooth")

    def values(scores: np.ndarray, column: int) -> np.ndarray:
        rows = scores[first:last, [column]].astype(np.float64)
        return scaler.columns(np.array([column])).inverse(rows, np.full(last - first, series))[:, 0]

    column = int(arrays.target_indices[target])
    return Gap(
        series=names[series],
        target=name,
        timestamps=arrays.timestamps[first:last],
        raw=arrays.raw_target[first:last, target],
        filled=values(arrays.scaled, column),
        causal=values(arrays.causal, column),
        smoothed=values(arrays.scaled, int(smooth[0])) if len(smooth) else None,
        gap=slice(begin - first, end - first),
    )


def spline_table(gaps: Sequence[Gap], clock: Clock) -> pd.DataFrame:
    """All rows of the gaps: gap (from 1), series, target, timestamp, row, and the four values.

    The values are raw, filled, causal and smoothed. `row` counts all rows from 1; before each gap
    but the first is a row without values, at which the lines of `dvc plots` break.
    """
    tables = [
        pd.DataFrame(
            {
                "gap": number,
                "series": item.series,
                "target": item.target,
                "timestamp": plot_times(clock, item.timestamps),
                "raw": item.raw,
                "filled": item.filled,
                "causal": item.causal,
            }
            | ({} if item.smoothed is None else {"smoothed": item.smoothed})
        )
        for number, item in enumerate(gaps, start=1)
    ]
    apart = (table.reindex([-1, *table.index]) for table in tables[1:])
    table = pd.concat([tables[0], *apart], ignore_index=True)
    table["gap"] = table["gap"].bfill().astype(np.int64)
    table.insert(4, "row", np.arange(1, len(table) + 1))
    return table
