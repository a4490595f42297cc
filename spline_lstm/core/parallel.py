"""Work in parallel: independent jobs in processes, and one thread that consumes what a loop makes.

An executor maps a function over jobs and returns the results in the order of the jobs. Function,
jobs and results must be importable and plain data, because they travel between processes.
"""

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Protocol, TypeVar

Item = TypeVar("Item")
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
    """Run each job in a fresh process of this machine, so that no job sees the state of another.

    Processes are spawned: JAX has threads, and a fork of them may hang.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, max_tasks_per_child=1
    ) as pool:
        return list(pool.map(function, jobs))


EXECUTORS: dict[str, Executor] = {"local": local}


def consume_in_thread(items: Iterable[Item], work: Callable[[Item], None]) -> None:
    """Call `work` on each item in a thread while the caller's thread makes the next item.

    Items are worked on one at a time and in order; at most two of them are in memory. An error,
    from the items or from the work, ends both and is raised.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = None
        for item in items:
            if pending is not None:
                pending.result()
            pending = pool.submit(work, item)
        if pending is not None:
            pending.result()
