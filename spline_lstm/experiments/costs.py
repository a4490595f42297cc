"""What an experiment costs: wall time and the stages' own work, read from the output of DVC."""

import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from spline_lstm.core.artifacts import read_json, write_json

STARTED = re.compile(r"Running stage '(?:[^']*:)?([^':]+)'")
ENDED = re.compile(r"(?:Updating|Generating) lock file|Stage '|Ran experiment|ERROR")
OWN_WORK = re.compile(r"\((\d+\.\d) s\)$")


@dataclass(frozen=True)
class Cost:
    """Seconds of one experiment.

    Attributes
    ----------
    wall : the whole of ``dvc exp run``
    processes : stage -> its process: start of Python, imports and own work; none if cached
    own : stage -> only its own work, as the stage itself reports it
    """

    wall: float
    processes: dict[str, float] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)


class Stopwatch:
    """Reads the lines of one ``dvc exp run`` as they come."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._stage, self._since = "", 0.0
        self._processes: dict[str, float] = {}
        self._own: dict[str, float] = {}

    def read(self, line: str) -> None:
        """Take one line of output."""
        started, own = STARTED.match(line), OWN_WORK.search(line)
        if started or ENDED.match(line):
            self._stop()
        if started:
            self._stage, self._since = started.group(1), time.perf_counter()
        if own and self._stage:
            self._own[self._stage] = float(own.group(1))

    def _stop(self) -> None:
        if self._stage:
            self._processes[self._stage] = round(time.perf_counter() - self._since, 2)
        self._stage = ""

    def cost(self) -> Cost:
        """What has been spent so far."""
        self._stop()
        return Cost(
            round(time.perf_counter() - self._start, 2), dict(self._processes), dict(self._own)
        )


@dataclass(frozen=True)
class CostBook:
    """The costs of the experiments that start from one commit, in files outside git."""

    folder: Path

    def write(self, name: str, cost: Cost) -> None:
        """Record what an experiment cost."""
        write_json(self.folder / f"{name}.json", asdict(cost))

    def read(self, name: str) -> Cost | None:
        """What an experiment cost; None if it was not measured."""
        path = self.folder / f"{name}.json"
        return Cost(**read_json(path)) if path.is_file() else None

    def read_all(self) -> list[Cost]:
        """All that were measured."""
        costs = [self.read(path.stem) for path in sorted(self.folder.glob("*.json"))]
        return [cost for cost in costs if cost is not None]


@dataclass(frozen=True)
class Total:
    """Sums over experiments, seconds."""

    experiments: int
    wall: float
    processes: float
    own: dict[str, float]


def total(costs: list[Cost]) -> Total:
    """Sum of the costs; stages in the order in which they first ran."""
    own: dict[str, float] = {}
    for cost in costs:
        for stage, seconds in cost.own.items():
            own[stage] = own.get(stage, 0.0) + seconds
    processes = sum(sum(cost.processes.values()) for cost in costs)
    return Total(len(costs), sum(cost.wall for cost in costs), processes, own)
