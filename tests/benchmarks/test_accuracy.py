"""The recipes of pipelines/ett, and what benchmarks/accuracy.py makes of them."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy
from spline_lstm.core.schema import load_schema
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.training.loop import train
from tests.builders import ROOT

DATA = Path(os.environ.get("SPLINE_LSTM_DATA", ROOT / "../shared/data"))
NAMES = sorted(path.stem for path in accuracy.RECIPES.glob("*.yaml"))


@pytest.fixture(scope="module")
def ett() -> Path:
    path = DATA / "ETTh1.csv"
    if not path.is_file():
        pytest.skip(f"ETTh1.csv is not in {DATA} (set SPLINE_LSTM_DATA)")
    return path


def test_there_are_recipes():
    assert {"ot-24", "ot-96", "multivariate-96", "pointwise-24"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_holds_for_this_version_and_names_a_schema_beside_it(name):
    params = accuracy.load_recipe(name)
    assert load_schema(accuracy.RECIPES / params.data.schema_file).target_cols
    assert params.preprocess.split.dates == ("2017-06-26", "2017-10-24", "2018-02-21")


def protocol_mse(path: Path, columns: list[str], lookback: int, horizon: int) -> tuple[int, float]:
    """Test windows and MSE of the last value by the definition, window by window."""
    values = pd.read_csv(path)[columns].to_numpy()
    month = 30 * 24
    values = (values - values[: 12 * month].mean(axis=0)) / values[: 12 * month].std(axis=0)
    origins = range(16 * month, 20 * month - horizon + 1)
    errors = [
        np.mean((values[origin - 1] - values[origin : origin + horizon]) ** 2) for origin in origins
    ]
    return len(errors), float(np.mean(errors))


@pytest.mark.parametrize("name", ["ot-24", "multivariate-96"])
def test_the_windows_of_a_recipe_are_those_of_the_protocol(name, ett):
    params = accuracy.load_recipe(name)
    windows, config = accuracy.load_task(ett, params)
    count, naive = protocol_mse(
        ett, list(config.targets), params.window.lookback, params.window.horizon
    )
    assert len(windows.splits["test"]) == count
    last = [
        np.square(
            np.tile(batch.X[:, -1, list(config.target_indices)], (1, windows.horizon)) - batch.y
        ).mean(axis=1)
        for batch in windows.batches("test", 2048)
    ]
    assert np.concatenate(last).mean() == pytest.approx(naive, rel=1e-5)


def test_one_epoch_of_a_recipe_gives_its_errors(ett):
    params = accuracy.load_recipe("pointwise-24")
    windows, config = accuracy.load_task(ett, params)
    trained = train(config, windows, params.train.model_copy(update={"max_epochs": 1}))
    errors = accuracy.errors(SavedModel(config, "", "", trained.best), windows, "test")
    batch = windows.gather("test")
    forecast = SavedModel(config, "", "", trained.best).predict(batch.X)
    assert errors["test_mse"] == pytest.approx(np.square(forecast - batch.y).mean(), rel=1e-4)
    assert errors["test_mse"] < 2 * errors["test_naive_mse"]
