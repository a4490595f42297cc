"""Sums over all series, added up from chunks that each have only some of the series.

Windows come series by series, so a chunk has few of the series of a large panel. Its sums are of
those alone, numbered from 0; adding them costs what the chunk has, not what the panel has.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from spline_lstm.evaluation.coverage import CoverageSums
from spline_lstm.evaluation.error_sums import Grouped, ScoreSums, merge


@dataclass(frozen=True)
class SeriesRange:
    """Consecutive series: the first, and the one after the last."""

    first: int
    end: int

    @classmethod
    def of(cls, series: Int[np.ndarray, " windows"]) -> "SeriesRange":
        """From the first to the last series of some windows, of which there is at least one."""
        return cls(int(series.min()), int(series.max()) + 1)

    @property
    def rows(self) -> slice:
        """Their rows in an array with a row for each series."""
        return slice(self.first, self.end)


@dataclass(frozen=True)
class Totals:
    """The sums that an evaluation keeps.

    Attributes
    ----------
    sums, coverage : of all windows
    common : of the windows without missing inputs; None without such windows
    clean : of all windows, without outliers that were replaced; None if none can be
    """

    sums: ScoreSums
    coverage: CoverageSums
    common: ScoreSums | None
    clean: ScoreSums | None


class ScoreTotal:
    """`ScoreSums` of all chunks so far; the bits of `merge` of chunks with all series."""

    def __init__(self, n_series: int) -> None:
        self._n_series = n_series
        self.sums: ScoreSums | None = None

    def add(self, sums: ScoreSums, series: SeriesRange) -> None:
        """Take in a chunk, whose sums are of a range of the series."""
        if self.sums is None:
            # The arrays of all series are this total's own: chunks are added to their rows.
            self.sums = _map_series(sums, lambda part: _spread(part, series, self._n_series))
            return
        own = _map_series(self.sums, lambda part: part[series.rows])
        merged = merge(own, sums)
        truth = _put(self.sums.truth, merged.truth, series)
        errors = {
            name: _put(self.sums.errors[name], each, series) for name, each in merged.errors.items()
        }
        self.sums = ScoreSums(merged.windows, truth, errors)


class CoverageTotal:
    """`CoverageSums` of all chunks so far."""

    def __init__(self, n_series: int) -> None:
        self._n_series = n_series
        self.sums: CoverageSums | None = None

    def add(self, sums: CoverageSums, series: SeriesRange) -> None:
        """Take in a chunk, whose sums are of a range of the series."""
        if self.sums is None:
            count = np.zeros(self._n_series)
            inside = np.zeros((len(sums.series_inside), self._n_series))
            count[series.rows], inside[:, series.rows] = sums.series_count, sums.series_inside
            self.sums = replace(sums, series_count=count, series_inside=inside)
            return
        count, inside = self.sums.series_count, self.sums.series_inside
        own = replace(
            self.sums, series_count=count[series.rows], series_inside=inside[:, series.rows]
        )
        added = own + sums
        count[series.rows], inside[:, series.rows] = added.series_count, added.series_inside
        self.sums = replace(added, series_count=count, series_inside=inside)


def _map_series(sums: ScoreSums, change: Any) -> ScoreSums:
    """Sums with changed sums of the series."""
    errors = {name: replace(each, series=change(each.series)) for name, each in sums.errors.items()}
    return replace(sums, truth=replace(sums.truth, series=change(sums.truth.series)), errors=errors)


def _spread(part: Any, series: SeriesRange, n_series: int) -> Any:
    """Sums of some series among zeros for the others."""
    arrays = []
    for item in fields(part):
        values = getattr(part, item.name)
        whole = np.zeros((n_series, *values.shape[1:]))
        whole[series.rows] = values
        arrays.append(whole)
    return type(part)(*arrays)


def _put(total: Grouped[Any], merged: Grouped[Any], series: SeriesRange) -> Grouped[Any]:
    """The merged sums, with those of the series written into the rows of the total."""
    for item in fields(total.series):
        getattr(total.series, item.name)[series.rows] = getattr(merged.series, item.name)
    return replace(merged, series=total.series)
