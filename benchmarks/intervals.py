"""Prediction intervals whose width follows recent changes, against those of constant width.

Run at the root, after ``dvc repro evaluate``: ``python -m benchmarks.intervals FOLDER [--only NAME
...] [--json FILE]``.

The embedded series keeps the network of the pipeline (the root folder). Every CSV file of FOLDER,
which the user provides (see docs/accuracy.md), becomes a pipeline by `init` with the linear
forecaster (`model.type: linear`, seconds to train). The intervals of both kinds are calibrated on
the same validation windows (`evaluate.interval_width` constant and auto) and judged on the same
test windows. The third kind moves its level with the labels that have become known
(`backtest.adaptive_intervals`), at ``--rate``.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from functools import reduce
from io import StringIO
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_suite import LINEAR_ONLY, OPTIONS, with_timestamps
from spline_lstm.core.params import EvaluateParams, load_params
from spline_lstm.evaluation.adaptive import Stream, adaptive_sums
from spline_lstm.evaluation.coverage import TERCILES, coverage_content
from spline_lstm.evaluation.forecast_batches import TestForecasts
from spline_lstm.evaluation.interval_sums import IntervalSums
from spline_lstm.inference.calibration import calibration_of
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.saved_model import SavedModel, load_model
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.scaffold.write_folder import scaffold
from spline_lstm.windows.windows import Windows, load_windows
from stages import ingest, preprocess, train_flax_rnn, window

ROOT = Path(__file__).parent.parent
LEVELS = ("80", "95")


def prepare(csv: Path, root: Path) -> Path:
    """A trained pipeline of a file, in a folder that `init` takes for the repository."""
    for name in ("params.yaml", "dvc.yaml", "stages", "configs"):
        if not (root / name).exists():
            (root / name).symlink_to(ROOT / name)
    folder = root / "pipelines" / csv.stem
    with redirect_stdout(StringIO()):
        source = with_timestamps(csv, root)
        options = OPTIONS.get(csv.stem, Options())
        scaffold(folder.name, source, options, root, UserFiles(LINEAR_ONLY))
        for stage in (ingest, preprocess, window, train_flax_rnn):
            stage.main(folder)
    return folder


def measure(name: str, folder: Path, rate: float) -> dict[str, Any]:
    """Contents of the metrics with constant, chosen and adaptive widths."""
    model, windows, params = load_model(folder), load_windows(folder), load_params(folder).evaluate
    return {
        "series": name,
        "windows": len(windows.splits["test"]),
        "constant": judge(model, windows, params, "constant", rate),
        "auto": judge(model, windows, params, "auto", rate),
    }


def judge(
    model: SavedModel, windows: Windows, params: EvaluateParams, width: str, rate: float
) -> dict[str, Any]:
    """What metrics/evaluate.json says of the intervals, and the numbers of adaptive ones."""
    calibration = calibration_of(
        model, windows, params.model_copy(update={"interval_width": width})
    )
    intervals, count = calibration.intervals, len(windows.arrays.series_offsets) - 1
    judged = IntervalSums.of(windows, intervals, model.config.quantiles)
    names = [str(number) for number in range(count)]
    batches = list(TestForecasts(model, windows, intervals, {}, names))
    sums = reduce(add, [judged.of_batch(batch, batch.series, count) for batch in batches])
    stream = reduce(add, [Stream.of(batch, intervals, windows.limits) for batch in batches])
    origins = windows.splits["test"]
    moved = adaptive_sums(stream, origins, calibration, windows.limits, rate)
    content = coverage_content(sums, intervals, windows.target_names)
    return content | moved.content(intervals.levels)


def markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """Two tables: the numbers of both kinds, and coverage by tercile and of adaptive intervals."""
    both, ratios = "coverage {}: constant, auto", "width, score"
    first = [
        "series",
        "exponent",
        *(text for level in LEVELS for text in (both.format(f"{level} %"), ratios)),
        "CRPS",
    ]
    thirds = "/".join(TERCILES)
    second = [
        "series",
        *(
            text
            for level in LEVELS
            for text in (
                f"{level} % by tercile ({thirds}): constant",
                "auto",
                "adaptive: coverage, width",
            )
        ),
    ]
    overall = [*(overall_row(record) for record in records), mean_of_overall(records)]
    by_tercile = [*(tercile_row(record) for record in records), mean_of_terciles(records)]
    return "\n".join([*lines(first, overall), "", *lines(second, by_tercile), ""])


def lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    rules = ["---", *["---:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in [header, rules, *rows]]


def overall_row(record: Mapping[str, Any]) -> list[str]:
    """The cells of one series in the first table."""
    exponents = [f"{target['exponent']:g}" for target in record["auto"]["interval_targets"]]
    return [record["series"], ", ".join(exponents), *overall_cells(overall_numbers(record))]


def mean_of_overall(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Means over the series; of ratios the geometric ones."""
    numbers = np.array([overall_numbers(record) for record in records])
    ratios = np.array([2, 3, 6, 7, 8])
    means = numbers.mean(axis=0)
    means[ratios] = np.exp(np.log(numbers[:, ratios]).mean(axis=0))
    return [f"mean of {len(records)}", "", *overall_cells(means)]


