"""The small tidy tables behind the plots, for `dvc plots`: plots/forecast.csv, residuals.csv, horizon.csv."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.evaluation.examples import Example
from spline_lstm.series.stamps import iso_stamp

COLUMNS = ("example", "series", "origin", "step", "timestamp", "y_true", "y_pred", "naive")
CENTRAL = (0.005, 0.995)


def forecast_table(examples: Sequence[Example], frequency_ns: int) -> pd.DataFrame:
    """One row per example and step, data units, stamps as ISO 8601 in UTC.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`; `timestamp` is ``origin + (step - 1) * frequency``, `y_true` NaN where not observed.
    """
    parts = [_example_rows(example, frequency_ns) for example in examples]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def _example_rows(example: Example, frequency_ns: int) -> pd.DataFrame:
    steps = np.arange(len(example.y_pred))
    stamps = example.origin_time + steps * frequency_ns
    content = (
        example.label,
        example.series,
        iso_stamp(example.origin_time),
        steps + 1,
        [iso_stamp(int(stamp)) for stamp in stamps],
        example.y_true,
        example.y_pred,
        example.naive,
    )
    return pd.DataFrame(dict(zip(COLUMNS, content, strict=True)))


def residual_histogram(residuals: Float[np.ndarray, "..."], bins: int = 60) -> pd.DataFrame:
    """Counts of residuals (forecast - observed) in bins of equal width; NaN is skipped.

    The bins cover the central 99 % of the residuals, so that one outlier does not flatten the
    picture; the others are not counted.

    Returns
    -------
    pd.DataFrame
        Columns residual (bin centre, data units) and count; empty where nothing was observed.
    """
    values = residuals[np.isfinite(residuals)].astype(np.float64)
    if not len(values):
        return pd.DataFrame({"residual": np.empty(0), "count": np.empty(0, dtype=np.int64)})
    low, high = (float(limit) for limit in np.quantile(values, CENTRAL))
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    return pd.DataFrame({"residual": (edges[:-1] + edges[1:]) / 2, "count": counts})


def horizon_table(step_rmse: Mapping[str, Float[np.ndarray, " horizon"]]) -> pd.DataFrame:
    """RMSE at each step, data units: columns step (from 1) and one per forecast (`scores.rmse_by_step`)."""
    table = pd.DataFrame({name: np.asarray(values, dtype=np.float64) for name, values in step_rmse.items()})
    table.insert(0, "step", np.arange(1, len(table) + 1))
    return table
