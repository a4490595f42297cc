"""The stages take from the task what differs between tasks."""

import ast
import dataclasses
import json
import shutil

import numpy as np
import pytest

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params
from spline_lstm.core.yaml_files import render_params
from spline_lstm.tasks.forecast import FORECAST
from spline_lstm.tasks.parts import TASKS, load_part, task_of
from spline_lstm.tasks.task import Task
from spline_lstm.windows.window_files import window_files
from spline_lstm.windows.windows import load_windows
from stages import evaluate, train_flax_rnn, window
from tests.builders import ROOT

TOY = dataclasses.replace(
    FORECAST,
    windows="tests.tasks.toy:half_windows",
    loss="tests.tasks.toy:half_loss",
    verdict="tests.tasks.toy:toy_verdict",
)
PARTS = [field.name for field in dataclasses.fields(Task) if field.name != "unit"]
# What only the task may name, so that another one can take its place.
OF_THE_TASK = {getattr(FORECAST, part).replace(":", ".") for part in PARTS}


def with_task(name):
    return Params().model_copy(update={"task": name})


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", TASKS)
def test_every_part_of_every_task_can_be_loaded(name, part):
    if getattr(TASKS[name], part):
        assert callable(TASKS[name].load(part))


def test_a_part_that_a_task_does_without_is_named():
    with pytest.raises(ParamsError, match="has no backtest"):
        dataclasses.replace(FORECAST, backtest="").load("backtest")


def test_an_unknown_task_is_refused_with_the_allowed_ones():
    message = r"task = 'forcast': must be one of forecast, .*; did you mean forecast\?"
    with pytest.raises(ParamsError, match=message) as error:
        task_of(with_task("forcast"))
    assert error.value.exit_code == 10


def test_a_part_is_that_of_the_task_of_the_params(monkeypatch):
    monkeypatch.setitem(TASKS, "toy", TOY)
    assert load_part(Params(), "windows") is window_files
    assert load_part(with_task("toy"), "windows").__name__ == "half_windows"


@pytest.mark.parametrize("path", sorted((ROOT / "stages").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_stages_name_no_part_of_a_task(path):
    statements = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert not statements & OF_THE_TASK


@pytest.fixture(scope="module")
def folders(small_pipeline, tmp_path_factory):
    """A small pipeline, and a copy of it with the task toy from window to evaluate."""
    toy = tmp_path_factory.mktemp("toys") / "toy"
    shutil.copytree(small_pipeline, toy)
    text = (toy / "params.yaml").read_text(encoding="utf-8")
    (toy / "params.yaml").write_text(render_params(text, {"task": "toy"}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(TASKS, "toy", TOY)
        yield small_pipeline, toy, [stage.main(toy) for stage in (window, train_flax_rnn, evaluate)]


def test_stages_use_the_windows_of_the_task(folders):
    forecast, toy = (load_windows(folder).origins for folder in folders[:2])
    assert 0 < len(toy) < len(forecast)
    assert np.isin(toy, forecast).all()


def test_stages_use_the_loss_of_the_task(folders):
    forecast, toy = (
        json.loads((folder / "metrics/train.json").read_text())["validation_loss"]
        for folder in folders[:2]
    )
    assert toy < 0.7 * forecast


def test_stages_use_the_verdict_of_the_task(folders):
    count = json.loads((folders[1] / "metrics/evaluate.json").read_text())["n_windows"]
    assert folders[2][-1] == f"{count} test windows: toy with {count}"
