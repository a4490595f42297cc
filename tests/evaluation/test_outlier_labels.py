"""Outliers that preprocessing replaces: what is learned from them, and how they are scored."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.params import Params
from spline_lstm.evaluation.forecast_scores import ForecastScores, forecast_scores
from spline_lstm.evaluation.scales import training_std_of
from spline_lstm.inference.arguments import params_of
from spline_lstm.training.fit import Fit, fit_table
from spline_lstm.training.linear import series_of
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.windows import scaled_targets
from tests.builders import hours, make_schema, make_table

ROWS, SPIKE = 1500, 60.0
# One in each split.
SPIKES = (700, 1180, 1400)
SCHEMA = make_schema()
CHANGES = {
    "preprocess.outliers.window": 48,
    "window.lookback": 24,
    "window.horizon": 3,
    "model.hidden": [8],
    "model.linear_skip": "none",
    "train.max_epochs": 6,
    "evaluate.season": 24,
}


def spiky_table():
    """A noisy daily wave with one spike in each split."""
    rows = np.arange(ROWS)
    values = np.sin(rows * 2 * np.pi / 24) + 0.1 * np.random.default_rng(3).normal(size=ROWS)
    values[list(SPIKES)] += SPIKE
    return make_table({"": (hours(ROWS), values)})


def params_with(method: str, **changes) -> Params:
    return params_of(None, CHANGES | {"preprocess.outliers.method": method} | changes)


def fitted(method: str, **changes) -> Fit:
    return fit_table(spiky_table(), SCHEMA, params_with(method, **changes), where="spikes")


def scored(fit: Fit, method: str, folder) -> tuple[ForecastScores, pd.DataFrame]:
    path = folder / f"{method}.parquet"
    scores = forecast_scores(
        fit.model, fit.windows, params_with(method).evaluate, predictions=path, series_names=[""]
    )
    return scores, pd.read_parquet(path)


@pytest.fixture(scope="module")
def linear():
    """Fitted without a network, with outliers replaced."""
    return fitted("replace", **{"model.type": "linear"})


def test_replaced_labels_are_not_learned_from(linear):
    arrays, windows = linear.windows.arrays, linear.windows
    assert np.flatnonzero(arrays.replaced[:, 0]).tolist() == list(SPIKES)
    np.testing.assert_array_equal(arrays.counted, arrays.observed & ~arrays.replaced)
    _, counted = scaled_targets(windows)
    assert not counted[list(SPIKES)].any()
    batch = windows.gather("validation")
    touched = (batch.origin[:, None] + np.arange(3) == SPIKES[1]).reshape(batch.mask.shape)
    assert not batch.mask[touched].any()
    assert batch.mask[~touched].all()
    assert np.abs(batch.y).max() < 5
    assert np.isnan(series_of(windows, 0).values[list(SPIKES)]).all()


def test_replaced_labels_remain_the_truth_that_is_reported(linear):
    windows = linear.windows
    assert np.nanmax(windows.labels(windows.gather("test"))) > SPIKE / 2
    assert np.nanmax(windows.counted_labels(windows.gather("test"))) < SPIKE / 2


def test_the_spread_of_a_target_is_that_of_its_values_without_replaced_outliers(linear):
    training = spiky_table().values[: SPIKES[1] - 200, 0]
    clean = np.delete(training, SPIKES[0])
    assert training_std_of(linear.windows)[0] == pytest.approx(clean.std(), rel=0.02)


def test_arrays_name_replaced_labels_only_if_there_can_be_some(linear, tmp_path):
    with_some, without = linear.windows.arrays, fitted("mark", **{"model.type": "linear"})
    for arrays in (with_some, without.windows.arrays):
        arrays.save(tmp_path / "arrays.npz")
        stored = np.load(tmp_path / "arrays.npz").files
        assert ("replaced" in stored) == (arrays is with_some)
        read = AsOfArrays.load(tmp_path / "arrays.npz")
        np.testing.assert_array_equal(read.counted, arrays.counted)


def test_scores_are_given_with_and_without_replaced_labels(linear, tmp_path):
    scores, table = scored(linear, "replace", tmp_path)
    clean = scores.content["without_outliers"]
    spikes = table["y_true"].abs() > SPIKE / 2
    squares = (table["y_pred"] - table["y_true"]) ** 2
    # Each of the three steps forecasts the spike once.
    assert (clean["labels"], clean["replaced"]) == (len(table), spikes.sum()) == (len(table), 3)
    assert clean["rmse"] == pytest.approx(np.sqrt(squares[~spikes].mean()), rel=1e-6)
    assert scores.content["rmse"] == pytest.approx(np.sqrt(squares.mean()), rel=1e-6)
    naive = (table["naive"] - table["y_true"])[~spikes]
    assert clean["baselines"]["naive"] == pytest.approx(np.sqrt((naive**2).mean()), rel=1e-6)
    assert f"3 of {len(table)} test labels are outliers that were replaced" in clean["sentence"]


@pytest.mark.slow
@pytest.mark.parametrize("skip", ["none", "frozen"])
def test_to_replace_spikes_is_not_worse_on_clean_labels_than_to_learn_them(skip, tmp_path):
    rmse, losses = {}, {}
    for method in ("off", "replace"):
        fit = fitted(method, **{"model.linear_skip": skip})
        _, table = scored(fit, method, tmp_path)
        clean = table["y_true"].abs() < SPIKE / 2
        rmse[method] = float(((table["y_pred"] - table["y_true"])[clean] ** 2).mean() ** 0.5)
        losses[method] = fit.trained.best_losses.validation_loss
    assert rmse["replace"] <= rmse["off"]
    # In z-scores of a noisy wave whose noise has a standard deviation of 0.14 of its own.
    assert losses["replace"] < 0.5
