"""Independent jobs in parallel: one small interface, whatever runs them.

An executor maps a function over jobs and gives the results in the order of the jobs. Function, jobs and results
must be importable and plain data, because they travel between processes.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Protocol, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class Executor(Protocol):
    """``execute(function, jobs, workers) -> results``, at most `workers` jobs at a time."""

    def __call__(
        self, function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
    ) -> list[Result]:
        """Run all jobs; the first error ends the run."""
        ...


def local(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> list[Result]:
    """Each job in a fresh process of this machine, so that none sees what another one left behind.

    Processes are spawned: JAX has threads, and a fork of them may hang.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, max_tasks_per_child=1
    ) as pool:
        return list(pool.map(function, jobs))


EXECUTORS: dict[str, Executor] = {"local": local}
