"""Latency of the exported files of all experiments, measured side by side after the last one.

The times that each experiment measured for its own gate are minutes apart, and so is whatever else
the machine did. Here every round calls each file, one file after another, and starts with another
one: a slow moment meets them all, and the rounds show how far the figures vary.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.artifacts import read_json, sha256_of_file, write_json
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import CompareParams
from spline_lstm.core.pipeline import Pipeline, TrackedPipeline
from spline_lstm.experiments.cached_outputs import find_output, output
from spline_lstm.experiments.clone import FOLDER
from spline_lstm.experiments.results import Record
from spline_lstm.export.gate import latency
from spline_lstm.export.golden import load_golden
from spline_lstm.export.sessions import Answer, session_of

WARMUP_CALLS = 50
# Share of the rounds that a range leaves out at either end.
TAIL = 5.0
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Latency:
    """Times of one exported file, one window a call, one thread.

    Attributes
    ----------
    p50_ms, p95_ms : [rounds] percentiles of the calls of each round, milliseconds
    """

    p50_ms: Float[np.ndarray, " rounds"]
    p95_ms: Float[np.ndarray, " rounds"]


@dataclass(frozen=True)
class ExportedFile:
    """A loaded file and the windows to call it with.

    Attributes
    ----------
    answer : inputs by name to outputs by name
    inputs : name -> [windows, ...]
    """

    answer: Answer
    inputs: Mapping[str, np.ndarray]


def latencies(
    pipeline: TrackedPipeline,
    cache: Path,
    commit: str,
    records: Sequence[Record],
    params: CompareParams,
) -> dict[str, Latency]:
    """Experiment -> latency of its exported file; experiments without such a file are left out.

    Figures of the same files, measured here before, are taken from .cache/compare.

    Raises
    ------
    ExperimentError
        A file is not in the DVC cache.
    ArtifactError
        The golden windows of an experiment are damaged.
    """
    name = (Pipeline().exported / f"model.{params.format}").as_posix()
    found = {record.run.name: find_output(pipeline, cache, record, name) for record in records}
    paths = {run: path for run, path in found.items() if path is not None}
    key: dict[str, Any] = {
        "files": {run: sha256_of_file(path) for run, path in paths.items()},
        "rounds": params.latency_rounds,
        "calls": params.latency_calls,
    }
    book = pipeline.root / FOLDER / "latency" / f"{commit}.json"
    kept = _read(book, key)
    if kept is None:
        suffix = f".{params.format}"
        files = {
            record.run.name: ExportedFile(
                session_of(paths[record.run.name].read_bytes(), suffix).answer,
                load_golden(output(pipeline, cache, record, Pipeline().golden.as_posix())).inputs,
            )
            for record in records
            if record.run.name in paths
        }
        kept = measure(files, rounds=params.latency_rounds, calls=params.latency_calls)
        write_json(book, {**key, "latency": {run: _to_json(each) for run, each in kept.items()}})
    return kept


def measure(
    files: Mapping[str, ExportedFile], *, rounds: int, calls: int, warmup_calls: int = WARMUP_CALLS
) -> dict[str, Latency]:
    """Call each file `calls` times in each of the rounds, in an order that rotates.

    Returns
    -------
    dict
        Name of a file -> Latency, in the order of `files`.
    """
    names = list(files)
    times: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % max(1, len(names))
        for name in names[first:] + names[:first]:
            file = files[name]
            times[name].append(
                latency(
                    file.answer,
                    file.inputs,
                    calls=calls,
                    warmup_calls=max(1, warmup_calls if turn == 0 else calls // 10),
                )
            )
    return {
        name: Latency(*(np.array([each[key] for each in measured]) for key in ("p50_ms", "p95_ms")))
        for name, measured in times.items()
    }


def range_over_rounds(values: Float[np.ndarray, " rounds"]) -> tuple[float, float]:
    """The central nine tenths of the rounds."""
    low, high = np.percentile(values, [TAIL, 100.0 - TAIL])
    return float(low), float(high)


def is_above(differences: Float[np.ndarray, " rounds"]) -> bool:
    """Whether more of the differences are above zero than chance would give, at 5 %.

    One-sided sign test (Dixon & Mood 1946, JASA 41, 557-566) without the zeros: a few rounds that
    were disturbed decide nothing.

    >>> is_above(np.array([0.1] * 18 + [-9.0] * 7)), is_above(np.array([0.1] * 17 + [-9.0] * 8))
    (True, False)
    """
    above, rounds = int((differences > 0.0).sum()), int((differences != 0.0).sum())
    chance = sum(math.comb(rounds, count) for count in range(above, rounds + 1)) / 2**rounds
    return chance <= SIGNIFICANCE


def _read(book: Path, key: Mapping[str, Any]) -> dict[str, Latency] | None:
    """What was measured before of the same files; None if nothing was."""
    try:
        content = read_json(book)
    except ArtifactError:
        # Missing or damaged: to be measured again.
        return None
    if {name: content.get(name) for name in key} != key:
        return None
    return {
        run: Latency(np.array(each["p50_ms"]), np.array(each["p95_ms"]))
        for run, each in content["latency"].items()
    }


def _to_json(measured: Latency) -> dict[str, list[float]]:
    return {"p50_ms": measured.p50_ms.tolist(), "p95_ms": measured.p95_ms.tolist()}
