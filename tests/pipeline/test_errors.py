"""Bad input at the stages: one line on stderr, the documented exit code, earlier outputs intact."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.pipeline.conftest import Clone, clone_environment
from tools.import_closure import ROOT

HEADER = "isig,datetime,glucose\n"


def good_rows(count=400):
    times = (
        f"2024-01-{1 + i // 288:02d}T{i // 12 % 24:02d}:{i % 12 * 5:02d}:00" for i in range(count)
    )
    return [f"10.{i % 10},{time},{100 + i % 50}" for i, time in enumerate(times)]


def broken(change):
    rows = good_rows()
    change(rows)
    return (HEADER + "\n".join(rows) + "\n").encode()


def swap(rows):
    rows[9], rows[10] = rows[10], rows[9]


def text_in_target(rows):
    rows[20] = rows[20].rsplit(",", 1)[0] + ",high"


class Folder(Clone):
    """A pipeline folder outside the repository; stages run at the repository's root."""

    def stage(self, name, **environment):
        command = ["python", "-m", f"stages.{name}", str(self.folder)]
        surroundings = clone_environment() | self.surroundings | environment
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=surroundings)


@pytest.fixture
def folder(tmp_path, warm):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "data/source").mkdir(parents=True)
    return Folder(tmp_path, warm)


CASES = {
    "no target column": (
        HEADER.replace("glucose", "sugar").encode() + b"1,2024-01-01T00:00:00,5\n",
        12,
        "'glucose'",
    ),
    "unsorted timestamps": (broken(swap), 12, "row 12: timestamp"),
    "text in the target": (broken(text_in_target), 12, "row 22: column 'glucose' contains 'high'"),
    "empty file": (b"", 12, "the file is empty"),
    "binary file": (bytes(range(256)) * 40, 12, "binary"),
    "missing file": (None, 12, "no such file"),
    "no required covariate": (b"datetime,glucose\n2024-01-01T00:00:00,5\n", 13, "'isig'"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_table_ends_ingest_with_one_line_and_leaves_outputs_alone(folder, case):
    content, code, part = CASES[case]
    if content is not None:
        (folder.folder / "data/source/own.csv").write_bytes(content)
    folder.edit("params.yaml", ("source: bokeh_sampledata/CGM", "source: data/source/own.csv"))
    kept = {"data/raw/series.csv": b"former table"}
    stale = {"metrics/ingest.json": b"{}", "metrics/evaluate.json": b"{}"}
    for name, former in {**kept, **stale}.items():
        (folder.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.folder / name).write_bytes(former)
    done = folder.stage("ingest")
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"{code} ")
    assert part in done.stderr
    assert {name: (folder.folder / name).read_bytes() for name in kept} == kept
    # Figures of an earlier table do not stay beside the failure.
    assert not (folder.folder / "metrics/evaluate.json").exists()
    violations = folder.folder / "metrics/ingest.json"
    assert not violations.exists() or json.loads(violations.read_text())["violations"]


def with_parquet(folder):
    times = pd.date_range("2024-01-01", periods=400, freq="5min")
    frame = pd.DataFrame({"datetime": times, "glucose": np.arange(400.0), "isig": 1.0})
    frame.to_parquet(folder.folder / "data/source/own.bin")
    folder.edit("params.yaml", ("source: bokeh_sampledata/CGM", "source: data/source/own.bin"))
    return frame


def test_a_parquet_source_stays_parquet_up_to_the_arrays(folder):
    frame = with_parquet(folder)
    assert folder.stage("ingest").returncode == 0
    raw = folder.folder / "data/raw/series.parquet"
    assert raw.read_bytes() == (folder.folder / "data/source/own.bin").read_bytes()
    assert [path.name for path in raw.parent.iterdir()] == ["series.parquet"]
    assert folder.stage("preprocess").returncode == 0
    with np.load(folder.folder / "data/processed/processed.npz") as arrays:
        np.testing.assert_array_equal(arrays["raw_target"][:, 0], frame["glucose"])
        np.testing.assert_array_equal(
            arrays["timestamps"], frame["datetime"].astype("datetime64[ns]").astype("int64")
        )


def test_a_dvc_yaml_for_csv_and_a_parquet_source_are_named_by_ingest_and_check(folder):
    with_parquet(folder)
    shutil.copy(ROOT / "dvc.yaml", folder.folder)
    check = [sys.executable, "-m", "spline_lstm", "check", str(folder.folder)]
    checked = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    for done in (folder.stage("ingest"), checked):
        assert (done.returncode, len(done.stderr.splitlines())) == (15, 1)
        assert "the raw table is data/raw/series.csv there (3 places)" in done.stderr
        assert "write data/raw/series.parquet in each place" in done.stderr
    assert not (folder.folder / "data/raw").exists()
    folder.edit("dvc.yaml", ("data/raw/series.csv", "data/raw/series.parquet"))
    assert folder.stage("ingest").returncode == 0


def with_own_table(folder, rows, *edits):
    (folder.folder / "data/source/own.csv").write_text(HEADER + "\n".join(rows) + "\n")
    folder.edit(
        "params.yaml", ("source: bokeh_sampledata/CGM", "source: data/source/own.csv"), *edits
    )
    assert folder.stage("ingest").returncode == 0


def test_constant_target_ends_preprocess_with_12(folder):
    with_own_table(folder, [row.rsplit(",", 1)[0] + ",7" for row in good_rows()])
    done = folder.stage("preprocess")
    assert (done.returncode, len(done.stderr.splitlines())) == (12, 1)
    assert "constant" in done.stderr


def test_too_short_a_table_ends_window_with_14(folder):
    with_own_table(folder, good_rows(120), ("lookback: 24", "lookback: 100"))
    assert folder.stage("preprocess").returncode == 0
    done = folder.stage("window")
    assert (done.returncode, len(done.stderr.splitlines())) == (14, 1)
    assert "has no window" in done.stderr


def test_wrong_params_end_every_stage_with_10(folder):
    folder.edit("params.yaml", ("batch_size", "batch_sise"))
    for name in ("ingest", "benchmark"):
        done = folder.stage(name)
        assert (done.returncode, len(done.stderr.splitlines())) == (10, 1)
        assert "did you mean train.batch_size?" in done.stderr


def test_wrong_schema_ends_with_11_and_names_the_json_path(folder):
    path = folder.folder / "configs/covariates/glucose.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"target_cols": []}))
    done = folder.stage("ingest")
    assert (done.returncode, len(done.stderr.splitlines())) == (11, 1)
    assert "$.target_cols" in done.stderr


def test_stage_before_its_inputs_exist_ends_with_15(folder):
    done = folder.stage("window")
    assert (done.returncode, len(done.stderr.splitlines())) == (15, 1)
    assert "run `dvc repro`" in done.stderr


@pytest.mark.parametrize("argument", ["nowhere", "--help-me"])
def test_wrong_folder_ends_with_2(folder, argument):
    command = [sys.executable, "-m", "stages.window", argument]
    done = subprocess.run(
        command, cwd=folder.folder, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_debug_switch_adds_the_traceback(folder):
    done = folder.stage("window", SPLINE_LSTM_DEBUG="1")
    assert done.returncode == 15
    assert "Traceback" in done.stderr
