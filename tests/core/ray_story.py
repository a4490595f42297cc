"""What a Ray cluster of this machine gives: ``python -m tests.core.ray_story FOLDER``."""

import json
import sys
from pathlib import Path

import psutil

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import RunParams
from spline_lstm.core.ray_engine import session
from tests.core import parallel_jobs as jobs
from tests.core.small_panel import hashes


def main(folder):
    with session(2):
        content = story(folder)
    (folder / "story.json").write_text(json.dumps(content))


def story(folder):
    listening = {
        connection.laddr.ip
        for process in _processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    return {
        "squares": [run(jobs.square, range(9), workers=workers) for workers in (1, 2, 4)],
        "fresh": run(jobs.threads_and_process, range(3), is_fresh=True),
        "error": error_of(jobs.fail_at_two_and_four, range(6)),
        "die once": run(jobs.die_once, [folder]),
        "preprocess": [preprocessed(folder, workers) for workers in (1, 2, 4)],
        "processes": [process.name() for process in _processes()],
        "listening": sorted(listening),
    }


def run(function, items, *, workers=2, is_fresh=False):
    names = [f"job {number}" for number in range(len(items))]
    params = RunParams(executor="ray", workers=workers)
    return run_all(Work(function, items, names, is_fresh), params, "test")


def preprocessed(folder, workers):
    """Hashes of what ingest and preprocess write of a panel in four partitions."""
    return hashes(folder / f"panel-{workers}", RunParams(executor="ray", workers=workers))


def error_of(function, items):
    try:
        run(function, items)
    except SplineLstmError as error:
        return [type(error).__name__, *error.lines]
    return []


def _processes():
    return [psutil.Process(), *psutil.Process().children(recursive=True)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
