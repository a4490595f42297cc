import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import StoreError
from spline_lstm.store.database import connect
from spline_lstm.store.predictions import KEYS, add_predictions, files_of, read_predictions
from tests.builders import HOUR, HOURLY, START
from tests.store.examples import NOW, scored


def add(folder, rows, clock=HOURLY, now=NOW, model="m"):
    return add_predictions(folder, "forecast", model, rows, clock, now)


def contents(folder):
    return {path.name: path.read_bytes() for path in files_of(folder)}


def test_rows_are_read_back_as_they_were_stored(tmp_path):
    assert add(tmp_path, scored(hours=(0, 30), symbols=("a", "b"), lower_80=-1.0)) == 8
    found = read_predictions(tmp_path)
    assert len(found) == 8
    row = found[(found["symbol"] == "b") & (found["step"] == 2)].iloc[1]
    assert (row["task_id"], row["model_id"], row["target"]) == ("forecast", "m", "y")
    assert row["ts"] == pd.Timestamp(START + 30 * HOUR, tz="UTC")
    assert row["timestamp"] == pd.Timestamp(START + 32 * HOUR, tz="UTC")
    assert (row["score"], row["lower_80"], row["members"]) == (30.2, -1.0, "toy")
    assert row["generated_at"] == NOW


def test_the_same_rows_again_change_no_file(tmp_path):
    add(tmp_path, scored(hours=(0, 30)))
    before = contents(tmp_path)
    assert add(tmp_path, scored(hours=(30, 0), add=5.0), now=NOW + timedelta(days=1)) == 0
    assert contents(tmp_path) == before
    assert len(before) == 2


def test_of_overlapping_rows_only_the_new_ones_are_stored(tmp_path):
    add(tmp_path, scored(symbols=("a",)))
    assert add(tmp_path, scored(symbols=("a", "b"), add=5.0)) == 2
    found = read_predictions(tmp_path)
    assert found["score"].tolist() == [0.1, 0.2, 5.1, 5.2]
    assert sum(pq.read_metadata(path).num_rows for path in files_of(tmp_path)) == 4


def test_a_file_is_a_date_in_the_zone_of_the_clock(tmp_path):
    add(tmp_path, scored(hours=(22, 23), steps=1), clock=replace(HOURLY, zone="Europe/Berlin"))
    places = [path.parent.relative_to(tmp_path).as_posix() for path in files_of(tmp_path)]
    assert places == [
        "task_id=forecast/date=2020-01-01",
        "task_id=forecast/date=2020-01-02",
    ]
    assert len(read_predictions(tmp_path, date="2020-01-02")) == 1
    assert len(read_predictions(tmp_path, task_id="direction")) == 0


def test_numbers_of_an_index_stay_numbers(tmp_path):
    rows = scored()
    rows = replace(rows, rows=rows.rows.assign(ts=7, timestamp=[8, 9]))
    add(tmp_path, rows, clock=Clock("index", anchor=0, step=1))
    assert add(tmp_path, rows, clock=Clock("index", anchor=0, step=1)) == 0
    assert read_predictions(tmp_path, date="7")["timestamp"].tolist() == [8, 9]
    assert connect(tmp_path).execute("SELECT ts, date FROM predictions").fetchone() == (7, "7")


def test_models_and_further_columns_stand_beside_each_other(tmp_path):
    add(tmp_path, scored(steps=1), model="one")
    add(tmp_path, scored(steps=1, upper_80=9.0), model="two")
    found = read_predictions(tmp_path).set_index("model_id")["upper_80"]
    assert np.isnan(found["one"])
    assert found["two"] == 9.0
    query = "SELECT upper_80 FROM predictions ORDER BY model_id"
    assert connect(tmp_path).execute(query).fetchall() == [(None,), (9.0,)]


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    add(tmp_path, scored())
    (path,) = files_of(tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StoreError, match=rf"{path.name} is damaged .*; remove it and run score"):
        read_predictions(tmp_path)
    with pytest.raises(StoreError):
        add(tmp_path, scored(hours=(1,)))


def test_an_empty_store_has_the_columns(tmp_path):
    assert read_predictions(tmp_path).empty
    assert connect(tmp_path).execute("SELECT count(score) FROM predictions").fetchone() == (0,)


BATCHES = st.lists(
    st.tuples(st.sets(st.integers(0, 30), min_size=1), st.sampled_from("mn"), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=8, deadline=None)
@given(BATCHES)
def test_readers_see_the_first_row_of_each_key_however_calls_overlap(batches):
    """Also if two calls did not see each other: the rows of one are in a file of their own."""
    first: dict[tuple, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (hours, model, together) in enumerate(batches):
            rows = scored(hours=sorted(hours), steps=1, add=100.0 * number)
            now = NOW + timedelta(seconds=number)
            place = folder / "aside" if together else folder
            add(place, rows, now=now, model=model)
            for path in [*files_of(folder / "aside")]:
                target = folder / path.relative_to(folder / "aside")
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target.with_name(f"{number}{path.name}"))
            for hour in hours:
                first.setdefault((model, hour), hour + 0.1 + 100.0 * number)
        found = read_predictions(folder)
        hour = (found["ts"] - pd.Timestamp(START, tz="UTC")) // pd.Timedelta(hours=1)
        keys = zip(found["model_id"], hour, strict=True)
        assert dict(zip(keys, found["score"], strict=True)) == first
        keys = ", ".join(KEYS)
        rows = connect(folder).execute(f"SELECT score FROM predictions ORDER BY {keys}").fetchall()
        assert [score for (score,) in rows] == found["score"].tolist()
