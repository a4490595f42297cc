"""Two writers and a reader at once: short; benchmarks/store_kills.py also kills them."""

import subprocess
import sys
import time

from spline_lstm.store.database import connect
from spline_lstm.store.predictions import files_of, read_predictions
from tests.builders import ROOT

HOURS, SERIES = 12, 5
# Each call scores one hour of the series that it was given; the two writers overlap in most.
WRITER = f"""
import sys
from datetime import UTC, datetime
from pathlib import Path
from spline_lstm.store.predictions import add_predictions
from tests.builders import HOURLY
from tests.store.examples import scored
for hour in range({HOURS}):
    rows = scored(hours=(hour,), symbols=sys.argv[2])
    add_predictions(Path(sys.argv[1]), "forecast", "m", rows, HOURLY, datetime.now(UTC))
"""


def test_two_writers_and_a_reader_at_once_lose_and_duplicate_nothing(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), symbols], cwd=ROOT)
        for symbols in ("abcd", "bcde")
    ]
    counts = [0]
    keys = "SELECT count(*), count(DISTINCT (symbol, ts, step)) FROM predictions"
    while any(writer.poll() is None for writer in writers):
        rows, distinct = connect(tmp_path).execute(keys).fetchone()
        assert rows == distinct >= counts[-1]
        counts.append(rows)
        time.sleep(0.02)
    assert [writer.wait() for writer in writers] == [0, 0]
    found = read_predictions(tmp_path)
    assert len(found) == HOURS * SERIES * 2
    assert not found.duplicated(["symbol", "ts", "step"]).any()
    assert connect(tmp_path).execute(keys).fetchone() == (len(found), len(found))
    assert not list(tmp_path.rglob(".tmp-*"))
    assert len(list(files_of(tmp_path))) >= HOURS
