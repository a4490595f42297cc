"""The course of each target over time, with what was done to it: for the report.

Short intervals of time with the mean of what was observed in them, filled, replaced as an outlier
and smoothed. Fills are the two-sided ones, for people; a model sees one only once it is known.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from spline_lstm.core.plot_tables import plot_times
from spline_lstm.series.apply import find_outliers, layout_of
from spline_lstm.series.preprocess import Preprocessed
from spline_lstm.windows.windows import SPLITS

MAX_BINS = 400
# Rows after the end of the test split, if a date ends it.
NO_SPLIT = "none"


def course_table(result: Preprocessed, *, bins: int = MAX_BINS) -> pd.DataFrame:
    """One row per target and interval, of the series with the most filled rows.

    Its columns: series, target, timestamp (start of the interval), split, observed (mean), low and
    high (range of the observations), filled (mean where nothing was observed), missing (share of
    rows that were left missing), replaced (mean of the outliers that count as missing), smoothed
    (mean, from the past only). NaN where there is none.
    """
    targets = result.preprocessor.targets
    return pd.concat(
        [_course(result, target, name, bins) for target, name in enumerate(targets)],
        ignore_index=True,
    )


def _course(result: Preprocessed, target: int, name: str, bins: int) -> pd.DataFrame:
    arrays, fitted = result.arrays, result.preprocessor
    rows = _most_filled(result, target)
    raw, filled = arrays.raw_target[rows, target], arrays.filled_target[rows, target]
    replaced, smoothed = _replaced(result, name)[rows], _smoothed(result, target, name, rows)
    seen = ~np.isnan(raw)
    outlier = seen & replaced
    values: Mapping[str, np.ndarray] = {
        "observed": np.where(outlier, np.nan, raw),
        "filled": np.where(seen & ~outlier, np.nan, filled),
        "missing": np.isnan(filled) & (~seen | outlier),
        "replaced": np.where(outlier, raw, np.nan),
        "smoothed": smoothed,
    }
    count = rows.stop - rows.start
    groups = pd.DataFrame(values).groupby(np.arange(count) // -(-count // bins))
    table = groups.mean()
    begins = arrays.timestamps[rows][groups.head(1).index.to_numpy()]
    split = np.searchsorted(arrays.split_instants, begins, side="right")
    series = int(np.searchsorted(arrays.series_offsets, rows.start, side="right")) - 1
    head = {
        "series": result.table.series_names[series],
        "target": name,
        "timestamp": plot_times(fitted.clock, begins),
        "split": np.array([*SPLITS, NO_SPLIT])[split],
        "observed": table["observed"],
        "low": groups["observed"].min(),
        "high": groups["observed"].max(),
    }
    return pd.DataFrame(head | {key: table[key] for key in list(values)[1:]})


def _most_filled(result: Preprocessed, target: int) -> slice:
    """Rows of the series of which most rows of a target were filled; the first of equals."""
    arrays = result.arrays
    made = np.isnan(arrays.raw_target[:, target]) & ~np.isnan(arrays.filled_target[:, target])
    counts = np.add.reduceat(made.astype(np.int64), arrays.series_offsets[:-1])
    series = int(np.argmax(counts))
    return slice(int(arrays.series_offsets[series]), int(arrays.series_offsets[series + 1]))


def _replaced(result: Preprocessed, name: str) -> Bool[np.ndarray, " rows"]:
    """Grid rows whose observation is an outlier that counts as missing."""
    fitted, table = result.preprocessor, result.table
    found = np.zeros(len(result.arrays.timestamps), dtype=bool)
    if fitted.params.outliers.method != "replace":
        return found
    flags = find_outliers(table, fitted.table_schema, fitted.params)[name]
    marks = np.where(flags, 1.0, np.nan)
    placed, _ = layout_of(table, fitted).place(marks)
    found[placed.rows[placed.snapped]] = True
    return found


def _smoothed(
    result: Preprocessed, target: int, name: str, rows: slice
) -> Float[np.ndarray, " chosen"]:
    """The smoothed values of a target, data units; NaN without smoothing."""
    arrays, fitted = result.arrays, result.preprocessor
    method = fitted.params.smoothing.method
    if method == "replace":
        return arrays.filled_target[rows, target]
    if method == "off":
        return np.full(rows.stop - rows.start, np.nan)
    column = np.array([fitted.features.index(f"{name}_smooth")])
    scores = arrays.scaled[rows][:, column].astype(np.float64)
    series = int(np.searchsorted(arrays.series_offsets, rows.start, side="right")) - 1
    groups = np.full(len(scores), series)
    return fitted.scaler.columns(column).inverse(scores, groups)[:, 0]
