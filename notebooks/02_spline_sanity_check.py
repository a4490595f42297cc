# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Are the fills plausible?
#
# Reads the raw table of a pipeline folder after `dvc repro ingest`: the root of the repository, or
# the folder in the environment variable `SPLINE_LSTM_FOLDER`, such as `pipelines/stores`.
# Observed values are hidden and filled again: the fill must be close to what was hidden.

# %%
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image

from spline_lstm.core.params import load_params
from spline_lstm.core.schema import load_schema
from spline_lstm.series.gaps import worst_gaps
from spline_lstm.series.plots import plot_spline
from spline_lstm.series.preprocess import preprocess
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.tables.raw_file import find_raw
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.core.reading import Reading

here = Path.cwd() if Path("params.yaml").is_file() else Path.cwd().parent
folder = Path(os.environ.get("SPLINE_LSTM_FOLDER", here))
params, raw = load_params(folder), find_raw(Pipeline(folder))
schema = load_schema(folder / params.data.schema_file)
table = read_raw_table(
    raw.read_bytes(), schema, where=str(raw), reading=Reading.of(params.data)
)
# Hidden values count as missing: the limits on those would refuse the table.
settings = params.preprocess.model_copy(update={"max_missing": 1.0, "longest_gap": None})
result = preprocess(table, schema, settings, where=str(raw))
pictures = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The longest gaps
#
# Blue is what is filled in once the gap has closed; the dashed line is all that a forecast made
# inside the gap may know. On an orange background the gap is longer than `max_gap` and stays missing.

# %%
gaps = worst_gaps(result.arrays, result.preprocessor.scaler, table.series_names)
plot_spline(pictures / "spline.png", gaps, result.preprocessor.clock)
Image(pictures / "spline.png")

# %% [markdown]
# ## What must be true for every table

# %%
arrays = result.arrays
target = int(arrays.target_indices[0])
scaler = result.preprocessor.scaler.columns(arrays.target_indices)
filled = scaler.inverse(arrays.scaled[:, arrays.target_indices].astype(np.float64), arrays.row_series)
seen = arrays.observed[:, 0]
untouched = params.preprocess.smoothing.method != "replace" and params.preprocess.outliers.method != "replace"
if untouched:
    assert np.allclose(filled[seen], arrays.raw_target[seen], rtol=1e-4, atol=1e-4 * np.nanstd(arrays.raw_target)), (
        "an observation was changed"
    )
for start, end in zip(arrays.series_offsets[:-1], arrays.series_offsets[1:], strict=True):
    known = np.flatnonzero(~np.isnan(arrays.scaled[start:end, target]))
    rows = np.flatnonzero(seen[start:end])
    assert not len(known) or (known[0] >= rows[0] and known[-1] <= rows[-1]), "a value was extrapolated"
inside = ~seen & ~np.isnan(arrays.scaled[:, target])
assert np.all(arrays.known_at[inside, target] > np.flatnonzero(inside)), "a filled value is known too early"
print(f"observations untouched: {'checked' if untouched else 'not claimed (outliers or smoothing replace them)'}")
print(f"no extrapolation, and {inside.sum()} filled values are known only after their gap has closed")

# %% [markdown]
# ## Hide and fill again
#
# Blocks of observed values of the first target are hidden, a tenth of the rows at most, and filled
# by each method. The error is in training standard deviations; `hold` repeats the last value. The
# method in params.yaml should be close to the best at the gap lengths of the data.

# %%
methods = sorted({"linear", "pchip", "akima", params.preprocess.fill})
longest = params.preprocess.max_gap
lengths = [length for length in sorted({1, 3, longest // 2, longest}) if 1 <= length <= longest]
column = table.columns.index(str(arrays.feature_names[target]))


def hidden_rows(length: int) -> np.ndarray:
    """Rows of the table in blocks of `length`, well apart, all of them observed."""
    rng = np.random.default_rng(0)
    starts = np.arange(2 * length + 5, len(table.timestamps) - length - 5, max(10 * length, 20))
    starts = starts + rng.integers(0, 5, len(starts))
    return (starts[:, None] + np.arange(length)).ravel()


def errors_of(method: str, length: int) -> np.ndarray:
    """Errors (z-scores) of the hidden values that were filled; for hold, of the causal value."""
    rows = hidden_rows(length)
    values = table.values.copy()
    values[rows, column] = np.nan
    fill = "linear" if method == "hold" else method
    found = preprocess(
        replace(table, values=values), schema, settings.model_copy(update={"fill": fill}), where=str(raw)
    )
    kept = seen & ~found.arrays.observed[:, 0] & ~np.isnan(found.arrays.scaled[:, target])
    scores = (found.arrays.causal if method == "hold" else found.arrays.scaled)[:, arrays.target_indices]
    back = found.preprocessor.scaler.columns(arrays.target_indices).inverse(scores.astype(np.float64), arrays.row_series)
    return (back[kept, 0] - arrays.raw_target[kept, 0]) / np.nanstd(arrays.raw_target[:, 0])


def rmse_of(errors: np.ndarray) -> float:
    """Root of the mean square; NaN if nothing was filled."""
    return float(np.sqrt(np.mean(errors**2))) if len(errors) else np.nan


rmse = pd.DataFrame(
    {method: {length: rmse_of(errors_of(method, length)) for length in lengths} for method in ["hold", *methods]}
).rename_axis("rows hidden")
rmse.round(4)

# %%
own = rmse[params.preprocess.fill]
worse = own[own > 1.2 * rmse[methods].min(axis=1)]
verdict = f"is 20 % worse than the best at {list(worse.index)} rows" if len(worse) else "is near the best"
print(f"fill: {params.preprocess.fill} {verdict}")
