"""What `kill -9` at random moments does to the store: ``python -m benchmarks.store_kills``.

Every round starts `score --from DATE` as users do, two at once in every second round, and kills
each at a random moment: after a random number of files has been written, either as soon as its next
temporary file is seen, or after a random delay. (Most of a short call is its start, and a write
takes milliseconds: moments drawn from its duration would hardly ever hit one.) A reader queries the
view meanwhile. After each round every file and the registry are opened, and the rows are compared
with those of an undisturbed call and with those of the round before: none may be lost, duplicated
or different. After every fourth round a last call completes the rows, and the next round starts
with an empty store. The pipeline must be trained (`dvc repro`); its folder is only read.
"""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.store.database import connect
from spline_lstm.store.files import PREFIX, Store, copy_once
from spline_lstm.store.predictions import KEYS, files_of, read_file, read_predictions
from spline_lstm.store.registry import PROMOTED, REGISTERED, Model, Registry
from spline_lstm.store.scorer import load_scorer
from spline_lstm.store.train import model_files
from spline_lstm.tables.sources import EMBEDDED, SYNTHETIC, read_source

ROUNDS_PER_STORE = 4
# Seconds between two looks at the scorers, between two queries, and the longest delay of a kill.
LOOK, PAUSE, DELAY = 0.0005, 0.2, 0.3
Rows = dict[tuple, float]


@dataclass
class Found:
    """What the rounds found; all but `counts` must stay 0."""

    counts: Counter = field(default_factory=Counter)
    lost: int = 0
    duplicated: int = 0
    different: int = 0
    damaged: int = 0

    @property
    def faults(self) -> int:
        """How many in all."""
        return self.lost + self.duplicated + self.different + self.damaged


def prepared(folder: Path, source: Path) -> Store:
    """A pipeline folder with the params, data and promoted model of another one."""
    params = load_params(source)
    names = ["params.yaml", params.data.schema_file]
    if params.data.source not in (*EMBEDDED, *SYNTHETIC):
        names.append(params.data.source)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
    store = Store.of(folder, params.store)
    model_id = load_scorer(params, source, read_source(params.data.source, source), "x").model_id
    copy_once(model_files(Pipeline(source)), store.models / model_id)
    row = Model(model_id, params.task, "now", "", "", "{}", "{}", f"models/{model_id}", REGISTERED)
    registry = Registry(store.registry)
    registry.add(row)
    registry.promote(model_id, "now")
    return store


def start(folder: Path, date: str) -> subprocess.Popen[bytes]:
    """A call of `score`."""
    command = [sys.executable, "-m", "spline_lstm", "score", str(folder), "--from", date]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def rows_of(store: Store) -> Rows:
    """Key -> score, as readers see them."""
    table = read_predictions(store.predictions)
    return {
        tuple(map(str, key)): score
        for *key, score in table[[*KEYS, "score"]].itertuples(index=False)
    }


@dataclass
class Victim:
    """A scorer that is to be killed.

    Attributes
    ----------
    process : the call of `score`
    files : files in the store after which it is killed
    delay : seconds from then on; None: when a temporary file of it is seen
    reached : when the files were there; infinite until then
    """

    process: subprocess.Popen[bytes]
    files: int
    delay: float | None
    reached: float = math.inf

    def look(self, files: int, temporary: str) -> None:
        """Kill it if its time has come; `temporary`: names of the temporary files."""
        if files >= self.files:
            self.reached = min(self.reached, time.monotonic())
        is_time = time.monotonic() >= self.reached + (self.delay or 0.0)
        if is_time and (self.delay is not None or f"~{self.process.pid}~" in temporary):
            self.process.kill()


def disturbed(store: Store, victims: list[Victim], found: Found) -> None:
    """Wait until every scorer is killed, or has ended before, reading meanwhile."""
    over = threading.Event()
    reader = threading.Thread(target=read_until, args=(over, store, found))
    reader.start()
    while any(victim.process.poll() is None for victim in victims):
        names = [name for _, _, files in os.walk(store.predictions) for name in files]
        temporary = " ".join(name for name in names if name.startswith(PREFIX))
        for victim in victims:
            victim.look(sum(name.endswith(".parquet") for name in names), temporary)
        time.sleep(LOOK)
    over.set()
    reader.join()
    codes = [victim.process.returncode for victim in victims]
    found.counts["kills"] += codes.count(-9)
    found.counts["calls that ended before"] += codes.count(0)
    found.damaged += sum(code not in (0, -9) for code in codes)
    strays = list(store.predictions.rglob(f"{PREFIX}*"))
    found.counts["kills within a write (temporary file left)"] += len(strays)


