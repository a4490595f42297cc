"""The evaluation of a panel in partitions by tasks: the bytes of one pass over all windows."""

import json
import shutil
from dataclasses import fields
from hashlib import sha256

import jax
import numpy as np
import pytest
from flax import nnx

from spline_lstm.core.errors import DivergedError
from spline_lstm.core.parallel import ENGINES
from spline_lstm.core.params import Params, RunParams, load_params, with_values
from spline_lstm.core.params_file import params_text
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation import forecast_batches, parts
from spline_lstm.evaluation.forecast_scores import forecast_tables, score_forecasts
from spline_lstm.models.build import build, to_arrays
from spline_lstm.models.config import model_config
from spline_lstm.models.saved_model import load_model, save_model
from spline_lstm.series import preprocess_folder
from spline_lstm.windows.array_files import load_arrays
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import load_windows
from stages import ingest, preprocess, window
from tests.core import small_panel

IN_PASS, IN_PARTS = RunParams(workers=1), RunParams(workers=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight short series in partitions, with an untrained network."""
    folder = tmp_path_factory.mktemp("parts") / "panel"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preprocess_folder, "draw", lambda folder, result: None)
        patch.setitem(ENGINES, "local", ("tests.in_process", "in_process"))
        small_panel.hashes(folder, RunParams(workers=1))
        values = {**small_panel.VALUES, "model.hidden": [3], "evaluate.season": 3}
        (folder / "params.yaml").write_text(params_text(with_values(Params(), values, "test")))
        for stage in (ingest, preprocess, window):
            stage.main(folder)
    params, windows = load_params(folder), load_windows(folder)
    preprocessor = Preprocessor.load(Pipeline(folder).preprocessor)
    config = model_config(params, windows, preprocessor)
    weights = to_arrays(nnx.state(build(config, key=jax.random.key(0)), nnx.Param))
    run_id = preprocessor.run_id
    save_model(folder, config, best=weights, last=weights, preprocessor_run_id=run_id)
    return folder


@pytest.fixture
def _small_parts(monkeypatch):
    """Batches of six windows, two of them in a part."""
    monkeypatch.setattr(forecast_batches, "WINDOWS_PER_BATCH", 6)
    monkeypatch.setattr(parts, "PART_WINDOWS", 12)
    monkeypatch.setitem(ENGINES, "local", ("tests.in_process", "in_process"))


def evaluated(folder, run, plots):
    """Metrics, and the hash of each file."""
    params = load_params(folder).model_copy(update={"run": run})
    windows = load_windows(folder)
    assert parts.is_in_parts(folder, windows, params) == (run == IN_PARTS)
    scores = score_forecasts(folder, load_model(folder), windows, params)
    plots.mkdir()
    forecast_tables(plots, scores)
    files = [Pipeline(folder).predictions, *sorted(plots.iterdir())]
    hashes = {path.name: sha256(path.read_bytes()).hexdigest() for path in files}
    return json.dumps([scores.content, scores.intervals]), hashes


@pytest.mark.usefixtures("_small_parts")
def test_parts_give_the_bytes_of_one_pass(folder, tmp_path):
    count = len(load_windows(folder).splits["test"])
    assert count > 20
    assert count % 12
    expected = evaluated(folder, IN_PASS, tmp_path / "pass")
    assert evaluated(folder, IN_PARTS, tmp_path / "parts") == expected
    assert not [*(folder / "data").glob(".tmp-*")]


@pytest.mark.usefixtures("_small_parts")
def test_arrays_in_memory_give_the_same_metrics_and_predictions(folder, tmp_path):
    expected = evaluated(folder, IN_PASS, tmp_path / "mapped")
    shutil.copytree(folder, tmp_path / "plain")
    plain, arrays = Pipeline(tmp_path / "plain"), load_arrays(Pipeline(folder))
    whole = {item.name: np.asarray(getattr(arrays, item.name)) for item in fields(arrays)}
    AsOfArrays(**whole).save(plain.processed)
    shutil.rmtree(plain.array_folder)
    assert evaluated(plain.folder, IN_PASS, tmp_path / "in memory") == expected


@pytest.mark.usefixtures("_small_parts")
def test_what_fails_in_a_part_names_its_windows_and_leaves_the_old_file(folder, monkeypatch):
    predictions = Pipeline(folder).predictions
    predictions.write_bytes(b"old")

    def fail(job):
        raise DivergedError("a number is missing")

    monkeypatch.setattr(parts, "run_part", fail)
    params = load_params(folder).model_copy(update={"run": IN_PARTS})
    with pytest.raises(DivergedError, match="test windows 0 to 11: a number is missing"):
        score_forecasts(folder, load_model(folder), load_windows(folder), params)
    assert predictions.read_bytes() == b"old"
    assert not [*(folder / "data").glob(".tmp-*")]


@pytest.mark.slow
def test_processes_change_no_byte(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_WINDOWS", 20)
    found = []
    for workers in (2, 3):
        run = RunParams(workers=workers)
        monkeypatch.setattr("tests.evaluation.test_parts.IN_PARTS", run)
        found.append(evaluated(folder, run, tmp_path / str(workers)))
    assert found[0] == found[1]
