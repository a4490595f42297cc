"""The whole pipeline under DVC, in a temporary clone with tiny params."""

import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

import spline_lstm
from spline_lstm.__main__ import main
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import WALL_CLOCK
from spline_lstm.experiments.git import cache_folder, find_pipeline
from spline_lstm.experiments.latency import latencies
from spline_lstm.experiments.results import COLUMNS, LATENCY, read_record
from spline_lstm.experiments.runs import Run
from spline_lstm.experiments.squared_errors import read_errors
from tests.pipeline.conftest import clone_environment
from tests.pipeline.test_readme import commands
from tests.unfinished_training import environment_of_unfinished, wait_for_checkpoint

pytestmark = pytest.mark.slow

OUTPUTS = (
    "data/predictions.parquet",
    "data/processed/meta.json",
    "data/processed/processed.npz",
    "data/processed/windows.npz",
    "data/raw/series.csv",
    "metrics/backtest.json",
    "metrics/data.json",
    "metrics/evaluate.json",
    "metrics/export.json",
    "metrics/ingest.json",
    "metrics/latency.json",
    "metrics/train.json",
    "metrics/train_time.json",
    "models/edge/model.onnx",
    "models/edge/model.tflite",
    "models/intervals.json",
    "models/preprocessor.json",
    "models/rnn/best.safetensors",
    "models/rnn/last.safetensors",
    "models/rnn/model.json",
    "plots/examples.csv",
    "plots/forecast.png",
    "plots/hours.csv",
    "plots/report.html",
    "plots/report.md",
    "plots/residuals.png",
    "plots/training.csv",
)
FORECAST = """
import sys
import numpy as np
import spline_lstm
from spline_lstm.models.jax_setup import configure_threads
configure_threads(2)
windows, model = spline_lstm.load_windows("."), spline_lstm.load_model(".")
np.save(sys.argv[1], windows.to_data_units(model.predict(windows.gather("test").X)))
"""


def stages_run(output: str) -> list[str]:
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def test_repro_writes_every_output_and_a_second_one_runs_nothing(reproduced):
    assert [name for name in OUTPUTS if not (reproduced.folder / name).is_file()] == []
    assert stages_run(reproduced.run("dvc", "repro").stdout) == []
    assert "up to date" in reproduced.run("dvc", "status", "dvc.yaml").stdout
    assert reproduced.run("git", "status", "--porcelain").stdout == ""


def test_metrics_are_those_of_the_predictions(reproduced):
    scores = json.loads((reproduced.folder / "metrics/evaluate.json").read_text())
    table = pd.read_parquet(reproduced.folder / "data/predictions.parquet").dropna()
    error = (table["y_pred"] - table["y_true"]).to_numpy()
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    assert scores["mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-5)
    assert (
        table["timestamp"] - table["origin"] == (table["step"] - 1) * pd.Timedelta("5min")
    ).all()


@pytest.mark.parametrize("file", ["model.onnx", "model.tflite"])
def test_exported_files_forecast_from_raw_history_what_the_forecaster_does(reproduced, file):
    path = reproduced.folder / "models/edge" / file
    command = [sys.executable, "-m", "spline_lstm", "predict", str(path), "data/raw/series.csv"]
    found = pd.read_csv(io.StringIO(reproduced.run(*command).stdout)).drop(
        columns=["series", "timestamp"]
    )
    expected = spline_lstm.Forecaster.load(reproduced.folder).predict()
    assert found.columns.tolist() == expected.columns.tolist()
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-4)


# Here, since it needs the same repository.
def test_a_run_of_the_pipeline_holds_every_cell_and_the_forecasts_behind_it(reproduced):
    pipeline = find_pipeline(reproduced.folder)
    shown = json.loads(reproduced.run("dvc", "exp", "show", "--json").stdout)[1]
    record = read_record(shown, pipeline, shown["rev"], Run("lstm", "univariate", 42), "onnx")
    assert set(record.cells) == {*COLUMNS} - {"notes"}
    # The latency is measured for all runs together.
    missing = {column for column, value in record.cells.items() if value is None}
    assert missing == set(LATENCY)
    params = load_params(reproduced.folder).compare
    cache = cache_folder(pipeline)
    measured = latencies(pipeline, cache, shown["rev"], [record], params)[record.run.name]
    assert (measured.p50_ms > 0).all()
    assert len(measured.p50_ms) == params.latency_rounds
    # Reading checks that the forecasts give the RMSE of the metrics.
    errors = read_errors(pipeline, cache_folder(pipeline), [record], sorted(record.baselines))
    assert set(errors.squared) == {
        record.run.name,
        *(f"{name} univariate" for name in record.baselines),
    }
    naive = (errors.squared["naive univariate"].sum() / errors.counts.sum()) ** 0.5
    assert naive == pytest.approx(record.baselines["naive"]["RMSE"], rel=1e-5)


