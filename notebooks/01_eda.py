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
# # A first look at the data of a pipeline
#
# Reads the raw table of a pipeline folder after `dvc repro ingest`: the root of the repository, or
# the folder in the environment variable `SPLINE_LSTM_FOLDER`, such as `pipelines/stores`.
# Edit the `.py` file; `make notebooks` writes the `.ipynb` file with its outputs.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image

from spline_lstm.core.params import load_params
from spline_lstm.core.schema import load_schema
from spline_lstm.series.plots import missing_table, plot_missing, plot_splits
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
result = preprocess(table, schema, params.preprocess, where=str(raw))
pictures = Path(tempfile.mkdtemp())

# %% [markdown]
# ## What the table contains
#
# Rows, time span and cadence; `count` is the number of rows with a value.

# %%
values = pd.DataFrame(table.values, columns=list(table.columns))
clock = result.preprocessor.clock
first, last = (clock.text_of(int(each)) for each in (table.timestamps.min(), table.timestamps.max()))
print(f"{len(values)} rows, {len(table.series_names)} series, {first} to {last}")
print(f"{table.duplicates} rows merged into another row of their timestamp")
values.describe().T.round(4)

# %% [markdown]
# The step between neighbouring rows of a series, in steps of the grid. A regular table has only 1;
# whole numbers above 1 are gaps, others are timestamps off the grid.

# %%
steps = np.diff(clock.rows_of(table.timestamps))
within = np.diff(table.series) == 0
pd.Series(steps[within].round(2)).value_counts(normalize=True).head(10).rename("share of the steps")

# %% [markdown]
# ## What is missing, and when

# %%
plot_missing(pictures / "missing.png", missing_table(table, result.arrays, clock))
Image(pictures / "missing.png")

# %%
pd.DataFrame(result.quality["columns"])

# %% [markdown]
# ## The splits
#
# A model learns from the training split, stops by the validation split and is scored on the test split.

# %%
plot_splits(pictures / "splits.png", result.arrays, clock)
Image(pictures / "splits.png")

# %% [markdown]
# Do the splits differ? The mean and standard deviation of each target, and the warnings of the drift report.

# %%
bounds = result.arrays.split_instants
split = np.array(["train", "validation", "test", "later"])[np.searchsorted(bounds, result.arrays.timestamps, side="right")]
targets = [str(name) for name in result.arrays.feature_names[result.arrays.target_indices]]
observed = pd.DataFrame(result.arrays.raw_target, columns=targets)
observed.groupby(split, sort=False).agg(["count", "mean", "std"]).round(4)

# %%
for warning in result.quality["warnings"]:
    print(warning)

# %% [markdown]
# ## Rhythm
#
# How much the current value says about the value some rows later: autocorrelation of the first target
# in the first series. A peak at one day is a daily season.

# %%
end = int(result.arrays.series_offsets[1])
first = pd.Series(result.arrays.raw_target[:end, 0])
lags = [lag for lag in (1, 2, 6, 12, 24, 48, 168, 288) if lag < end // 3]
pd.Series({lag: first.corr(first.shift(lag)) for lag in lags}, name="autocorrelation").round(3)

# %% [markdown]
# The same target by hour of the day and by weekday (UTC).

# %%
moments = pd.to_datetime(result.arrays.timestamps)
observed.iloc[:, 0].groupby(moments.hour).agg(["median", "mean", "count"]).round(3)

# %%
observed.iloc[:, 0].groupby(moments.day_of_week).agg(["median", "mean", "count"]).round(3)
