"""The linear forecaster as a type of model: from raw rows to evaluation and exported files."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spline_lstm.cli.tune import check_tunable
from spline_lstm.core.errors import ParamsError, TooLittleDataError
from spline_lstm.core.params import load_params
from spline_lstm.core.yaml_files import render_params
from spline_lstm.export.spec import load_spec
from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.inference.forecaster import Forecaster
from spline_lstm.models.linear_designs import Design, candidates
from spline_lstm.models.linear_fit import fit_linear
from spline_lstm.models.linear_moments import Series
from spline_lstm.models.linear_targets import array_shapes
from spline_lstm.models.saved_model import load_model
from spline_lstm.models.types import MODEL_TYPES, check_types
from spline_lstm.training.linear import fit_target, seasons_within, series_of
from spline_lstm.windows.windows import load_windows
from stages import backtest, benchmark, evaluate, export, ingest, preprocess, report, train_flax_rnn
from stages import window as window_stage
from tests.builders import ROOT, make_all_windows, make_arrays
from tests.small_pipeline import SCHEMA, VALUES, table

# Of a run, no test here looks at the pictures.
pytestmark = pytest.mark.usefixtures("no_pictures")

LOOKBACK, HORIZON = 30, 3
OPTIONS = VALUES | {
    "model.type": "linear",
    "window.lookback": LOOKBACK,
    "backtest.folds": 2,
    "export.golden_windows": 64,
    "benchmark.calls": 100,
}


def regular_table() -> str:
    """Daily waves of two sites, positive, every hour, two targets."""
    rng = np.random.default_rng(3)
    rows = ["site,time,load,heat"]
    for index, site in enumerate(("north", "south")):
        drift = np.cumsum(rng.normal(size=700)) * 0.05
        for hour in range(700):
            wave = np.sin(2 * np.pi * hour / 24)
            load = 20 + 3 * wave + 8 * index + drift[hour] + 0.4 * rng.normal()
            heat = -5 + 9 * wave + rng.normal()
            day = f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00"
            rows.append(f"{site},{day},{load:.3f},{heat:.3f}")
    return "\n".join(rows) + "\n"


def make_pipeline(folder, text, **changes):
    """Write params, schema and table, and run the stages up to training."""
    folder.mkdir(exist_ok=True)
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(params, OPTIONS | changes), encoding="utf-8")
    (folder / "schema.json").write_text(SCHEMA, encoding="utf-8")
    (folder / "table.csv").write_text(text, encoding="utf-8")
    for stage in (ingest, preprocess, window_stage, train_flax_rnn):
        stage.main(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Trained, evaluated, exported and through the gate."""
    path = make_pipeline(tmp_path_factory.mktemp("linear") / "p", regular_table())
    for stage in (evaluate, export, benchmark, report):
        stage.main(path)
    return path


def metrics(folder, name):
    return json.loads((folder / "metrics" / f"{name}.json").read_text())


def forecasts(folder, split="test"):
    model, windows = load_model(folder), load_windows(folder)
    batch = windows.gather(split)
    history = windows.history(batch)
    return data_unit_outputs(model, batch, windows.target_scaler, batch.series, history).point


@pytest.mark.parametrize("scope", ["global", "per_series"])
def test_forecasts_are_those_of_fit_linear_at_the_origins(tmp_path, scope):
    folder = make_pipeline(tmp_path / "p", regular_table(), **{"preprocess.scaler_scope": scope})
    windows, found = load_windows(folder), forecasts(folder)
    arrays = windows.arrays
    training = arrays.timestamps < arrays.split_instants[0]
    for index in range(2):
        values = arrays.raw_target[:, index]
        series = Series(values, arrays.series_offsets, training, pooled=scope == "global")
        rows = int(training.sum()) // 2
        every = candidates(HORIZON, 4 * HORIZON, [24], rows)
        # With enough validation windows also short ones.
        every += [Design(LOOKBACK), Design(2), Design(HORIZON), Design(2 * HORIZON)]
        # Also before the first full window of each series.
        early = [start + np.arange(2, LOOKBACK) for start in arrays.series_offsets[:-1]]
        fitted = fit_linear(
            series,
            np.union1d(np.concatenate(early), windows.splits["train"]),
            windows.splits["validation"],
            horizon=HORIZON,
            lookback=LOOKBACK,
            seasons=[24],
            designs=[design for design in every if design.depth(HORIZON) <= LOOKBACK],
        )
        test = windows.splits["test"]
        expected = fitted.predict(series.windows(test, fitted.depth), series.of(test))
        np.testing.assert_allclose(found[..., index], expected, rtol=1e-5, atol=1e-5)


def test_the_season_of_the_lookback_is_found_and_the_kernel_has_its_rows(folder):
    windows = load_windows(folder)
    assert seasons_within(series_of(windows, 0), windows) == (24,)
    fitted = fit_target(windows, 0)
    assert fitted.kernel.shape[1:] == (LOOKBACK, HORIZON)
    assert any("24" in name for name, _ in fitted.members)


