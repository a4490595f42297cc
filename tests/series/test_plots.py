from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from spline_lstm.series.gaps import spline_table, worst_gaps
from spline_lstm.series.plots import missing_table, plot_missing, plot_spline, plot_splits
from spline_lstm.series.preprocess import preprocess
from spline_lstm.windows.scaling import Scaler
from tests.builders import (
    HOUR,
    HOURLY,
    START,
    hours,
    make_arrays,
    make_preprocess_params,
    make_schema,
    make_table,
)

SIZE = 200


def prepared(absent: dict[str, list[int]], *, max_gap: int = 6, **changes):
    """Per series y = row index + 0.5 for each hour, without the rows of `absent`."""
    table = {}
    for name, rows in absent.items():
        kept = np.setdiff1d(np.arange(SIZE), rows)
        table[name] = (hours(SIZE)[kept], kept + 0.5)
    schema = make_schema(series_col="key") if len(absent) > 1 else make_schema()
    raw = make_table(table)
    result = preprocess(
        raw, schema, make_preprocess_params(max_gap=max_gap, **changes), where="t.csv"
    )
    return raw, result.arrays, result.preprocessor.scaler, list(absent)


def gaps_of(absent, **changes):
    _, arrays, scaler, names = prepared(absent, **changes)
    return worst_gaps(arrays, scaler, names)


def test_the_longest_filled_gaps_come_first_and_then_those_left_missing():
    found = gaps_of({"": [*range(20, 23), *range(60, 65), 90, *range(120, 130)]})
    lengths = [item.gap.stop - item.gap.start for item in found]
    assert lengths == [5, 3, 1, 10]
    assert [item.is_filled for item in found] == [True, True, True, False]


def test_values_are_in_data_units_and_the_straight_line_is_filled_in():
    item = gaps_of({"": [20, 21, 22]})[0]
    np.testing.assert_allclose(item.filled, (item.timestamps - START) / HOUR + 0.5, rtol=1e-5)
    np.testing.assert_allclose(item.causal[item.gap], 19.5, rtol=1e-5)
    assert np.isnan(item.raw[item.gap]).all()
    assert item.timestamps[item.gap.start] == START + 20 * HOUR


def test_the_scaling_of_each_series_is_undone_by_its_own_constants():
    arrays = make_arrays(features=1, series_rows=(60, 60))
    raw, observed, scaled = arrays.raw_target.copy(), arrays.observed.copy(), arrays.scaled.copy()
    raw[80], observed[80] = np.nan, False
    scaler = Scaler("standard", np.array([[0.0], [1000.0], [0.0]]), np.array([[1.0], [2.0], [1.0]]))
    arrays = replace(arrays, raw_target=raw, observed=observed, scaled=scaled)
    item = worst_gaps(arrays, scaler, ["a", "b"])[0]
    assert item.series == "b"
    np.testing.assert_allclose(item.filled[item.gap], 2.0 * 800.0 + 1000.0)


def test_of_equally_long_gaps_the_one_with_the_largest_change_comes_first():
    kept = np.setdiff1d(np.arange(SIZE), [30, 31, 70, 71, 110, 111])
    values = np.where(kept > 70, 50.0, 0.0) + 0.01 * np.sin(kept)
    result = preprocess(
        make_table({"": (hours(SIZE)[kept], values)}),
        make_schema(),
        make_preprocess_params(),
        where="t",
    )
    first = worst_gaps(result.arrays, result.preprocessor.scaler, [""])[0]
    assert first.timestamps[first.gap.start] == START + 70 * HOUR


def test_a_stretch_stays_inside_its_series():
    for item in gaps_of({"a": [2, 3], "b": [195, 196]}):
        assert item.timestamps[0] >= START
        assert np.all(np.diff(item.timestamps) == HOUR)


def test_without_a_gap_the_beginning_is_shown():
    (item,) = gaps_of({"": []})
    assert item.gap == slice(0, 0)
    assert item.timestamps[0] == START


def test_a_smoothed_channel_is_shown_where_there_is_one():
    smoothing = make_preprocess_params().smoothing.model_copy(
        update={"method": "channel", "strength": 10.0}
    )
    item = gaps_of({"": [20]}, smoothing=smoothing)[0]
    assert item.smoothed is not None
    assert "smoothed" in spline_table([item], HOURLY)
    assert gaps_of({"": [20]})[0].smoothed is None


