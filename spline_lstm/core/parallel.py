"""Work in parallel: one interface, two engines, and threads that make what a loop consumes.

`run_all` maps a function over jobs, by processes of this machine (``local``) or by tasks of a Ray
cluster (``ray``, see `ray_engine`), and returns the results in the order of the jobs. A function
gets one thread, and what it returns depends only on its job, so neither the engine nor the number
of workers changes a result. Function, jobs and results must be importable and plain data, because
they travel between processes.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from spline_lstm.core.errors import SplineLstmError, WorkerError, prefixed
from spline_lstm.core.params import RunParams

Job = TypeVar("Job")
Result = TypeVar("Result")

# Threads of `made_ahead`: one prepares a batch while the devices compute that of the other one.
AHEAD = 2
# How often a job whose worker was lost is run again.
RETRIES = 3
# What a worker's environment says: one thread for XLA, BLAS and OpenMP, no bar of its own.
WORKER_ENVIRONMENT = {
    **dict.fromkeys(("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "TQDM_DISABLE": "1",
}


@dataclass(frozen=True)
class Work(Generic[Job, Result]):
    """What is to be done.

    Attributes
    ----------
    function : callable
        Importable; takes a job, returns plain data.
    jobs : sequence
    names : sequence of str
        Of the jobs, such as ``backtest fold 2``; the messages of errors start with them.
    is_fresh : bool
        Each job gets a process of its own, so that no job sees the state of another.
    is_short : bool
        All jobs together take less than to start processes for them: the engine ``local`` runs them
        in this one, one after another, and programs that one has compiled serve the next.
    """

    function: Callable[[Job], Result]
    jobs: Sequence[Job]
    names: Sequence[str]
    is_fresh: bool = False
    is_short: bool = False


class Pool(Protocol):
    """Workers of an engine. An outcome is a result, or an error of this project."""

    def submit(self, number: int) -> None:
        """Start the job with this number."""
        ...

    def finished(self) -> list[tuple[int, Any]]:
        """Wait until jobs end: their numbers and outcomes."""
        ...


# Makes the pool of an engine: work, workers -> pool; what still runs at its end is cancelled.
MakePool = Callable[[Work[Any, Any], int], AbstractContextManager[Pool]]


def run_all(work: Work[Job, Result], params: RunParams, title: str) -> list[Result]:
    """The results of all jobs, in their order.

    Parameters
    ----------
    work : Work
    params : RunParams
        Engine and number of jobs at a time.
    title : str
        Of the progress bar that a terminal shows.

    Raises
    ------
    SplineLstmError
        A job raised it; the message starts with the name of the job. If several fail, it is the
        first of them, and jobs after it are cancelled.
    WorkerError
        The worker of a job was lost `RETRIES` times after the first.
    MissingPackageError, ParamsError
        The engine is not installed, or its cluster has no token.
    """
    outcomes: dict[int, Any] = {}
    make, count = pool_of(params.executor), len(work.jobs)
    # Its console and notebook forms take a tenth of the time of `predict` to import.
    from tqdm.auto import tqdm  # noqa: PLC0415

    with tqdm(total=count, desc=title, unit="job", disable=None) as bar:
        workers = min(params.workers, count)
        with make(work, workers) if count else contextlib.nullcontext() as pool:
            for number, outcome in _outcomes(pool, count, workers):
                outcomes[number] = outcome
                bar.set_postfix_str(work.names[number])
                bar.update()
    failed = [number for number in sorted(outcomes) if isinstance(outcomes[number], Exception)]
    if failed:
        raise prefixed(outcomes[failed[0]], work.names[failed[0]])
    return [outcomes[number] for number in range(count)]


def _outcomes(pool: Any, count: int, workers: int) -> Iterator[tuple[int, Any]]:
    """Outcomes as jobs end. After a failure only the jobs before it are waited for."""
    end, started, running = count, 0, set[int]()
    while True:
        while started < end and len(running) < workers:
            pool.submit(started)
            running.add(started)
            started += 1
        if not any(number < end for number in running):
            return
        for number, outcome in pool.finished():
            running.discard(number)
            if isinstance(outcome, SplineLstmError):
                end = min(end, number)
            yield number, outcome


def attempt(function: Callable[[Job], Result], job: Job) -> Result | SplineLstmError:
    """The result, or the error of this project that it raised: engines wrap what is raised."""
    try:
        return function(job)
    except SplineLstmError as error:
        return error


def lost(name: str) -> WorkerError:
    """The error of a job whose worker was lost too often."""
    return WorkerError(
        f"{name}: its worker was lost {RETRIES + 1} times (killed, or out of memory); lower "
        "run.workers, or give the workers more memory"
    )


class LocalPool:
    """Processes of this machine; they are spawned, because a fork of JAX's threads may hang."""

    def __init__(self, work: Work[Any, Any], workers: int) -> None:
        self._work, self._workers = work, workers
        self._running: dict[Future[Any], int] = {}
        self._tries: dict[int, int] = {}
        self._others = {*multiprocessing.active_children()}
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=ignore_interrupts,
            max_tasks_per_child=1 if self._work.is_fresh else None,
        )

    def submit(self, number: int) -> None:
        """Start a job."""
        try:
            future = self._pool.submit(attempt, self._work.function, self._work.jobs[number])
        except BrokenProcessPool:
            # A worker was lost since the last look: its jobs are found as lost there.
            self._pool = self._started()
            return self.submit(number)
        self._running[future] = number
        return None

    def finished(self) -> list[tuple[int, Any]]:
        """Wait for jobs; those that went down with a lost worker are started again."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        ended, again = [], []
        for future in done:
            number = self._running.pop(future)
            try:
                ended.append((number, future.result()))
            except BrokenProcessPool:
                again.append(number)
        for number in sorted(again):
            self._tries[number] = self._tries.get(number, 0) + 1
            if self._tries[number] > RETRIES:
                raise lost(str(self._work.names[number]))
            self.submit(number)
        return ended

    def close(self) -> None:
        """End the workers; one that still has a job is killed, and the pool ends the others."""
        if self._running:
            for process in {*multiprocessing.active_children()} - self._others:
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)


class PoolOfThisProcess:
    """No other process: the first of the jobs that wait is done when its end is waited for."""

    def __init__(self, work: Work[Any, Any]) -> None:
        self._work = work
        self._waiting: list[int] = []

    def submit(self, number: int) -> None:
        """Let a job wait."""
        self._waiting.append(number)

    def finished(self) -> list[tuple[int, Any]]:
        """Do one job."""
        number = self._waiting.pop(0)
        return [(number, attempt(self._work.function, self._work.jobs[number]))]


def ignore_interrupts() -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the one that started them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def worker_environment() -> Iterator[None]:
    """`WORKER_ENVIRONMENT` for the processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    os.environ.update(WORKER_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def local(work: Work[Any, Any], workers: int) -> Iterator[Pool]:
    """The pool of the engine `local`."""
    with worker_environment():
        if work.is_short:
            yield PoolOfThisProcess(work)
            return
        pool = LocalPool(work, workers)
        try:
            yield pool
        finally:
            pool.close()


# Engine -> module and name of what makes its pool.
ENGINES = {
    "local": ("spline_lstm.core.parallel", "local"),
    "ray": ("spline_lstm.core.ray_engine", "ray_tasks"),
}


def pool_of(executor: str) -> MakePool:
    """What makes the pool of an engine; Ray is imported only if it is the engine."""
    module, name = ENGINES[executor]
    return getattr(importlib.import_module(module), name)


def made_ahead(
    make: Callable[[Job], Result], jobs: Iterable[Job], ahead: int = AHEAD
) -> Iterator[Result]:
    """What `make` gives for each job, in order; `ahead` threads make the next ones meanwhile.

    Besides the result that the caller has, `ahead` are in memory, made or being made. The first one
    is made before the threads start: what it compiles serves the others. An error of a job is
    raised where its result would come; jobs after it that have not begun are not done.
    """
    rest = iter(jobs)
    for first in rest:
        yield make(first)
        break
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(ahead)
    try:
        for job in islice(rest, ahead):
            pending.append(pool.submit(make, job))
        while pending:
            # Waited for before another one begins: the caller may have dropped the one before.
            result = pending.popleft().result()
            pending.extend(pool.submit(make, job) for job in islice(rest, 1))
            yield result
            del result
    finally:
        pool.shutdown(cancel_futures=True)