def read_until(over: threading.Event, store: Store, found: Found) -> None:
    """Query the view again and again."""
    while not over.wait(PAUSE):
        check_view(store, found)


def check_view(store: Store, found: Found) -> None:
    """One query of the view of DuckDB."""
    keys = ", ".join(KEYS)
    query = f"SELECT count(*), count(DISTINCT ({keys})) FROM predictions"
    with connect(store.predictions) as connection:
        (counted,) = connection.execute(query).fetchall()
    found.counts["reads"] += 1
    found.duplicated += counted[0] - counted[1]


def check_stores(store: Store, before: Rows, expected: Rows, found: Found) -> Rows:
    """Open every file and the registry; the rows that are there."""
    registry = Registry(store.registry)
    models = [model.status for model in registry.models()]
    found.damaged += (registry.check() != "ok") + (models != [PROMOTED])
    stored = [read_file(path).num_rows for path in files_of(store.predictions)]
    rows = rows_of(store)
    found.counts["rows stored twice, read once"] += sum(stored) - len(rows)
    found.lost += len(before.keys() - rows.keys())
    found.different += sum(expected.get(key) != score for key, score in rows.items())
    found.counts["rounds that ended with a part of the rows"] += 0 < len(rows) < len(expected)
    return rows


def complete(folder: Path, store: Store, date: str, expected: Rows, found: Found) -> None:
    """One undisturbed call: then every row is there, once, and no temporary file."""
    start(folder, date).wait()
    rows = rows_of(store)
    found.lost += len(expected.keys() - rows.keys())
    found.different += sum(expected.get(key) != score for key, score in rows.items())
    found.damaged += len(list(store.predictions.rglob(f"{PREFIX}*")))
    found.counts["completed stores"] += 1


def main() -> None:
    """Run the rounds and print what was found as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="a trained pipeline")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--dates", type=int, default=8, help="dates per call")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw, found = random.Random(arguments.seed), Found()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = prepared(folder, arguments.folder)
        date = first_date(arguments.folder, arguments.dates)
        begin = time.monotonic()
        start(folder, date).wait()
        seconds, expected = time.monotonic() - begin, rows_of(store)
        rows: Rows = {}
        for number in range(arguments.rounds):
            if number % ROUNDS_PER_STORE == 0:
                shutil.rmtree(store.predictions)
                rows = {}
            there = len(list(files_of(store.predictions)))
            victims = [
                Victim(
                    start(folder, date),
                    draw.randint(min(there, arguments.dates - 2), arguments.dates - 2),
                    draw.choice((None, draw.uniform(0, DELAY))),
                )
                for _ in range(1 + number % 2)
            ]
            disturbed(store, victims, found)
            rows = check_stores(store, rows, expected, found)
            if number % ROUNDS_PER_STORE == ROUNDS_PER_STORE - 1:
                complete(folder, store, date, expected, found)
                counts = f"{found.counts['kills']} kills, {found.faults} faults"
                print(f"{number + 1} rounds, {counts}", file=sys.stderr)
        content = {
            "rounds": arguments.rounds,
            "seconds of a call": round(seconds, 1),
            "rows of a call": len(expected),
            **found.counts,
            "lost rows": found.lost,
            "duplicated rows": found.duplicated,
            "different rows": found.different,
            "damaged files": found.damaged,
        }
    print(json.dumps(content, indent=2))
    sys.exit(1 if found.faults or not expected else 0)


def first_date(folder: Path, dates: int) -> str:
    """The date from which on the data have so many dates."""
    params = load_params(folder)
    scorer = load_scorer(params, folder, read_source(params.data.source, folder), "x")
    days = pd.DatetimeIndex(scorer.clock.to_pandas(scorer.instants)).normalize().unique()
    return str(days.sort_values()[-dates].date())


if __name__ == "__main__":
    main()
