"""`init` on tables that it has never seen: what it finds, and what it asks for."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import UsageError
from spline_lstm.core.schema import parse_schema
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.propose import propose
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.summary import decisions
from tests.builders import mutate
from tests.scaffold.tables import (
    HOURS,
    WAVE,
    asked,
    csv_of,
    decided,
    look,
    refused,
)


def test_one_column_of_numbers_needs_no_option():
    found = look(csv_of())
    assert found.schema["timestamp_col"] == "time"
    assert found.schema["target_cols"] == ["y"]
    assert found.values["preprocess.frequency"] == "1h"
    assert found.values["evaluate.season"] == 24
    # The validation split, 60 hours, holds four horizons.
    assert found.values["window.horizon"] == 15
    assert found.values["preprocess.feature_mode"] == "univariate"
    assert found.schema["calendar_features"]["features"] == [
        "hour_sin",
        "hour_cos",
        "dow_sin",
        "dow_cos",
    ]


@pytest.mark.parametrize(
    ("overlay", "reason"),
    [
        ({}, "change it to what you need"),
        ({"window.horizon": 24}, "as in the params"),
        ({"evaluate.season": 15}, "a season"),
    ],
)
def test_a_horizon_has_its_reason(overlay, reason):
    found = propose(read_table(csv_of(), "f", Options()), "f", Options(), overlay)
    assert decisions(found)["windows"].endswith(f" rows ({reason})")


def test_covariates_get_the_dtype_of_their_cells():
    kinds = {
        "temp": np.linspace(0, 1, 400),
        "count": np.arange(400) % 7,
        "open": np.arange(400) % 2 == 0,
        "sky": ["clear", "rain"] * 200,
        "fixed": "x",
        "nothing": "",
        "note": [f"remark {k}" for k in range(400)],
    }
    content = csv_of(y=WAVE, **kinds)
    found = look(content, targets=("y",))
    covariates = {item["name"]: item["dtype"] for item in found.schema["dynamic_covariates"]}
    assert covariates == {"temp": "float", "count": "int", "open": "boolean", "sky": "categorical"}
    assert found.values["preprocess.feature_mode"] == "multivariate"
    for name in ("fixed", "nothing", "note"):
        assert name in decided(content, targets=("y",))["left out"]
    assert parse_schema(json.dumps(found.schema), "s").target_cols == ("y",)


def test_a_panel_gets_its_key_and_its_static_columns():
    long = pd.concat(
        [
            pd.DataFrame({"store": name, "region": region, "y": WAVE})
            for name, region in zip("abc", "NSN", strict=True)
        ]
    )
    timestamps = pd.DatetimeIndex(np.tile(HOURS, 3))
    found = look(
        csv_of(timestamps, **{name: long[name].to_numpy() for name in long}), targets=("y",)
    )
    assert found.schema["series_col"] == "store"
    assert found.values["preprocess.scaler_scope"] == "auto"
    assert [item["name"] for item in found.schema["static_covariates"]] == ["region"]
    assert found.schema["dynamic_covariates"] == []


def test_markers_go_into_the_schema():
    y = WAVE.round(3).astype(str)
    y[5], y[9] = "nil", "n/a"
    assert look(csv_of(y=y)).schema["table_format"]["missing_markers"] == ["n/a", "nil"]


def test_disorder_and_repeated_timestamps_are_found_and_said():
    order = np.r_[0:100, 101, 100, 102:400, 399]
    content = csv_of(HOURS[order], y=WAVE[order])
    found = look(content)
    assert found.values["data.sort"] is True
    assert found.values["data.duplicates"] == "copies"
    assert "1 exact copy of" in asked(content)
    assert "not in chronological order" in asked(content)


def test_limits_are_raised_to_what_the_file_has():
    kept = np.r_[0:100, 220:400]
    found = look(csv_of(HOURS[kept], y=WAVE[kept]))
    # 120 of 400 rows are absent, 30 %: the next step of 5 % that leaves some room
    assert found.values["preprocess.max_missing"] == 0.4
    assert look(csv_of()).values["preprocess.max_missing"] == 0.3


def two(**columns):
    return csv_of(y=WAVE, **columns)


MONTHS = pd.date_range("2000-01-01", periods=120, freq="MS")


SCATTERED = pd.Timestamp("2024-01-01") + pd.to_timedelta(
    np.cumsum(np.random.default_rng(1).exponential(600, 400)), unit="s"
)


PAIRS = pd.DataFrame([(s, i) for s in "ab" for i in "xy"], columns=["shop", "item"])


@pytest.mark.parametrize(
    ("content", "option", "names"),
    [
        (two(z=WAVE), "--target", ["'y'", "'z'"]),
        (two(made=HOURS.strftime("%Y-%m-%d %H:%M")), "--timestamp", ["'time'", "'made'"]),
        (
            csv_of(MONTHS, form="%d/%m/%Y", y=WAVE[:120]),
            "--timestamp-format",
            ["%d/%m/%Y", "%m/%d/%Y"],
        ),
        (csv_of(SCATTERED, form="%Y-%m-%d %H:%M:%S"), "--frequency", ["median"]),
        (two(z=[*["oops"] * 3, *WAVE[3:].astype(str)]), "--target", ["'y'", "'z'"]),
        (csv_of(y=[*["oops"] * 3, *WAVE[3:].astype(str)]), "--missing=oops", ["'y'"]),
        (csv_of(y=[-9999.0, *WAVE[1:]]), "--missing=-9999", ["'y'"]),
        (csv_of(name=["a", "b"] * 200), "--target", ["'name'"]),
        (b"a,b\nx,1\ny,2\n", "--timestamp", ["'a'", "'b'"]),
        (csv_of(HOURS.repeat(2), y=np.sin(np.arange(800))), "--series", ["400 of 800"]),
        (
            csv_of(HOURS[:200].repeat(2), a=["k", "l"] * 200, b=["m", "n"] * 200, y=WAVE),
            "--series",
            ["'a'", "'b'"],
        ),
        (
            csv_of(
                HOURS[:100].repeat(4),
                **{c: np.tile(PAIRS[c], 100) for c in PAIRS},
                y=np.sin(np.arange(400.0)),
            ),
            "--series",
            ["'shop'", "'item'"],
        ),
    ],
)
def test_what_the_file_leaves_open_is_asked_for_with_candidates_and_option(content, option, names):
    message = refused(content)
    assert option in message
    assert all(name in message for name in names), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (two(z=WAVE), {"targets": ("z",)}),
        (two(z=WAVE), {"targets": ("z", "y")}),
        (two(made=HOURS.strftime("%Y-%m-%d %H:%M")), {"timestamp": "made"}),
        (
            csv_of(MONTHS, form="%d/%m/%Y", y=WAVE[:120]),
            {"timestamp_format": "%d/%m/%Y"},
        ),
        (
            csv_of(MONTHS, form="%d/%m/%Y", y=WAVE[:120]),
            {"timestamp_format": "%m/%d/%Y", "frequency": "1D", "max_missing": 0.98},
        ),
        (csv_of(SCATTERED, form="%Y-%m-%d %H:%M:%S"), {"frequency": "1h"}),
        (csv_of(y=[*["oops"] * 3, *WAVE[3:].astype(str)]), {"missing": ("oops",)}),
        (csv_of(y=[-9999.0, *WAVE[1:]]), {"missing": ("-9999.0000",)}),
        (csv_of(y=[-9999.0, *WAVE[1:]]), {"missing": ("",)}),
        (
            csv_of(HOURS[:200].repeat(2), a=["k", "l"] * 200, b=["m", "n"] * 200, y=WAVE),
            {"series": "a"},
        ),
    ],
)
def test_the_option_answers_the_question(content, options):
    found = look(content, **options)
    for key, value in {
        "timestamp_col": options.get("timestamp"),
        "series_col": options.get("series"),
    }.items():
        assert value is None or found.schema[key] == value
    assert found.schema["target_cols"] == list(options.get("targets", ["y"]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timestamp": "nope"}, "no column 'nope'"),
        ({"timestamp": "y"}, "not a timestamp of a known form"),
        ({"targets": ("time",)}, "contains text"),
        ({"frequency": "1M"}, "fixed, positive duration"),
        ({"frequency": "7D"}, "at least 40"),
        (
            {"timestamp_format": "%d.%m.%Y"},
            "not every timestamp in 'time' has the form %d.%m.%Y: line 2 has '2024-01-01 00:00', "
            "and 399 more rows like it; change --timestamp-format",
        ),
        ({"timestamp_format": "index"}, "has the form index: line 2 has '2024-01-01 00:00'"),
        ({"decimal": ","}, "--decimal ,: that separates the columns"),
        ({"ambiguous_hour": "later"}, "without a zone"),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(options, words):
    assert words in refused(csv_of(), **options)


def test_the_only_timestamp_of_another_form_is_named_with_its_line():
    content = csv_of().replace(b"2024-01-01 05:00", b"01.01.2024 05:00")
    assert "line 7 has '01.01.2024 05:00'; change" in refused(
        content, timestamp="time", timestamp_format="ISO8601"
    )


@pytest.mark.parametrize("targets", [(), ("y",)])
def test_numbers_with_a_mark_that_is_declared_otherwise_are_not_taken_for_units(targets):
    content = csv_of(separator=";", y=[f"{100 + row},134" for row in range(400)])
    message = refused(content, decimal=".", targets=targets)
    assert "'100,134'" in message
    assert message.endswith(
        "give --thousands , if it separates thousands, or --decimal , if it is the decimal mark"
    )
    assert look(content, decimal=".", thousands=",").schema["target_cols"] == ["y"]


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("{},234,567", "give --thousands , if it separates thousands"),
        ("{},0,0,1", "write plain numbers without units and signs of currency"),
    ],
)
def test_several_marks_are_of_thousands_or_of_no_number(cell, advice):
    content = csv_of(separator=";", y=[cell.format(100 + row) for row in range(400)])
    assert refused(content, decimal=".").endswith(
        f"contains {cell.format(100)!r}, which is not read as a number; {advice}"
    )


def test_texts_that_may_mean_missing_are_quoted_for_the_shell():
    content = csv_of(y=[*np.round(WAVE[:-1], 2).astype(str), "not known"])
    assert "add --missing='not known' if it means missing" in refused(content)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit_row": False}, "leave out --no-unit-row:"),
        ({"timestamp_format": "%Y"}, "'time' has timestamps, not text of the form %Y"),
    ],
)
def test_options_about_text_are_refused_for_a_parquet_file(options, words):
    content = io.BytesIO()
    pd.DataFrame({"time": HOURS, "y": WAVE}).to_parquet(content)
    assert words in refused(content.getvalue(), **options)


def test_a_table_without_timestamps_may_be_a_table_of_cases():
    content = b"y,kind\n" + b"1.5,a\n0.5,b\n2.5,a\n" * 40
    assert "--task tabular" in refused(content)


def test_a_broken_timestamp_is_named():
    content = csv_of().replace(b"2024-01-02 05:00", b"yesterday")
    line = (
        content.splitlines().index(next(x for x in content.splitlines() if b"yesterday" in x)) + 1
    )
    assert f"has in line {line} 'yesterday'" in refused(content)
    below = b"made by a logger\n" + content
    assert f"has in line {line + 1} 'yesterday'" in refused(below, skip_lines=1)


def test_a_constant_target_is_refused():
    assert "never changes" in refused(csv_of(y=np.ones(400)), targets=("y",))


def test_numbers_that_never_change_are_called_constant_and_texts_are_not():
    message = refused(csv_of(y=np.full(400, 7.0), place="here"))
    assert "the numbers in 'y' are constant" in message
    assert "'place'" not in message
    assert "no column contains numbers" in refused(csv_of(place="here"))


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 30),
            st.text(st.sampled_from('0123,.;\n\t"-xé\0:/ '), max_size=12),
        ),
        max_size=8,
    )
)
@settings(max_examples=30)
def test_any_text_ends_in_a_proposal_or_in_one_line(edits):
    text = mutate(csv_of(HOURS[:60], y=WAVE[:60], z=["a", "b"] * 30).decode(), edits)
    message = ""
    try:
        parse_schema(json.dumps(dict(look(text.encode()).schema)), "s")
    except UsageError as error:
        message = str(error)
    assert "\n" not in message


def test_rows_on_closed_days_are_counted():
    days = pd.date_range("2024-01-01", periods=280, freq="D")
    said = asked(csv_of(days, y=WAVE[:280]), week_mask="Mon-Sat")
    assert "40 of 280 timestamps are on a closed day, such as 2024-01-07T00:00:00Z" in said
    closings = pd.bdate_range("2024-01-01 16:00", periods=200)
    assert "closed day" not in asked(csv_of(closings, y=WAVE[:200]), frequency="B")


def test_a_file_with_another_separator_is_told_which_ones_there_are():
    content = csv_of().replace(b",", b"~")
    assert "commas, semicolons, tabs, bars or blanks between them" in refused(content)
