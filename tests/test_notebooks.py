"""The notebooks run from top to bottom on a small pipeline, and are kept with their outputs."""

import json
import math
import os
import subprocess
import sys

import jupytext
import nbclient
import nbformat
import pytest

from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.write_folder import scaffold
from tests.builders import ROOT
from tools.notebooks import MAX_BYTES, reproducible, sources, text_of

NOTEBOOKS = sources()


def wave(hour: int) -> float:
    return 10 + 3 * math.sin(hour * math.tau / 24)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A pipeline folder after ingest: 400 hours of a daily wave with gaps of an hour and a day."""
    root = tmp_path_factory.mktemp("root")
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    (root / "stages").mkdir()
    rows = [
        f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{wave(hour):.3f}"
        for hour in range(400)
        if hour % 23 and not 200 <= hour < 224
    ]
    (root / "table.csv").write_text("time,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    scaffold("small", root / "table.csv", Options(), root)
    folder = root / "pipelines/small"
    subprocess.run(
        [sys.executable, "-m", "stages.ingest", str(folder)],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_on_a_pipeline_folder(path, request, monkeypatch):
    needs = "small_pipeline" if path.stem == "03_error_analysis" else "pipeline"
    monkeypatch.setenv("SPLINE_LSTM_FOLDER", str(request.getfixturevalue(needs)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = jupytext.read(path)
    limits = {"timeout": 300, "startup_timeout": 300}
    nbclient.NotebookClient(notebook, kernel_name="python3", **limits).execute(cwd=str(path.parent))
    outputs = [each for cell in notebook.cells if cell.cell_type == "code" for each in cell.outputs]
    assert any("image/png" in each.get("data", {}) for each in outputs), "no picture was shown"
    assert not [each for each in outputs if each.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_source_of_a_notebook_is_text_without_outputs(path):
    notebook = jupytext.read(path)
    assert notebook.metadata["jupytext"]["text_representation"]["format_name"] == "percent"
    assert notebook.metadata["jupytext"]["formats"] == "ipynb,py:percent"
    assert [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert json.dumps(notebook).count('"output_type"') == 0


def cells_of(notebook) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_with_outputs_has_the_cells_of_its_source(path):
    kept = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    assert cells_of(kept) == cells_of(jupytext.read(path)), "run make notebooks"
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_with_outputs_is_small_and_names_neither_machine_nor_time(path):
    kept = path.with_suffix(".ipynb")
    text = kept.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    assert any("image/png" in each.get("data", {}) for each in outputs)
    assert not [each for each in outputs if each.output_type == "error"]
    assert not [each for each in outputs if each.get("name") == "stderr"]
    assert kept.stat().st_size < MAX_BYTES
    assert text == text_of(reproducible(notebook))
    assert not [word for word in ("/tmp/", "iopub", str(ROOT), "language_info") if word in text]


def test_a_notebook_that_is_too_large_is_refused():
    cell = nbformat.v4.new_markdown_cell("x" * MAX_BYTES)
    with pytest.raises(ValueError, match="500000"):
        text_of(nbformat.v4.new_notebook(cells=[cell]))