def drawn(clone, *command: str) -> dict[str, pd.DataFrame]:
    """Plot of the root's dvc.yaml -> the values that DVC draws, as texts."""
    shown = json.loads(clone.run("dvc", "plots", *command, "--json").stdout)
    # The other pipelines have not run in the clone.
    assert [
        error for error in shown.get("errors", []) if not error["name"].startswith("pipelines/")
    ] == []
    return {
        name.removeprefix("dvc.yaml::"): pd.DataFrame(
            entries[0]["content"]["data"]["values"], dtype=str
        )
        for name, entries in shown["data"].items()
        if name.startswith("dvc.yaml::")
    }


def test_plots_show_draws_each_column_as_one_line_of_numbers(reproduced, tmp_path):
    plots = {
        name: entry
        for item in YAML(typ="safe").load(reproduced.folder / "dvc.yaml")["plots"]
        if isinstance(item, dict)
        for name, entry in item.items()
    }
    found = drawn(reproduced, "show")
    assert set(plots) == set(found)
    for name, entry in plots.items():
        ((path, columns),) = entry["y"].items()
        table, values = pd.read_csv(reproduced.folder / path), found[name]
        for column in [columns] if isinstance(columns, str) else columns:
            # Of several columns DVC makes one, with the name of the line beside it.
            several = "field" in values
            line = values[values["field"] == column] if several else values
            x, y = line[entry["x"]], line["dvc_inferred_y_value" if several else column]
            # An empty text would be drawn as 0; nan is not drawn.
            assert not {*x, *y} & {""}, name
            np.testing.assert_array_equal(y.astype(float), table[column], name)
            np.testing.assert_array_equal(x.astype(float), table[entry["x"]], name)
            assert x.astype(float).notna().all(), name
            # A line that goes back would be several in one.
            assert (
                entry["template"] in ("scatter", "bar_horizontal")
                or x.astype(float).is_monotonic_increasing
            )
    reproduced.run("dvc", "plots", "show", "--out", str(tmp_path / "page"))
    page = (tmp_path / "page/index.html").read_text(encoding="utf-8")
    assert all(entry["title"] in page for entry in plots.values())
    pictures = {path.name for path in (tmp_path / "page/static").glob("workspace_plots_*.png")}
    assert pictures == {
        f"workspace_plots_{path.name}" for path in (reproduced.folder / "plots").glob("*.png")
    }
    assert pictures


def test_plots_diff_draws_both_revisions(reproduced, tmp_path):
    copy = shutil.copytree(reproduced.folder, tmp_path / "clone", symlinks=True)
    clone = replace(reproduced, folder=copy)
    path = clone.folder / "plots/examples.csv"
    before = pd.read_csv(path)
    before.assign(worst_y_pred=before["worst_y_pred"] + 1).to_csv(path, index=False, na_rep="nan")
    values = drawn(clone, "diff", "HEAD")["Forecast, worst window"]
    assert set(values["rev"]) == {"HEAD", "workspace"}
    line = values[values["field"] == "worst_y_pred"].astype({"dvc_inferred_y_value": float})
    old, new = (
        line.loc[line["rev"] == rev, "dvc_inferred_y_value"].to_numpy()
        for rev in ("HEAD", "workspace")
    )
    assert len(old) == len(before)
    np.testing.assert_allclose(new, old + 1)
    clone.run("dvc", "plots", "diff", "HEAD", "--out", str(tmp_path / "page"))
    page = (tmp_path / "page/index.html").read_text(encoding="utf-8")
    assert "Worst test window by RMSE" in page
    assert '"rev": "HEAD"' in page
    assert '"rev": "workspace"' in page


SERVE = """
import sys
import pandas as pd
import spline_lstm
history = pd.read_csv("data/raw/series.csv", na_values=["nil"])
before = pd.to_datetime(history["datetime"], utc=True) < pd.Timestamp(sys.argv[1])
spline_lstm.Forecaster.load(".").predict(history[before]).to_parquet(sys.argv[2])
"""


def test_a_loaded_forecaster_gives_the_stored_forecast_bit_by_bit(reproduced, tmp_path):
    rows = pd.read_parquet(reproduced.folder / "data/predictions.parquet")
    last = rows[rows["origin"] == rows["origin"].max()].sort_values("step")
    # In a process of its own, compiled as the stages are.
    path = tmp_path / "forecast.parquet"
    reproduced.run(sys.executable, "-c", SERVE, last["origin"].iloc[0].isoformat(), str(path))
    forecast = pd.read_parquet(path)
    assert forecast.index.get_level_values("timestamp").tolist() == last["timestamp"].tolist()
    np.testing.assert_array_equal(forecast["glucose"].to_numpy(), last["y_pred"].to_numpy())


