"""Command predict: forecasts from raw history with an exported file, without JAX or TensorFlow."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spline_lstm.core.artifacts import read_json, write_text
from spline_lstm.core.errors import ArtifactError, UsageError
from spline_lstm.core.formatting import plural
from spline_lstm.core.parallel import ENGINES
from spline_lstm.core.params import RunParams, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.inference.forecast_files import Question, answer, answer_partitions
from spline_lstm.inference.future import ABSENT
from spline_lstm.inference.row_files import RowPredictor
from spline_lstm.inference.start import LAST_OBSERVED
from spline_lstm.rows.preprocessor import TASK as ROWS
from spline_lstm.tables.sources import read_source

MODEL_SUFFIXES = (".onnx", ".tflite")
EXPORTED = "models/edge/model.onnx"

DESCRIPTION = """\
Forecast the rows that follow a table of raw history, with an exported file. The standard error says
where the forecast starts, unless that is simply the row after the last one. The output is CSV:
series, timestamp (in the time zone of the pipeline), the forecast of each target and the bounds of
its prediction intervals. Needs neither JAX nor TensorFlow.

HISTORY may be a folder of partitions, such as data/raw/series. Then --output is a folder, too, with
a CSV file for each of them, and so is --future.

For a model of the task tabular the table has rows to predict, and each gives a line: its line in
the table, the prediction, probabilities of classes, and sets or intervals. MODEL may also be the
pipeline folder, whose saved network is then run by JAX.
"""
EXAMPLES = """
python -m spline_lstm predict models/edge/model.onnx data/raw/series.csv
python -m spline_lstm predict models/edge/model.tflite data/raw/series.csv --output forecast.csv
python -m spline_lstm predict models/edge/model.onnx data/raw/series.csv --from 2010-10-01
python -m spline_lstm predict models/edge/model.onnx partitions --output forecasts --workers 4
python -m spline_lstm predict pipelines/tabular/models/edge/model.onnx rows.csv
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="exported file, .onnx or .tflite; of the task tabular also the pipeline folder",
    )
    command.add_argument(
        "history",
        type=Path,
        metavar="HISTORY",
        help="raw rows up to the forecast, CSV or Parquet, or a folder of partitions",
    )
    command.add_argument(
        "--future",
        type=Path,
        metavar="FILE",
        help="rows to forecast with their known_future columns, CSV or Parquet (default: none)",
    )
    command.add_argument(
        "--from",
        dest="start",
        default=LAST_OBSERVED,
        metavar="START",
        help="where the forecast starts: last-observed (after the last observed target of each "
        "series), end (after its last timestamp), or a timestamp, from which on no target is used",
    )
    command.add_argument(
        "--absent",
        choices=ABSENT,
        default=ABSENT[0],
        help="timestamps and series to forecast that have no known_future row: an error, or as if "
        "their cells were blank",
    )
    command.add_argument(
        "--output", type=Path, metavar="FILE", help="write the CSV to this file (default: print it)"
    )
    command.add_argument(
        "--executor",
        choices=tuple(ENGINES),
        default="local",
        help="of partitions: processes of this machine, or a Ray cluster (default: local)",
    )
    command.add_argument("--workers", type=int, default=2, help="partitions at a time (default: 2)")
    command.add_argument(
        "--preprocessor",
        type=Path,
        metavar="FILE",
        help="preprocessor.json of the model (default: the one next to the folder of MODEL)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Forecast; returns the CSV, or the path that it was written to."""
    model: Path = arguments.model
    if (predictor := _row_predictor(model, arguments.preprocessor)) is not None:
        return _predict_rows(predictor, arguments)
    if model.suffix not in MODEL_SUFFIXES:
        raise UsageError(
            f"{model}: a model file is {' or '.join(MODEL_SUFFIXES)}; "
            f"name an exported one, {EXPORTED}"
        )
    if arguments.output is not None and not arguments.history.is_dir():
        _check_output(arguments.output)
    question = Question(
        model,
        arguments.preprocessor or _preprocessor_of(model),
        arguments.history,
        arguments.future,
        arguments.start,
        arguments.absent,
    )
    if arguments.history.is_dir():
        return _predict_partitions(question, arguments)
    _check_table(arguments.history)
    if arguments.future is not None:
        _check_table(arguments.future)
    answered = answer(question)
    _say(answered.remarks)
    if arguments.output is None:
        return answered.text.rstrip("\n")
    write_text(arguments.output, answered.text)
    return f"{arguments.output}: {answered.rows} rows"


def _predict_partitions(question: Question, arguments: argparse.Namespace) -> str:
    """A file of forecasts for each partition, in the folder --output."""
    if arguments.output is None:
        raise UsageError(
            f"{question.history} is a folder of partitions; name the folder of their forecasts "
            "with --output"
        )
    params = RunParams(executor=arguments.executor, workers=arguments.workers)
    written = answer_partitions(question, arguments.output, params)
    _say(written.remarks)
    return f"{arguments.output}: {written.rows} rows in {plural(written.files, 'file')}"


def _say(remarks: Sequence[tuple[str, str]]) -> None:
    """Not in the CSV, which may be read from the standard output."""
    sys.stderr.writelines(f"{kind}: {text}\n" for kind, text in remarks)


def _row_predictor(model: Path, preprocessor: Path | None) -> RowPredictor | None:
    """What predicts rows, if the model is one of rows; a folder has the saved network."""
    if model.is_dir():
        _check_folder(model)
        return RowPredictor.of_folder(model)
    path = preprocessor or model.parent.parent / "preprocessor.json"
    if not model.is_file() or not path.is_file() or read_json(path).get("task") != ROWS:
        return None
    return RowPredictor.of_file(model, path)


def _check_folder(folder: Path) -> None:
    """Refuse a folder that is not a pipeline of the task tabular."""
    pipeline = Pipeline(folder)
    if not pipeline.params.is_file():
        raise UsageError(f"{folder} is a folder, not a model file; name one, {EXPORTED}")
    if load_params(folder).task != ROWS:
        raise UsageError(
            f"{folder} is a pipeline folder, which names the model of the task tabular only; name "
            f"the exported file, {pipeline.folder / EXPORTED}"
        )


def _predict_rows(predictor: RowPredictor, arguments: argparse.Namespace) -> str:
    """A line per row: its line in the table, the prediction, and its sets or intervals."""
    if arguments.output is not None:
        _check_output(arguments.output)
    table = predictor.rows_of(_content(arguments.history), str(arguments.history))
    predicted = predictor.of_table(table)
    sys.stderr.writelines(f"warning: {text}\n" for text in predicted.warnings)
    text = predicted.frame().to_csv(index=False, lineterminator="\n")
    if arguments.output is None:
        return text.rstrip("\n")
    write_text(arguments.output, text)
    return f"{arguments.output}: {len(predicted.lines)} rows"


def _check_output(path: Path) -> None:
    """Refuse a misspelt folder before the work."""
    if not path.parent.is_dir():
        raise UsageError(
            f"--output {path}: there is no folder {path.parent}; make it or name another"
        )
    if path.is_dir():
        raise UsageError(f"--output {path}: this is a folder; name a file in it")


def _preprocessor_of(model: Path) -> Path:
    path = model.parent.parent / "preprocessor.json"
    # A missing model is reported when it is opened.
    if model.is_file() and not path.is_file():
        raise ArtifactError(
            f"{path} is missing; name the one that the model was trained with (--preprocessor), "
            "or run `dvc repro`"
        )
    return path


def _check_table(path: Path) -> None:
    if not path.is_file():
        what = "is not a regular file" if path.exists() else "no such file"
        raise UsageError(f"{path}: {what}; name a CSV or Parquet file")


def _content(path: Path) -> bytes:
    _check_table(path)
    return read_source(path.name, path.parent)
