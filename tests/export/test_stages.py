"""The stages export and benchmark as processes on a pipeline folder."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from ruamel.yaml import YAML

from spline_lstm.core.artifacts import sha256_of_file, with_run_id
from spline_lstm.core.errors import ArtifactError, ExportError
from spline_lstm.core.params import ExportParams
from spline_lstm.export.checksum import BLANK, MARK, sealed
from spline_lstm.export.formats import exported_files
from stages import benchmark, export
from tests.export.oracle import COVARIATES, ROOT, make_golden, make_spec, with_run_ids, write_folder

MODEL = ("attention_lstm", 8, (0, 1), "revin")
# Its weights are so few that every variant would be a copy.
FILES = {"onnx": "model.onnx", "tflite": "model.tflite"}
EXPORTED = (*(f"models/edge/{name}" for name in FILES.values()), "metrics/export.json")
RUN_BENCHMARK = (
    "import sys; from stages import benchmark; from spline_lstm.core.stage import run_stage; "
    "run_stage('benchmark', benchmark.main); "
    "slow = {'jax', 'tensorflow', 'flax', 'onnx', 'tf2onnx'} & set(sys.modules); "
    "sys.exit(f'slow import: {slow}' if slow else 0)"
)


@pytest.fixture(scope="module")
def exported_folder(tmp_path_factory):
    """A folder after the stage export ran as a process; with what it printed."""
    folder = write_folder(tmp_path_factory.mktemp("exported"), make_spec(*MODEL))
    return folder, run("-m", "stages.export", folder, PYTHONHASHSEED="1")


@pytest.fixture
def folder(exported_folder, tmp_path):
    return shutil.copytree(exported_folder[0], tmp_path / "pipeline")


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def set_limit(folder, key, value, section="benchmark"):
    yaml = YAML()
    content = yaml.load(folder / "params.yaml")
    content[section][key] = value
    yaml.dump(content, folder / "params.yaml")


def metrics(folder, name):
    return json.loads((folder / "metrics" / name).read_text())


def test_export_says_one_line(exported_folder):
    _, process = exported_folder
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    (line,) = process.stderr.splitlines()
    assert line.startswith("export: model.onnx: ")


def test_export_metrics_describe_the_files_and_their_origin(exported_folder):
    folder, _ = exported_folder
    content, spec = metrics(folder, "export.json"), make_spec(*MODEL)
    assert (content["run_id"], content["preprocessor_run_id"]) == (
        spec.run_id,
        spec.preprocessor_run_id,
    )
    assert [item["file"] for item in content["files"]] == list(FILES.values())
    variants = [name for name, variant in exported_files(ExportParams()).values() if variant]
    assert content["copies_left_out"] == variants
    for item in content["files"]:
        path = folder / "models/edge" / item["file"]
        assert item["bytes"] == path.stat().st_size
        assert item["sha256"] == sha256_of_file(path)
        assert item["max_abs_diff"] < 1e-5
    assert content["files"][0]["operators"]["LSTM"] == 2


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_export_gives_the_same_bytes_in_two_processes(exported_folder, exported, suffix):
    # This process has another hash seed, and has converted other models before.
    folder, _ = exported_folder
    assert (folder / f"models/edge/model{suffix}").read_bytes() == exported(suffix, *MODEL).content


def test_failed_export_leaves_the_former_files(folder):
    previous = {name: (folder / name).read_bytes() for name in EXPORTED}
    spec = make_spec(*MODEL)
    weights = {**spec.weights, "head.bias": np.full_like(spec.weights["head.bias"], np.nan)}
    write_folder(folder, with_run_ids(replace(spec, weights=weights)), make_golden(spec))
    with pytest.raises(ExportError, match=r"model\.onnx .*not finite"):
        export.main(folder)
    assert {name: (folder / name).read_bytes() for name in EXPORTED} == previous
    assert {path.name for path in (folder / "models/edge").iterdir()} == set(FILES.values())


def test_export_refuses_golden_windows_of_another_model(folder):
    write_folder(folder, make_spec(*MODEL), make_golden(make_spec("lstm", 3, (0,))))
    with pytest.raises(ArtifactError, match=r"golden\.npz"):
        export.main(folder)


def test_export_of_artefacts_that_do_not_belong_together_ends_with_15(folder):
    path = folder / "models/preprocessor.json"
    path.write_text(json.dumps(with_run_id({**json.loads(path.read_text()), "neutral": [1.0]})))
    process = run("-m", "stages.export", folder)
    assert process.returncode == 15
    assert process.stderr.startswith("15 artefacts: ")


def test_benchmark_passes_sound_files_without_training_libraries(folder):
    process = run("-c", RUN_BENCHMARK, folder)
    assert process.returncode == 0, process.stderr
    (line,) = process.stderr.splitlines()
    assert line.startswith("benchmark: 12 golden windows; model.onnx passed: p50 ")
    content = metrics(folder, "latency.json")
    assert content["passed"]
    assert 20 < content["peak_memory_mb"] < 500
    assert content["golden_windows"] == 12
    for key, name in FILES.items():
        found = content[key]
        assert all(
            check["passed"] and check["figure"] <= check["limit"] for check in found["checks"]
        )
        assert found["size_mb"] == pytest.approx(
            (folder / f"models/edge/{name}").stat().st_size / 1e6
        )
        assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"] < 1000
        assert 20 < found["memory_mb"] <= content["peak_memory_mb"]
        assert found["checks"][1]["limit"] == (1e-3 if key in ("onnx", "tflite") else 0.1)


def test_benchmark_writes_its_verdict_and_ends_with_18_when_a_file_fails(folder):
    path = folder / "models/edge/model.tflite"
    path.write_bytes(sealed(b"no model " + MARK + BLANK.encode()))
    set_limit(folder, "max_size_mb", 1e-3)
    process = run("-m", "stages.benchmark", folder)
    assert process.returncode == 18
    (line,) = process.stderr.splitlines()
    assert line.startswith("18 gate: ")
    assert "model.onnx: size: 0.0" in line
    assert "MB, the limit is 0.001" in line
    assert "model.tflite: loads: 1 failure" in line
    content = metrics(folder, "latency.json")
    assert not content["passed"]
    assert [check["check"] for check in content["tflite"]["checks"] if not check["passed"]] == [
        "loads"
    ]
    assert [check["check"] for check in content["onnx"]["checks"] if not check["passed"]] == [
        "size"
    ]


def test_benchmark_refuses_files_exported_behind_another_preprocessor(folder):
    path = folder / "models/preprocessor.json"
    path.write_text(json.dumps(with_run_id({**json.loads(path.read_text()), "neutral": [1.0]})))
    process = run("-m", "stages.benchmark", folder)
    assert process.returncode == 15
    assert "was exported with preprocessor" in process.stderr


def test_model_with_every_input_and_output_is_exported_and_passes_the_gate(tmp_path):
    options = {**COVARIATES, "quantiles": (0.1, 0.5, 0.9), "ensemble_size": 2}
    write_folder(tmp_path, make_spec("gru", 4, (2, 0), "revin", **options))
    export.main(tmp_path)
    # Any machine that runs this is fast enough.
    set_limit(tmp_path, "max_p95_ms", 1000.0)
    assert "model.tflite passed" in benchmark.main(tmp_path)
    found = metrics(tmp_path, "latency.json")
    assert max(found[kind]["max_abs_diff"] for kind in ("onnx", "tflite")) < 1e-5


def test_without_variants_the_float32_files_alone_are_made_and_judged(folder):
    set_limit(folder, "variants", [], section="export")
    set_limit(folder, "max_p95_ms", 1000.0)
    export.main(folder)
    assert {path.name for path in (folder / "models/edge").iterdir()} == {
        "model.onnx",
        "model.tflite",
    }
    assert benchmark.main(folder).count("passed") == 2
    assert not any(
        "_" in key
        for key, value in metrics(folder, "latency.json").items()
        if isinstance(value, dict)
    )


@pytest.mark.parametrize("formats", [["tflite"], ["onnx"], []])
def test_only_the_formats_of_the_params_are_made_and_judged(folder, formats):
    set_limit(folder, "formats", formats, section="export")
    set_limit(folder, "variants", ["int8"], section="export")
    set_limit(folder, "max_p95_ms", 1000.0)
    before = metrics(folder, "export.json")
    export.main(folder)
    made = {f"model.{kind}" for kind in formats}
    assert {path.name for path in (folder / "models/edge").iterdir()} == made
    after = metrics(folder, "export.json")
    assert {item["file"] for item in after["files"]} == made
    assert after["copies_left_out"] == [f"model.int8.{kind}" for kind in formats]
    changed = {"files": [], "copies_left_out": []}
    assert {**after, **changed} == {**before, **changed}
    said = benchmark.main(folder)
    assert said.count("passed") == len(made)
    assert ("no file is exported" in said) is (not formats)
    judged = {key for key, value in metrics(folder, "latency.json").items() if type(value) is dict}
    assert judged == set(formats)
    assert metrics(folder, "latency.json")["passed"]


def test_without_formats_a_model_needs_no_exported_form(folder):
    set_limit(folder, "formats", [], section="export")
    path = folder / "models/rnn/model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "unheard of"}))
    export.main(folder)
    assert metrics(folder, "export.json")["model_type"] == "unheard of"


def test_benchmark_ends_with_15_when_a_byte_of_a_file_was_flipped(folder):
    path = folder / "models/edge/model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    process = run("-m", "stages.benchmark", folder)
    assert process.returncode == 15
    assert "model.onnx is damaged" in process.stderr
    assert len(process.stderr.splitlines()) == 1