def overall_numbers(record: Mapping[str, Any]) -> list[float]:
    """For each level the coverages and the ratios of width and score, then that of CRPS."""
    constant, auto = record["constant"], record["auto"]
    found = []
    for level in LEVELS:
        found += [kind[f"coverage_{level}"] for kind in (constant, auto)]
        found += [
            auto[f"{key}_{level}"] / constant[f"{key}_{level}"] for key in ("width", "winkler")
        ]
    return [*found, auto["crps"] / constant["crps"]]


def overall_cells(numbers: Sequence[float]) -> list[str]:
    """Pairs of coverages (percent) and of ratios to the constant width."""
    cells = []
    for start in (0, 4):
        one, other, width, score = numbers[start : start + 4]
        cells += [f"{one:.1f}, {other:.1f}", f"{width:.2f}, {score:.2f}"]
    return [*cells, f"{numbers[-1]:.2f}"]


def tercile_row(record: Mapping[str, Any]) -> list[str]:
    """The cells of one series in the second table."""
    return [record["series"], *tercile_cells(tercile_numbers(record))]


def mean_of_terciles(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Means over the series; of the ratio of widths the geometric one."""
    numbers = np.array([tercile_numbers(record) for record in records])
    means = numbers.mean(axis=0)
    means[:, -1] = np.exp(np.log(numbers[..., -1]).mean(axis=0))
    return [f"mean of {len(records)}", *tercile_cells(means)]


def tercile_numbers(record: Mapping[str, Any]) -> list[list[float]]:
    """For each level coverage by tercile of both kinds, then coverage and width if adaptive."""
    constant, auto = record["constant"], record["auto"]
    return [
        [
            *(part["coverage"] for kind in (constant, auto) for part in terciles_of(kind, level)),
            auto[f"adaptive_coverage_{level}"],
            auto[f"adaptive_width_{level}"] / constant[f"width_{level}"],
        ]
        for level in LEVELS
    ]


def tercile_cells(numbers: Sequence[Sequence[float]]) -> list[str]:
    """`tercile_numbers` as text."""
    cells, count = [], len(TERCILES)
    for row in numbers:
        parts = row[:count], row[count : 2 * count]
        cells += ["/".join(f"{value:.0f}" for value in part) for part in parts]
        cells.append(f"{row[-2]:.1f}, {row[-1]:.2f}")
    return cells


def terciles_of(content: Mapping[str, Any], level: str) -> list[Mapping[str, Any]]:
    """The records of the terciles of a level."""
    return next(row["terciles"] for row in content["intervals"] if row["interval"] == level)


def main() -> None:
    """Print a line per series, then the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="files (default: all)")
    parser.add_argument("--rate", type=float, default=0.01, help="of adaptive intervals")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    arguments = parser.parse_args()
    configure_threads(2)
    configure_compilation_cache(ROOT)
    records = [measure("embedded", ROOT, arguments.rate)]
    with tempfile.TemporaryDirectory() as folder:
        for csv in sorted(arguments.folder.glob("*.csv")):
            if arguments.only and csv.stem not in arguments.only:
                continue
            records.append(measure(csv.stem, prepare(csv, Path(folder)), arguments.rate))
            print(csv.stem, *overall_row(records[-1])[1:], flush=True)
    print(markdown(records))
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    main()
