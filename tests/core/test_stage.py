import logging
import sys

import pytest

from spline_lstm.core.errors import DivergedError, GateError
from spline_lstm.core.figures import FIGURES
from spline_lstm.core.stage import logger, run_stage


@pytest.fixture(autouse=True)
def _own_handlers():
    """`run_stage` runs once per process: handlers of other tests must not reach this one's."""
    before, level = list(logger.handlers), logger.level
    logger.handlers = []
    yield
    logger.handlers, logger.level = before, level


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "params.yaml").write_text("", encoding="utf-8")
    return tmp_path


def run(monkeypatch, arguments, main):
    monkeypatch.setattr(sys, "argv", ["stages/x.py", *arguments])
    run_stage("ingest", main)


def test_the_folder_of_the_command_line_reaches_the_stage(monkeypatch, folder):
    seen = []
    run(monkeypatch, [str(folder)], lambda path: seen.append(path) or "")
    assert seen == [folder]


def test_without_an_argument_the_stage_runs_in_the_current_folder(monkeypatch, folder):
    monkeypatch.chdir(folder)
    seen = []
    run(monkeypatch, [], lambda path: seen.append(path.resolve()) or "")
    assert seen == [folder.resolve()]


def test_a_stage_ends_with_one_line_on_stderr(monkeypatch, folder, capsys):
    run(monkeypatch, [str(folder)], lambda path: "3 rows in, 2 out")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ingest: 3 rows in, 2 out (")
    assert captured.err.count("\n") == 1


def test_other_loggers_stay_silent(monkeypatch, folder, capsys):
    def main(path):
        logging.getLogger("jax").info("compiling")
        return "done"

    run(monkeypatch, [str(folder)], main)
    assert "compiling" not in capsys.readouterr().err


def test_an_error_ends_the_process_with_its_code_and_one_line(monkeypatch, folder, capsys):
    def main(path):
        raise GateError("model.onnx: p95 of 40 ms\nis above 30 ms")

    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, [str(folder)], main)
    assert caught.value.code == 18
    assert capsys.readouterr().err == "18 gate: model.onnx: p95 of 40 ms is above 30 ms\n"


def test_an_unforeseen_error_is_not_hidden(monkeypatch, folder):
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, [str(folder)], lambda path: 1 // 0)


@pytest.mark.parametrize("arguments", [["a", "b"], ["--help"], ["-f"], ["no/such/folder"]])
def test_arguments_that_name_no_pipeline_folder_are_a_usage_error(monkeypatch, capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, arguments, lambda path: "never")
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("2 usage: ")
    assert error.count("\n") == 1


def test_a_flag_reaches_the_stage_that_knows_it(monkeypatch, folder, capsys):
    seen = []
    monkeypatch.setattr(sys, "argv", ["stages/x.py", "--resume", str(folder)])
    run_stage(
        "train", lambda path, resume=False: seen.append((path, resume)) or "", flags=("resume",)
    )
    assert seen == [(folder, True)]
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, ["--resume", str(folder)], lambda path: "")
    assert ended.value.code == 2
    assert "a stage takes one argument" in capsys.readouterr().err


def figures_of(folder):
    """Every figure of every stage, as an earlier run left it."""
    paths = [folder / path for paths in FIGURES.values() for path in paths]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text("old")
    return paths


def left_after(folder, monkeypatch, stage, error):
    def main(path):
        (path / "metrics/latency.json").write_text("new")
        raise error

    paths = figures_of(folder)
    monkeypatch.setattr(sys, "argv", ["stages/x.py", str(folder)])
    with pytest.raises((SystemExit, MemoryError)):
        run_stage(stage, main)
    return {path.relative_to(folder).as_posix() for path in paths if path.exists()}


def test_a_failed_training_leaves_no_figure_of_the_model_before(monkeypatch, folder):
    for error in (DivergedError("nan"), MemoryError()):
        left = left_after(folder, monkeypatch, "train-flax-rnn", error)
        unchanged = ("ingest", "preprocess", "train-trees", "backtest")
        assert left == set().union(*(FIGURES[stage] for stage in unchanged))


def test_a_gate_that_does_not_pass_keeps_its_own_verdict_and_the_evaluation(monkeypatch, folder):
    left = left_after(folder, monkeypatch, "benchmark", GateError("slow"))
    assert {"metrics/latency.json", "metrics/evaluate.json", "plots/report.md"} <= left
    assert (folder / "metrics/latency.json").read_text() == "new"


def test_a_stage_that_ends_well_removes_nothing_of_later_ones(monkeypatch, folder):
    paths = figures_of(folder)
    run(monkeypatch, [str(folder)], lambda path: "done")
    assert [path for path in paths if not path.exists()] == [folder / "metrics/ingest.json"]