def test_public_functions_read_the_folder_and_give_the_pipelines_forecasts(reproduced, tmp_path):
    # In a process of its own, compiled as the stages are: the forecasts are to be equal bit by bit.
    reproduced.run(sys.executable, "-c", FORECAST, str(tmp_path / "forecast.npy"))
    table = pd.read_parquet(reproduced.folder / "data/predictions.parquet")
    np.testing.assert_array_equal(
        np.load(tmp_path / "forecast.npy").reshape(-1), table["y_pred"].to_numpy()
    )
    windows = spline_lstm.load_windows(reproduced.folder)
    batch = windows.gather("test")
    truth = windows.to_data_units(batch.y).reshape(-1)
    counted = batch.mask.reshape(-1)
    np.testing.assert_allclose(truth[counted], table["y_true"].to_numpy()[counted], rtol=1e-6)


def test_change_of_an_export_only_file_runs_export_and_benchmark_alone(reproduced):
    path = reproduced.folder / "spline_lstm/export/onnx_export.py"
    former = path.read_text()
    path.write_text(former + "\n# changed\n")
    try:
        planned = reproduced.run("dvc", "repro", "--dry").stdout
    finally:
        path.write_text(former)
    # Without a run DVC cannot know whether the exported files would change, so it also plans what
    # depends on them.
    assert stages_run(planned)[0] == "export"
    assert set(stages_run(planned)) <= {"export", "benchmark"}


def lock_of(folder) -> dict[str, str]:
    content = YAML(typ="safe").load((folder / "dvc.lock").read_text())
    outs = [out for stage in content["stages"].values() for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if not out["path"].endswith(WALL_CLOCK)}


def test_killed_training_leaves_no_trace_in_the_result(reproduced, tmp_path):
    clone, unbroken = (
        replace(
            reproduced, folder=shutil.copytree(reproduced.folder, tmp_path / name, symlinks=True)
        )
        for name in ("killed", "unbroken")
    )
    for each in (clone, unbroken):
        each.edit("params.yaml", ("max_epochs: 1\n", "max_epochs: 5\n"))
    unbroken.run("dvc", "repro", "evaluate")
    before = lock_of(clone.folder)
    training = subprocess.Popen(
        ["dvc", "repro", "evaluate"],
        cwd=clone.folder,
        env=clone_environment() | environment_of_unfinished(tmp_path / "waiting"),
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    # It is written after the first epoch.
    checkpoints = clone.folder / ".cache/training"
    wait_for_checkpoint(checkpoints, training)
    os.killpg(training.pid, signal.SIGKILL)
    training.wait()
    training.stdout.close()
    assert list(checkpoints.glob("[!.]*.safetensors"))
    assert not (clone.folder / "metrics/train.json").exists()
    clone.run("dvc", "repro", "evaluate")
    found = lock_of(clone.folder)
    assert found == lock_of(unbroken.folder)
    for name in ("models/rnn/best.safetensors", "data/predictions.parquet"):
        assert found[name] != before[name]


def test_failing_stage_leaves_the_artefacts_of_the_stages_after_it(reproduced, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(reproduced.folder, folder)
    clone = replace(reproduced, folder=folder)
    (folder / "data/source/own.csv").write_text("datetime,isig\n")
    clone.edit("params.yaml", ("source: bokeh_sampledata/CGM", "source: data/source/own.csv"))
    done = clone.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert "12 data contract" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "models/edge/model.onnx").read_bytes() == (
        reproduced.folder / "models/edge/model.onnx"
    ).read_bytes()
    (folder / "data/source/own.csv").unlink()
    clone.run("git", "checkout", "--", ".")
    clone.run("dvc", "checkout", "dvc.yaml")
    assert "up to date" in clone.run("dvc", "status", "dvc.yaml").stdout


SPLINE = ["python", "-m", "spline_lstm"]
# They run in the process of the test; the others are compiled as the stages are.
THAT_COMPUTE_NOTHING = ("check", "show", "predict", "registry")


def test_every_command_of_the_readme_works_in_the_order_it_stands(reproduced, monkeypatch):
    assert len(commands()) >= 5
    monkeypatch.chdir(reproduced.folder)
    told = {}
    for command in commands():
        words = shlex.split(command)
        if words[:3] == SPLINE and words[3] in THAT_COMPUTE_NOTHING:
            assert main(words[3:]) == 0
        else:
            told[command] = reproduced.run(*words).stdout
    reproduced.run("git", "checkout", "--", ".")
    reproduced.run("dvc", "checkout", "dvc.yaml")
    # An experiment runs train and what follows, and nothing before.
    (ran,) = (stages_run(text) for command, text in told.items() if "exp run" in command)
    # DVC runs the backtest, which needs no trained network, before or after the training.
    assert next(name for name in ran if name != "backtest") == "train-flax-rnn"
    assert sorted(ran) == [
        "backtest",
        "benchmark",
        "evaluate",
        "export",
        "report",
        "train-flax-rnn",
    ]
    shown = json.loads(reproduced.run("dvc", "exp", "show", "--json").stdout)
    assert "wide" in json.dumps(shown)
    assert "wide" in reproduced.run("dvc", "exp", "show", "--only-changed", "--csv").stdout