def test_training_writes_one_evaluation_and_the_members(folder):
    content = metrics(folder, "train")
    assert (content["model_type"], content["steps"], content["best_step"]) == ("linear", 0, 0)
    assert {item["target"] for item in content["members"]} == {"load", "heat"}
    weights = [item["weight"] for item in content["members"] if item["target"] == "heat"]
    assert sum(weights) == pytest.approx(1.0)
    curve = pd.read_csv(folder / "plots/training.csv")
    assert curve["validation_loss"].tolist() == [
        pytest.approx(content["validation_loss"], rel=1e-4)
    ]
    best, last = ((folder / f"models/rnn/{n}.safetensors").read_bytes() for n in ("best", "last"))
    assert best == last


def test_evaluation_has_intervals_and_beats_naive(folder):
    scores = metrics(folder, "evaluate")
    assert scores["rmse"] < metrics(folder, "baselines")["naive"]["rmse"]
    assert "coverage" in json.dumps(scores)


def test_another_seed_changes_nothing(folder, tmp_path):
    other = make_pipeline(tmp_path / "p", regular_table(), **{"train.seed": 7})
    for name in ("best.safetensors", "model.json"):
        assert (folder / "models/rnn" / name).read_bytes() == (
            other / "models/rnn" / name
        ).read_bytes()


def test_another_process_forecasts_the_same_bits(folder):
    code = (
        "import hashlib, sys\n"
        "from tests.training.test_linear import forecasts\n"
        "from pathlib import Path\n"
        "print(hashlib.sha256(forecasts(Path(sys.argv[1])).tobytes()).hexdigest())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert found == hashlib.sha256(forecasts(folder).tobytes()).hexdigest()


def test_exported_files_pass_the_gate(folder):
    files = {item["file"]: item for item in metrics(folder, "export")["files"]}
    assert files["model.onnx"]["max_abs_diff"] < 1e-4
    assert files["model.tflite"]["max_abs_diff"] < 1e-4
    assert not {"LSTM", "GRU", "Loop"} & files["model.onnx"]["operators"].keys()


@pytest.mark.usefixtures("jobs_in_this_process")
def test_gaps_and_both_targets_go_through_every_stage(tmp_path):
    folder = make_pipeline(tmp_path / "p", table())
    for stage in (evaluate, export, backtest):
        stage.main(folder)
    assert metrics(folder, "evaluate")["rmse"] > 0
    assert len(metrics(folder, "backtest")["folds"]) == 2


def test_arrays_of_other_shapes_are_not_exported(folder):
    spec = load_spec(folder)
    assert {name: value.shape for name, value in spec.weights.items()} == array_shapes(
        spec.config, spec.weights
    )
    longer = dataclasses.replace(spec.config, lookback=LOOKBACK + 1)
    assert array_shapes(longer, spec.weights)["0.kernel"] != spec.weights["0.kernel"].shape


def test_a_window_without_labels_of_a_target_is_refused():
    windows = make_all_windows(make_arrays())
    windows.arrays.raw_target[:] = np.nan
    with pytest.raises(TooLittleDataError, match="has no observed label in the train split"):
        fit_target(windows, 0)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("train", {"loss": "mae"}, r"train\.loss = 'mae': with model\.type linear .* 'mse'"),
        ("train", {"ensemble_size": 3}, r"train\.ensemble_size = 3: with model\.type linear"),
        ("model", {"quantiles": (0.1, 0.5, 0.9)}, r"model\.quantiles = .*with model\.type linear"),
        ("model", {"bidirectional": True}, r"model\.bidirectional = True: with model\.type linear"),
    ],
)
def test_options_of_networks_are_refused(section, change, message):
    params = load_params(ROOT)
    params = params.model_copy(update={"model": MODEL_TYPES["linear"].defaults})
    check_types(params)
    changed = getattr(params, section).model_copy(update=change)
    with pytest.raises(ParamsError, match=message) as error:
        check_types(params.model_copy(update={section: changed}))
    assert error.value.exit_code == 10


def test_there_is_nothing_to_tune():
    params = load_params(ROOT).model_copy(update={"model": MODEL_TYPES["linear"].defaults})
    with pytest.raises(ParamsError, match=r"model\.type = 'linear'.*nothing to tune; set one of l"):
        check_tunable(params)


def test_a_forecaster_fits_saves_and_loads_it(tmp_path):
    rng = np.random.default_rng(0)
    hours = np.arange(500)
    frame = pd.DataFrame(
        {
            "timestamp": pd.date_range("2024-01-01", periods=500, freq="h", tz="UTC"),
            "y": 50 + 5 * np.sin(hours * np.pi / 12) + rng.normal(size=500),
        }
    )
    forecaster = Forecaster("y", model="linear", lookback=30, horizon=4).fit(frame)
    found = forecaster.predict()
    assert found["y_lower_95"].lt(found["y"]).all()
    np.testing.assert_allclose(
        found["y"], 50 + 5 * np.sin(np.arange(500, 504) * np.pi / 12), atol=3.0
    )
    forecaster.save(tmp_path)
    pd.testing.assert_frame_equal(Forecaster.load(tmp_path).predict(), found)
    with pytest.raises(ValueError, match="a model of type linear forecasts data units"):
        forecaster.model_.predict(np.zeros((1, 30, 1)))
