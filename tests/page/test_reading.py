"""Files, times and texts as the page needs them."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ArtifactError
from spline_lstm.page.reading import (
    csv_if_made,
    instants_of,
    json_if_made,
    levels_of,
    parquet_rows,
    plain_text,
    wall_times,
)
from tests.builders import HOUR, START


def test_what_is_not_there_is_empty(tmp_path):
    assert json_if_made(tmp_path / "x.json") == {}
    assert list(csv_if_made(tmp_path / "x.csv", ["a", "b"])) == ["a", "b"]


def test_names_that_look_like_numbers_stay_texts(tmp_path):
    (tmp_path / "x.csv").write_text("series,value\n007,1\n")
    assert csv_if_made(tmp_path / "x.csv", ["value"], ["series"])["series"].tolist() == ["007"]


def test_a_missing_parquet_file_is_one_line(tmp_path):
    with pytest.raises(ArtifactError, match=r"x\.parquet is damaged or cannot be read"):
        parquet_rows(tmp_path / "x.parquet", ["a"])


def test_times_are_those_on_the_wall_of_the_zone():
    clock = Clock("fixed", step=HOUR, zone="Asia/Tokyo")
    times = wall_times(clock, np.array([START]))
    assert times.tolist() == [pd.Timestamp("2020-01-01 09:00")]
    index = Clock("index", step=1)
    assert wall_times(index, np.array([7])).tolist() == [7]


def test_instants_come_back_from_a_column():
    times = pd.Series(pd.to_datetime([START], utc=True))
    assert instants_of(times).tolist() == [START]
    assert instants_of(times.dt.as_unit("ms")).tolist() == [START]
    assert instants_of(pd.Series([5])).tolist() == [5]


def test_levels_are_in_the_order_of_their_width():
    assert levels_of(["lower_80", "lower_97.5", "upper_80", "lower_9"]) == ("97.5", "80", "9")


def test_text_of_a_file_marks_nothing_up():
    assert plain_text("a*b ![x](y) :red[z]") == r"a\*b \!\[x\]\(y\) \:red\[z\]"
