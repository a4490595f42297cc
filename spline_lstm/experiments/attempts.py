"""One try to run an experiment, on this machine or as a task of a Ray cluster."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from spline_lstm.core import ray_engine
from spline_lstm.experiments.clone import Clone
from spline_lstm.experiments.costs import Cost, Stopwatch
from spline_lstm.experiments.processes import end_marked
from spline_lstm.experiments.runs import Run
from spline_lstm.experiments.warm_libraries import AHEAD
from spline_lstm.experiments.warm_stages import quick, warm_stages


@dataclass(frozen=True)
class Job:
    """An experiment to run.

    Attributes
    ----------
    clone : where
    run : which
    log : file that gets all output, line by line
    """

    clone: Clone
    run: Run
    log: Path


@dataclass(frozen=True)
class Attempt:
    """What one try gave.

    Attributes
    ----------
    status : exit status of ``dvc exp run``
    lines : its output
    cost : what it took
    """

    status: int
    lines: tuple[str, ...]
    cost: Cost


@dataclass(frozen=True)
class Engine:
    """What runs experiments; both may be called by any thread.

    Attributes
    ----------
    attempt : runs one, and returns when it has ended
    stop : ends all that run
    """

    attempt: Callable[[Job], Attempt]
    stop: Callable[[], object]


@contextlib.contextmanager
def engine(
    executor: str, clones: Sequence[Clone], environment: Mapping[str, str]
) -> Iterator[Engine]:
    """The engine of the section run of params.yaml.

    Parameters
    ----------
    executor : str
        ``local``, or ``ray``, whose machines must have the repository and this environment at the
        same places (a file system that they share).
    clones : sequence of Clone
    environment : mapping
        Of the experiments.

    Raises
    ------
    MissingPackageError, ParamsError
        Ray is not installed, or its cluster has no token.
    """
    folder = clones[0].folder
    if executor == "ray":
        with ray_engine.session(len(clones)) as ray:
            tasks = Tasks(ray, environment)
            yield Engine(tasks.attempt, tasks.stop)
    else:
        with warm_stages(folder, environment, ahead=AHEAD) as surroundings:
            yield Engine(partial(attempt, surroundings), partial(end_marked, folder.parent))


class Tasks:
    """Experiments as tasks of a Ray cluster; a lost one is tried once more by the driver.

    Parameters
    ----------
    ray : module
        Connected.
    environment : mapping
        Of the experiments.
    """

    def __init__(self, ray: ModuleType, environment: Mapping[str, str]) -> None:
        self._ray, self._environment = ray, dict(environment)
        self._task = ray.remote(num_cpus=1, max_retries=0)(attempt)
        self._running: set[Any] = set()

    def attempt(self, job: Job) -> Attempt:
        """Run an experiment on some machine of the cluster."""
        running = self._task.remote(self._environment, job)
        self._running.add(running)
        try:
            return self._ray.get(running)
        except self._ray.exceptions.RayError as error:
            return Attempt(1, (f"ERROR: its task ended with {type(error).__name__}",), Cost(0.0))
        finally:
            self._running.discard(running)

    def stop(self) -> None:
        """Interrupt all; each ends the processes that it has started."""
        for running in [*self._running]:
            self._ray.cancel(running, force=False)


def attempt(environment: Mapping[str, str], job: Job) -> Attempt:
    """Run an experiment in its clone."""
    watch, lines = Stopwatch(), []
    # Line by line, so that the log shows the progress.
    with job.log.open("w", encoding="utf-8", buffering=1) as log:

        def on_line(line: str) -> None:
            watch.read(line)
            lines.append(line)
            log.write(f"{line}\n")

        status = run_experiment(job.clone, environment, job.run, on_line)
    return Attempt(status, tuple(lines), watch.cost())


def run_experiment(
    clone: Clone, environment: Mapping[str, str], run: Run, on_line: Callable[[str], None]
) -> int:
    """Run one experiment in the clone, giving each line of output to `on_line`; the exit status."""
    command = quick(["dvc", "exp", "run", "--temp", "--name", run.name, *run.arguments])
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=clone.folder,
        env=environment,
        # Its own session: Ctrl-C ends the driver, and the driver ends all of these.
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    try:
        with process.stdout:
            for line in process.stdout:
                on_line(line.rstrip("\n"))
        return process.wait()
    except BaseException:
        end_marked(clone.folder.parent)
        process.wait()
        raise
