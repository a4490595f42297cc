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
# # Where and when the forecasts fail
#
# Reads `data/predictions.parquet` of a pipeline folder after `dvc repro evaluate`: the root of the repository,
# or the folder in the environment variable `SPLINE_LSTM_FOLDER`, such as `pipelines/stores`. The file contains
# every forecast of the test split with its observation, baselines and intervals, so nothing is trained here.

# %%
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image

from spline_lstm.evaluation.example_windows import Example
from spline_lstm.inference.intervals import level_name
from spline_lstm.evaluation.plots import forecasts_figure, residuals_figure, step_figure
from spline_lstm.evaluation.tables import forecast_table, horizon_table, residual_histogram, residual_step_table
from spline_lstm.reporting.style import save_png
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.windows.preprocessor import Preprocessor

here = Path.cwd() if Path("params.yaml").is_file() else Path.cwd().parent
folder = Path(os.environ.get("SPLINE_LSTM_FOLDER", here))
table = pd.read_parquet(folder / "data/predictions.parquet")
scores = json.loads((folder / "metrics/evaluate.json").read_text())
baselines = [row["baseline"] for row in scores["baselines"]]
pictures = Path(tempfile.mkdtemp())
target = table["target"].iloc[0]
seen = table[table["target"] == target].dropna(subset=["y_true"]).assign(error=lambda rows: rows["y_pred"] - rows["y_true"])
print(f"{len(seen)} observed values of {target}, {seen['timestamp'].min()} to {seen['timestamp'].max()}")


# %% [markdown]
# ## Does it beat the baselines, and at which step?
#
# RMSE of the model and of each baseline on the same rows.

# %%
def rmse(rows):
    columns = {"model": "y_pred", **{name: name for name in baselines}}
    return pd.Series({name: np.sqrt(((rows[key] - rows["y_true"]) ** 2).mean()) for name, key in columns.items()})


by_step = seen.groupby("step").apply(rmse, include_groups=False)
steps = horizon_table({name: by_step[name].to_numpy() for name in by_step})
save_png(step_figure(steps, title=f"RMSE of {target}"), pictures / "horizon.png")
Image(pictures / "horizon.png")

# %%
pd.concat([rmse(seen).to_frame("all steps").T, by_step]).round(4)

# %% [markdown]
# ## When is it wrong?
#
# RMSE by hour of the day (UTC) next to that of the best baseline, and the share of the squared error in
# that hour: a model may lose in hours that hardly count.

# %%
best = scores["best_baseline"]
hour = seen.groupby(seen["timestamp"].dt.hour.rename("hour"))
by_hour = hour.apply(rmse, include_groups=False)[["model", best]]
by_hour["share of the squared error"] = hour["error"].apply(lambda errors: (errors**2).sum()) / (seen["error"] ** 2).sum()
by_hour.round(4)

# %% [markdown]
# By weekday (0 is Monday) and by series.

# %%
seen.groupby(seen["timestamp"].dt.day_of_week.rename("weekday")).apply(rmse, include_groups=False)[["model", best]].round(4)

# %%
seen.groupby("series").apply(rmse, include_groups=False)[["model", best]].round(4)

# %% [markdown]
# ## At which values?
#
# Bias and RMSE by the observed value: a forecast that is drawn to the middle is too high at low values and
# too low at high ones.

# %%
size = pd.qcut(seen["y_true"], 8, duplicates="drop")
seen.groupby(size, observed=True)["error"].agg(count="size", bias="mean", rmse=lambda errors: np.sqrt((errors**2).mean())).round(4)

# %% [markdown]
# ## How are the residuals distributed?

# %%
residuals = seen.pivot_table(index=["series", "origin"], columns="step", values="error")
values = residuals.to_numpy()
figure = residuals_figure(
    residual_histogram(values), residual_step_table(values), target=target, bias=seen["error"].mean()
)
save_png(figure, pictures / "residuals.png")
Image(pictures / "residuals.png")

# %% [markdown]
# How much the residual of a window says about that of the next one: if much is left, the model has not
# learned everything from the series.

# %%
first = residuals[1].reset_index(level="series", drop=True)
pd.Series({lag: first.corr(first.shift(lag)) for lag in (1, 2, 6, 12, 24)}, name="autocorrelation").round(3)

# %% [markdown]
# ## Do the intervals cover what they should?
#
# Percent of the observed values inside, and the mean width, by step; the share should be close to the level at every
# step, and in every third of the test split.

# %%
levels = [float(row["interval"]) for row in scores["intervals"]]


def cover(rows):
    inside = {
        f"inside {level_name(level)} %": 100
        * rows["y_true"].between(rows[f"lower_{level_name(level)}"], rows[f"upper_{level_name(level)}"]).mean()
        for level in levels
    }
    return pd.Series({"values": len(rows), **inside})


seen.groupby("step").apply(cover, include_groups=False).round(2)

# %%
third = pd.qcut(seen["timestamp"].astype("int64"), 3, labels=["first third", "second third", "last third"])
seen.groupby(third.rename("of the test split"), observed=True).apply(cover, include_groups=False).round(2)

# %% [markdown]
# ## The worst windows
#
# Those with the largest RMSE of this target, with the intervals that were promised; the history is what the
# earlier windows observed.

# %%
window = seen.groupby(["series", "origin"])["error"].agg(lambda errors: np.sqrt((errors**2).mean()))
worst = window.sort_values(ascending=False).head(3)
lookback = load_params(folder).window.lookback
observed = seen.drop_duplicates(["series", "timestamp"]).set_index(["series", "timestamp"])["y_true"].sort_index()
clock = Preprocessor.load(Pipeline(folder).preprocessor).clock
examples = []
for rank, (series, origin) in enumerate(worst.index, start=1):
    here = table[(table["series"] == series) & (table["origin"] == origin) & (table["target"] == target)]
    instant = int(np.int64(origin if clock.kind == "index" else origin.as_unit("ns").value))
    row = clock.locate(np.array([instant]))[0]
    past = clock.to_pandas(clock.timestamps_of(row + np.arange(-lookback, 0)))
    bounds = [[here[f"{side}_{level_name(level)}"] for side in ("lower", "upper")] for level in levels]
    examples.append(
        Example(
            label=f"{rank}. worst",
            series=series,
            origin_time=instant,
            history=observed.loc[series].reindex(past).to_numpy(),
            y_true=here["y_true"].to_numpy(),
            y_pred=here["y_pred"].to_numpy(),
            naive=here["naive"].to_numpy(),
            levels=tuple(levels),
            bounds=np.array(bounds, dtype=float).reshape(len(levels), 2, len(here)),
        )
    )
figure = forecasts_figure(forecast_table(examples, clock), target=target, clock=clock)
save_png(figure, pictures / "worst.png")
Image(pictures / "worst.png")