def test_the_table_of_gaps_numbers_them_and_keeps_missing_cells_empty():
    stretches = gaps_of({"": [20, 21, 90]})
    table = spline_table(stretches, HOURLY)
    assert table["gap"].unique().tolist() == [1, 2]
    assert table["timestamp"].iloc[0] == "2020-01-01T08:00:00"
    # Between two gaps the lines break off.
    (between,) = np.flatnonzero(table["filled"].isna())
    assert between == len(stretches[0].raw)
    assert table.loc[between, ["raw", "filled", "causal"]].isna().all()
    assert table["raw"].isna().sum() == 3 + 1
    assert table["row"].tolist() == list(range(1, len(table) + 1))


def test_shares_of_missing_rows_add_up_to_the_missing_rows():
    raw, arrays, _, _ = prepared({"": [*range(20, 23), *range(120, 130)]})
    found = missing_table(raw, arrays, HOURLY, bins=7)
    assert len(found) == 7
    assert (found["missing"] * found["rows"]).sum() == pytest.approx(13)
    assert found["rows"].sum() == SIZE


def test_missing_rows_are_found_where_they_are_in_each_column():
    values = np.column_stack([np.arange(100.0), np.arange(100.0)])
    values[50:60, 1] = np.nan
    table = make_table({"": (hours(100), values)}, columns=("y", "x"))
    found = missing_table(table, make_arrays(rows=100, features=2), HOURLY, bins=10)
    shares = found.pivot_table(index="timestamp", columns="column", values="missing")
    assert shares["y"].max() == 0
    assert shares["x"].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_times_in_which_no_series_runs_are_left_out():
    timestamps = np.concatenate([hours(10), START + HOUR * np.arange(90, 100)])
    arrays = make_arrays(features=1, series_rows=(10, 10))
    arrays = replace(arrays, timestamps=timestamps)
    table = make_table({"a": (timestamps[:10], np.zeros(10)), "b": (timestamps[10:], np.zeros(10))})
    found = missing_table(table, arrays, HOURLY, bins=10)
    assert found["timestamp"].tolist() == ["2020-01-01T00:00:00", "2020-01-04T18:00:00"]
    assert found["day"].tolist() == [0, 3.75]
    assert found["missing"].tolist() == [0, 0]


RAW, ARRAYS, SCALER, NAMES = prepared({"a": [*range(20, 25), *range(60, 80)], "b": [3, 4]})
PLOTS = {
    "spline": lambda path: plot_spline(path, worst_gaps(ARRAYS, SCALER, NAMES), HOURLY),
    "missing": lambda path: plot_missing(path, missing_table(RAW, ARRAYS, HOURLY)),
    "splits": lambda path: plot_splits(path, ARRAYS, HOURLY),
}


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_data_give_the_same_bytes_whatever_the_user_has_set(name, tmp_path):
    PLOTS[name](tmp_path / "one.png")
    with mpl.rc_context({"font.size": 30, "timezone": "Asia/Tokyo", "savefig.dpi": 20}):
        PLOTS[name](tmp_path / "two.png")
    content = (tmp_path / "one.png").read_bytes()
    assert content == (tmp_path / "two.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert not any(chunk in content for chunk in (b"tEXt", b"iTXt", b"tIME"))


def test_other_data_give_other_pictures(tmp_path):
    _, arrays, scaler, names = prepared({"": [5]})
    plot_spline(tmp_path / "a.png", worst_gaps(arrays, scaler, names), HOURLY)
    plot_spline(tmp_path / "b.png", worst_gaps(ARRAYS, SCALER, NAMES), HOURLY)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_thin_data_are_drawn_without_a_warning(tmp_path):
    arrays = make_arrays(rows=6, features=2, targets=2)
    unobserved = replace(
        arrays, raw_target=np.full((6, 2), np.nan), observed=np.zeros((6, 2), dtype=bool)
    )
    ended = replace(arrays, split_instants=arrays.timestamps[[2, 3, 5]])
    for index, each in enumerate((arrays, unobserved, ended)):
        plot_splits(tmp_path / f"{index}.png", each, HOURLY)
        scaler = Scaler("none", np.zeros(2), np.ones(2))
        plot_spline(tmp_path / f"gap{index}.png", worst_gaps(each, scaler, [""]), HOURLY)
    one = pd.DataFrame(
        {"timestamp": ["2020-01-01"], "column": ["y"], "missing": [0.0], "rows": [1]}
    )
    plot_missing(tmp_path / "missing.png", one)


def test_of_many_columns_those_with_most_missing_are_drawn(tmp_path):
    shares = np.linspace(0, 1, 200)
    table = pd.DataFrame(
        {
            "timestamp": "2020-01-01",
            "column": [f"c{i}" for i in range(200)],
            "missing": shares,
            "rows": 9,
        }
    )
    plot_missing(tmp_path / "all.png", table)
    plot_missing(tmp_path / "most.png", table.iloc[170:])
    assert (tmp_path / "all.png").read_bytes() == (tmp_path / "most.png").read_bytes()
