"""`init` on files it has never seen: what it finds, what it asks for, and that the folder works."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from spline_lstm.__main__ import main
from spline_lstm.core.errors import SplineLstmError, UsageError
from spline_lstm.core.params import (
    Params,
    load_overlay,
    load_params,
    parse_params,
    with_values,
)
from spline_lstm.core.schema import load_schema, parse_schema
from spline_lstm.core.timestamps import find_cadence, frequency_text, parse_frequency
from spline_lstm.core.yaml_files import render_params
from spline_lstm.scaffold.column_roles import Options
from spline_lstm.scaffold.column_types import examine
from spline_lstm.scaffold.propose import propose
from spline_lstm.scaffold.read_text import read_text_table
from spline_lstm.scaffold.timestamp_formats import timestamp_forms
from spline_lstm.scaffold.write_folder import (
    cached_outputs,
    render_dvc,
    render_schema,
    scaffold,
)
from stages import ingest, preprocess, window
from tests.builders import mutate
from tests.pipeline.conftest import make_clone
from tools.import_closure import ROOT, import_closure

SECOND = 10**9
HOURS = pd.date_range("2024-01-01", periods=400, freq="h")
WAVE = 10 + 3 * np.sin(np.arange(400) * 2 * np.pi / 24)


def csv_of(timestamps=None, separator=",", decimal=".", form="%Y-%m-%d %H:%M", **columns) -> bytes:
    """A table with column `time` and `columns`; by default 400 hours."""
    timestamps = HOURS if timestamps is None else timestamps
    frame = pd.DataFrame({"time": timestamps.strftime(form), **(columns or {"y": WAVE})})
    return frame.to_csv(index=False, sep=separator, decimal=decimal, float_format="%.4f").encode()


def look(content: bytes, **options):
    return propose(content, "file.csv", Options(**options))


def refused(content: bytes, **options) -> str:
    """The message of the UsageError."""
    with pytest.raises(UsageError) as caught:
        look(content, **options)
    return str(caught.value)


@pytest.fixture
def root(tmp_path):
    """A repository root with what `init` reads there."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "stages").mkdir()
    return tmp_path


# --- text ---


@given(
    separator=st.sampled_from(",;\t|"),
    decimal=st.sampled_from(".,"),
    bom=st.booleans(),
    values=st.lists(
        st.floats(-1e6, 1e6).map(lambda x: round(x, 3) + 0.0005), min_size=5, max_size=20
    ),
)
def test_separator_and_decimal_mark_are_found(separator, decimal, bom, values):
    frame = pd.DataFrame({"when": "2024-01-01", "what": "x", "y": values})
    if separator == decimal == ",":
        decimal = "."
    content = frame.to_csv(
        index=False, sep=separator, decimal=decimal, float_format="%.4f"
    ).encode()
    table = read_text_table(b"\xef\xbb\xbf" * bom + content, "f", separator=None, decimal=None)
    assert (table.separator, table.decimal) == (separator, decimal)
    found = examine(table.cells["y"], table.decimal)
    assert found.kind == "float"
    np.testing.assert_allclose(found.numbers, values, atol=6e-5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2,3\n", "line 2 has 3 cells"),
        (b"just one column\n1\n2\n", "no separator"),
        (b"a,b\n", "1 line"),
        (b"", "0 line"),
        (b"2024-01-01,5\n2024-01-02,6\n", "looks like data"),
        (b"a,a\n1,2\n", "twice"),
        (b"t\xe4g,y\n1,2\n", "UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"a,b\n1,\0\n", "binary"),
        (b"t;x,y\n1;2,3\n4;5,6\n", "--separator"),
        (b"t;x\n2024-01-01;1,234\n2024-01-02;2,345\n", "--decimal"),
        (b"t;x;y\n2024-01-01;1,2;1.2\n2024-01-02;2,34;1.3\n", "--decimal"),
    ],
)
def test_text_that_is_no_clear_table_is_refused_with_a_reason(content, words):
    with pytest.raises(UsageError, match=words):
        read_text_table(content, "file.csv", separator=None, decimal=None)


def test_what_the_user_says_about_the_text_counts():
    table = read_text_table(b"t;x\n1;1,234\n2;2,345\n", "f", separator=";", decimal=",")
    assert examine(table.cells["x"], table.decimal).numbers.tolist() == [1.234, 2.345]


# --- kinds ---


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "-3"], "int"),
        (["1", "2.5", "1e-3"], "float"),
        (["0", "1", "1"], "boolean"),
        (["True", "false", ""], "boolean"),
        (["a", "b", "1"], "text"),
        (["", "NA", ""], "empty"),
        (["1.234,5", "2.345,6"], "text"),
    ],
)
def test_kinds_of_columns(cells, kind):
    assert examine(pd.Series(cells, name="c"), ".").kind == kind


@given(st.lists(st.sampled_from(["nil", "NA", "n/a", "-", "?", ""]), min_size=1, max_size=5))
def test_markers_among_numbers_are_found_as_they_are_written(markers):
    cells = [str(number) for number in range(50)] + markers
    found = examine(pd.Series(cells, name="c"), ".")
    assert set(found.markers) == set(markers) - {""}
    assert found.missing == len(markers)
    assert found.kind == "int"


def test_unknown_texts_and_far_away_sentinels_are_reported():
    found = examine(pd.Series([*map(str, range(50)), "error", "-999"], name="c"), ".")
    assert (found.oddities, found.sentinels) == (("error",), ("-999",))
    inside = examine(pd.Series([*map(str, range(-2000, 2000, 37)), "-999"], name="c"), ".")
    assert inside.sentinels == ()


# --- timestamps ---

FORMS = [
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%Y/%m/%d %H:%M",
    "%d-%b-%Y %H:%M",
]
FORMS += [
    "%m/%d/%Y %I:%M %p",
    "%Y%m%d%H%M",
    "%d.%m.%y %H:%M",
    "%Y-%m-%dT%H:%M:%SZ",
    "%b %d, %Y %H:%M",
]


@given(
    form=st.sampled_from(FORMS),
    start=st.datetimes(min_value=pd.Timestamp("1990-01-01"), max_value=pd.Timestamp("2030-01-01")),
    step=st.sampled_from(["5min", "1h", "7h", "1D"]),
)
@settings(max_examples=25)
def test_the_form_of_timestamps_is_found_or_known_to_be_ambiguous(form, start, step):
    timestamps = pd.date_range(start.replace(second=0, microsecond=0), periods=60, freq=step)
    column = pd.Series(timestamps.strftime(form), name="time", dtype="str")
    found = timestamp_forms(column)
    truth = timestamps.as_unit("ns").asi8
    assert any(np.array_equal(each.timestamps, truth) for each in found)
    if len(found) > 1:
        assert all(day <= 12 for day in timestamps.day), [each.form for each in found]


@pytest.mark.parametrize(("unit", "form"), [(1, "unix_s"), (1000, "unix_ms")])
def test_unix_time_is_found(unit, form):
    column = pd.Series([str((1_700_000_000 + 60 * k) * unit) for k in range(10)], name="x")
    (found,) = timestamp_forms(column)
    assert found.form == form
    assert found.timestamps[1] - found.timestamps[0] == 60 * SECOND


@given(st.lists(st.integers(-(10**6), 10**9), min_size=3))
def test_plain_numbers_are_no_timestamps(numbers):
    assert (
        timestamp_forms(pd.Series([str(n) for n in numbers], name="load")) == []
        or sorted(numbers) == numbers
    )


def test_equal_day_and_month_are_not_ambiguous():
    column = pd.Series([f"05/05/2021 {hour:02d}:00" for hour in range(24)], name="t")
    assert len(timestamp_forms(column)) == 1


# --- cadence ---


@given(step=st.integers(1, 86_400 * 7), count=st.integers(5, 50), gaps=st.integers(0, 1))
def test_a_regular_cadence_is_found_to_the_second(step, count, gaps):
    steps = np.full(count, step * SECOND)
    steps[:gaps] *= 9
    found = find_cadence(steps)
    assert found is not None
    assert found.step == step * SECOND


@given(st.sampled_from([60, 300, 3600, 86_400]), st.integers(0, 10_000))
def test_jitter_around_a_usual_step_is_seen_through(step, seed):
    noise = np.random.default_rng(seed).uniform(-0.04, 0.04, 100) * step
    found = find_cadence((step * SECOND + (noise * SECOND).astype(np.int64)).astype(np.int64))
    assert found is not None
    assert found.step == step * SECOND


def test_no_step_is_made_up_for_irregular_timestamps():
    steps = (np.random.default_rng(0).exponential(1000, 500) * SECOND).astype(np.int64) + 1
    found = find_cadence(steps)
    assert found is not None
    assert found.step is None


# Beyond 2^53 ns (104 days) pandas reads a bare count of nanoseconds as a rounded float.
@given(st.integers(1, 2**53))
def test_the_text_of_a_duration_means_the_duration(step):
    assert parse_frequency(frequency_text(step)) == step


# --- the proposal ---


def test_one_column_of_numbers_needs_no_option():
    found = look(csv_of())
    assert found.schema["timestamp_col"] == "time"
    assert found.schema["target_cols"] == ["y"]
    assert found.values["preprocess.frequency"] == "1h"
    assert found.values["evaluate.season"] == 24
    assert (
        found.values["window.horizon"] == 15
    )  # the validation part, 60 hours, must hold four horizons
    assert found.values["preprocess.feature_mode"] == "univariate"
    assert found.schema["calendar_features"]["features"] == [
        "hour_sin",
        "hour_cos",
        "dow_sin",
        "dow_cos",
    ]


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
    found = look(csv_of(y=WAVE, **kinds), targets=("y",))
    covariates = {item["name"]: item["dtype"] for item in found.schema["dynamic_covariates"]}
    assert covariates == {"temp": "float", "count": "int", "open": "boolean", "sky": "categorical"}
    assert found.values["preprocess.feature_mode"] == "multivariate"
    for name in ("fixed", "nothing", "note"):
        assert name in found.decisions["left out"]
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
    assert [item["name"] for item in found.schema["static_covariates"]] == ["region"]
    assert found.schema["dynamic_covariates"] == []


def test_markers_go_into_the_schema():
    y = WAVE.round(3).astype(str)
    y[5], y[9] = "nil", "n/a"
    assert look(csv_of(y=y)).schema["table_format"]["missing_markers"] == ["n/a", "nil"]


def test_disorder_and_repeated_timestamps_are_found_and_said():
    order = np.r_[0:100, 101, 100, 102:400, 399]
    found = look(csv_of(HOURS[order], y=WAVE[order]))
    assert found.values["data.sort"] is True
    assert found.values["data.duplicates"] == "last"
    assert any("repeat a timestamp" in text for text in found.questions)


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
        (csv_of(MONTHS, y=WAVE[:120]), "--frequency", ["31D"]),
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
            {"timestamp_format": "%d/%m/%Y", "frequency": "730.485h"},
        ),
        (
            csv_of(MONTHS, form="%d/%m/%Y", y=WAVE[:120]),
            {"timestamp_format": "%m/%d/%Y", "frequency": "1D"},
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
        ({"timestamp_format": "%d.%m.%Y"}, "not every timestamp"),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(options, words):
    assert words in refused(csv_of(), **options)


def test_a_broken_timestamp_is_named():
    content = csv_of().replace(b"2024-01-02 05:00", b"yesterday")
    assert "data row 30 'yesterday'" in refused(content)


def test_date_and_time_in_two_columns_are_explained():
    content = csv_of(form="%Y-%m-%d", clock=HOURS.strftime("%H:%M"), y=WAVE)
    message = refused(content)
    assert "'time'" in message
    assert "'clock'" in message
    assert "one column" in message


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


# --- the files ---


def test_params_keep_every_comment_and_change_only_what_is_given():
    pattern = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = render_params(pattern, {"window.lookback": 99, "data.source": "../x.csv"})
    changed = [
        (one, two)
        for one, two in zip(pattern.splitlines(), text.splitlines(), strict=True)
        if one != two
    ]
    assert [new.strip() for _, new in changed] == ["source: ../x.csv", "lookback: 99"]
    assert render_params(pattern, {}) == pattern


def read_yaml(text: str) -> dict:
    return YAML(typ="safe").load(text)


CODE = ("spline_lstm/", "stages/")


def test_dvc_yaml_follows_the_rules_of_the_root_in_the_folder():
    pattern = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    made, root = read_yaml(render_dvc(pattern, "x")), read_yaml(pattern)
    assert made["vars"] == [{"folder": "pipelines/x"}]
    assert list(made["stages"]) == list(root["stages"])
    for name, stage in made["stages"].items():
        origin = root["stages"][name]
        assert stage["cmd"] == origin["cmd"] + " ${folder}"
        assert stage["wdir"] == "../.."
        code = {dep for dep in stage["deps"] if dep.startswith(CODE)}
        assert code == {dep for dep in origin["deps"] if dep.startswith(CODE)}
        assert code <= import_closure(origin["cmd"].split()[2]) | code
        paths = [dep for dep in stage["deps"] if not dep.startswith(CODE)]
        for key in ("outs", "metrics", "plots"):
            paths += [
                each if isinstance(each, str) else next(iter(each)) for each in stage.get(key, [])
            ]
        assert all(path.startswith("${folder}/") for path in paths)
        assert stage["params"] == [{"${folder}/params.yaml": origin["params"]}]
    # Paths of the top-level plots are relative to the file.
    assert made.get("plots") == root.get("plots")


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("pipelines/*/dvc.yaml")), ids=lambda path: path.parent.name
)
def test_the_pipelines_of_the_repository_follow_the_root(path):
    source = load_params(path.parent).data.source
    is_file = (path.parent / source).is_file()
    pattern = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert read_yaml(path.read_text(encoding="utf-8")) == read_yaml(
        render_dvc(pattern, path.parent.name, source_file=is_file)
    )


def test_ingest_depends_on_the_source_file_unless_there_is_none():
    pattern = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert (
        "${folder}/${data.source}"
        in read_yaml(render_dvc(pattern, "x"))["stages"]["ingest"]["deps"]
    )
    without = read_yaml(render_dvc(pattern, "x", source_file=False))["stages"]["ingest"]["deps"]
    assert not [dep for dep in without if "source" in dep and not dep.endswith(".py")]


def test_cached_outputs_are_ignored_by_git():
    found = cached_outputs((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    assert {
        "data/raw/series.csv",
        "models/preprocessor.json",
        "models/rnn/best.safetensors",
    } <= set(found)
    assert not [path for path in found if path.startswith(("metrics/", "plots/"))]


@given(
    st.recursive(
        st.integers() | st.text('ab[]{} "\n\\,', max_size=6) | st.booleans(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("ab[]{", max_size=3), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_the_layout_of_a_schema_changes_no_content(content):
    assert json.loads(render_schema({"a": content})) == {"a": content}


def test_init_writes_a_folder_that_the_stages_accept(root):
    (root / "table.csv").write_bytes(csv_of())
    text = scaffold("mine", root / "table.csv", Options(), root)
    folder = root / "pipelines/mine"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".gitignore",
        "dvc.yaml",
        "params.yaml",
        "schema.json",
    ]
    params = load_params(folder)
    assert params.data.source == "../../table.csv"
    assert load_schema(folder / params.data.schema_file).target_cols == ("y",)
    assert "Next: dvc repro pipelines/mine/dvc.yaml" in text
    command = (
        "dvc exp run pipelines/mine/dvc.yaml -S pipelines/mine/params.yaml:train.batch_size=64"
    )
    assert text.endswith(command)
    check, experiment, rest = (folder / "params.yaml").read_text(encoding="utf-8").splitlines()[:3]
    assert "`python -m spline_lstm check pipelines/mine`" in check
    assert (experiment, rest) == (f"# `{command}`", "# runs the pipeline with another value.")
    assert "outside" not in text


OVERLAY = """# Every second hour.
data:
  source: elsewhere.csv
preprocess:
  frequency: 2h
window:
  lookback: 12
"""


def recipe(root: Path, schema: dict | None = None) -> list[str]:
    """Files for --params and --schema of init beside the root, and the options that name them."""
    (root / "recipe.yaml").write_text(OVERLAY)
    content = schema or {"version": 1, "timestamp_col": "time", "target_cols": ["z"]}
    (root / "recipe.json").write_text(json.dumps(content))
    return ["--params", "recipe.yaml", "--schema", "recipe.json"]


@pytest.mark.parametrize("with_schema", [True, False])
def test_init_merges_an_overlay_over_what_the_file_proposes(with_schema, root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of(y=WAVE, z=WAVE))
    files = recipe(root) if with_schema else [*recipe(root)[:2], "--target", "z"]
    assert main(["init", "mine", "--csv", "t.csv", *files]) == 0
    printed = capsys.readouterr().out
    assert "3 keys as in recipe.yaml" in printed
    assert "lookback 12" in printed
    folder = root / "pipelines/mine"
    proposed = propose(
        (root / "t.csv").read_bytes(), "t.csv", Options(targets=("z",), frequency="2h")
    )
    values = {
        **proposed.values,
        "preprocess.frequency": "2h",
        "window.lookback": 12,
        "data.source": "../../t.csv",
        "data.schema_file": "schema.json",
    }
    assert load_params(folder) == with_values(Params(), values, "test")
    assert load_schema(folder / "schema.json").target_cols == ("z",)
    if with_schema:
        assert (folder / "schema.json").read_text() == (root / "recipe.json").read_text()


def test_a_complete_file_is_an_overlay_that_leaves_nothing_to_propose(root, monkeypatch):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of())
    (root / "full.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"))
    mutate_text(root / "full.yaml", "frequency: 5min", "frequency: 1h")
    assert main(["init", "mine", "--csv", "t.csv", "--params", "full.yaml"]) == 0
    expected = parse_params((root / "full.yaml").read_text(), "full.yaml")
    found = load_params(root / "pipelines/mine")
    assert found.model_copy(update={"data": expected.data}) == expected


def test_the_recipes_say_every_value_that_init_would_propose():
    proposed = look(csv_of()).values.keys()
    for path in sorted(ROOT.glob("pipelines/ett/*.yaml")):
        assert proposed <= load_overlay(path).keys(), path.name


def test_init_proposes_the_params_that_fit_a_given_schema(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of(y=WAVE, z=WAVE))
    assert main(["init", "mine", "--csv", "t.csv", *recipe(root)[2:]]) == 0
    folder = root / "pipelines/mine"
    assert load_params(folder).preprocess.frequency == "1h"
    assert load_schema(folder / "schema.json").target_cols == ("z",)


def test_init_reads_a_table_as_the_given_schema_declares(root, monkeypatch):
    monkeypatch.chdir(root)
    content = csv_of(separator=";", decimal=",", form="%d.%m.%Y %H:%M")
    (root / "t.csv").write_bytes(content.replace(b"10,0000", b"weg", 1))
    schema = {
        "version": 1,
        "timestamp_col": "time",
        "target_cols": ["y"],
        "table_format": {
            "separator": ";",
            "decimal": ",",
            "timestamp_format": "%d.%m.%Y %H:%M",
            "missing_markers": ["weg"],
        },
    }
    assert main(["init", "mine", "--csv", "t.csv", *recipe(root, schema)]) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda root: (root / "recipe.yaml").unlink(), 2),
        (lambda root: mutate_text(root / "recipe.yaml", "lookback: 12", "lookback: 0"), 10),
        (lambda root: mutate_text(root / "recipe.yaml", "lookback", "loopback"), 10),
        (lambda root: mutate_text(root / "recipe.json", "target_cols", "targets"), 11),
        (lambda root: mutate_text(root / "recipe.json", '"z"', '"absent"'), 12),
    ],
    ids=["no file", "value", "unknown key", "schema", "table"],
)
def test_a_given_file_that_does_not_hold_ends_with_its_code_and_leaves_nothing(
    change, code, root, monkeypatch, capsys
):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of(y=WAVE, z=WAVE))
    options = recipe(root)
    change(root)
    assert main(["init", "mine", "--csv", "t.csv", *options]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    if code == 10:
        assert "recipe.yaml: window.lo" in error
    assert not list(root.glob("pipelines/*"))


def test_a_frequency_that_contradicts_the_overlay_is_refused(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of())
    options = [*recipe(root)[:2], "--frequency", "3h"]
    assert main(["init", "mine", "--csv", "t.csv", *options]) == 2
    assert "leave one of them out" in capsys.readouterr().err


def mutate_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_file_outside_the_repository_is_named_relatively_and_remarked(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "t.csv"
    other.write_bytes(csv_of())
    text = scaffold("mine", other, Options(), root)
    source = load_params(root / "pipelines/mine").data.source
    assert not os.path.isabs(source)
    assert (root / "pipelines/mine" / source).resolve() == other.resolve()
    assert "outside the repository" in text


def test_parquet_is_read_as_the_ingest_stage_reads_it(root):
    pd.DataFrame({"time": HOURS.tz_localize("Europe/Berlin"), "y": WAVE}).to_parquet(
        root / "t.parquet"
    )
    scaffold("mine", root / "t.parquet", Options(), root)
    folder = root / "pipelines/mine"
    assert load_params(folder).preprocess.frequency == "1h"
    for name, count in (("dvc.yaml", 3), (".gitignore", 1)):
        text = (folder / name).read_text()
        assert text.count("data/raw/series.parquet") == count
        assert "series.csv" not in text


def test_a_csv_file_gets_its_name_in_dvc_yaml_although_the_root_reads_parquet(root):
    mutate_text(root / "dvc.yaml", "data/raw/series.csv", "data/raw/series.parquet")
    (root / "table.csv").write_bytes(csv_of())
    scaffold("mine", root / "table.csv", Options(), root)
    text = (root / "pipelines/mine/dvc.yaml").read_text()
    assert "data/raw/series.csv" in text
    assert "series.parquet" not in text


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a b", "ä", "x" * 65, ".hidden"])
def test_names_that_are_no_folder_name_are_refused(name, root):
    (root / "t.csv").write_bytes(csv_of())
    with pytest.raises(UsageError, match="is not a pipeline name"):
        scaffold(name, root / "t.csv", Options(), root)
    assert not (root / "pipelines").exists()


def test_an_existing_folder_is_never_touched(root):
    (root / "t.csv").write_bytes(csv_of())
    folder = root / "pipelines/mine"
    folder.mkdir(parents=True)
    with pytest.raises(UsageError, match="exists"):
        scaffold("mine", root / "t.csv", Options(), root)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "content", [csv_of(y=WAVE, z=WAVE), b"a,b\n1\n", csv_of(y=["inf", *WAVE[1:].astype(str)])]
)
def test_nothing_is_left_behind_after_an_error(content, root):
    (root / "t.csv").write_bytes(content)
    with pytest.raises(SplineLstmError):
        scaffold("mine", root / "t.csv", Options(), root)
    assert not list(root.glob("pipelines/*"))
    assert not list(root.glob("pipelines/.tmp*"))


def test_an_error_of_the_last_check_leaves_nothing_behind(root, monkeypatch):
    (root / "t.csv").write_bytes(csv_of())
    monkeypatch.setattr("spline_lstm.scaffold.write_folder.load_params", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scaffold("mine", root / "t.csv", Options(), root)
    assert list((root / "pipelines").iterdir()) == []


def test_init_ends_with_code_2_and_one_line_where_it_must_ask(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of(y=WAVE, z=WAVE))
    assert main(["init", "mine", "--csv", "t.csv"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("2 usage: ")
    assert captured.err.count("\n") == 1
    assert main(["init", "mine", "--csv", "t.csv", "--target", "z"]) == 0
    assert "'z'" in capsys.readouterr().out


def test_init_outside_the_root_is_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_bytes(csv_of())
    assert main(["init", "mine", "--csv", "t.csv"]) == 2
    assert "root of the repository" in capsys.readouterr().err


def test_a_folder_in_place_of_the_file_is_named_as_one(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert main(["init", "mine", "--csv", "stages"]) == 2
    error = capsys.readouterr().err
    assert "--csv stages: is a folder" in error
    assert "no such file" not in error
    assert not (root / "pipelines").exists()


def test_a_missing_file_is_explained(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert main(["init", "mine", "--csv", "nope.csv"]) == 2
    assert "no such file" in capsys.readouterr().err


def run_stages(folder: Path) -> None:
    for stage in (ingest, preprocess, window):
        stage.main(folder)


def test_a_german_panel_goes_from_init_to_windows(root):
    timestamps = pd.DatetimeIndex(np.tile(HOURS, 2))
    rng = np.random.default_rng(0)
    columns = {
        "filiale": np.repeat(["Nord", "Süd"], 400),
        "absatz": np.where(rng.random(800) < 0.05, np.nan, np.tile(WAVE, 2) + rng.normal(size=800)),
        "offen": np.tile((HOURS.hour > 7).astype(int), 2),
        "wetter": rng.choice(["klar", "Regen", "Schnee"], 800),
    }
    keep = rng.random(800) > 0.03
    content = csv_of(
        timestamps[keep],
        separator=";",
        decimal=",",
        form="%d.%m.%Y %H:%M",
        **{k: v[keep] for k, v in columns.items()},
    )
    (root / "t.csv").write_bytes(b"\xef\xbb\xbf" + content)
    scaffold("panel", root / "t.csv", Options(), root)
    folder = root / "pipelines/panel"
    run_stages(folder)
    features = json.loads((folder / "models/preprocessor.json").read_text(encoding="utf-8"))[
        "features"
    ]
    assert features[:2] == ["absatz", "offen"]
    with np.load(folder / "data/processed/windows.npz") as windows:
        assert len(windows["origins"]) > 100


DATA = Path(os.environ.get("SPLINE_LSTM_DATA", ROOT / "../shared/data"))


@pytest.mark.parametrize(
    ("file", "target", "frequency"),
    [("ETTh1.csv", ("OT",), "1h"), ("NAB_machine_temperature.csv", (), "5min")],
)
def test_public_files_are_understood(file, target, frequency, root):
    found = next(iter(sorted(DATA.rglob(file))), None)
    if found is None:
        pytest.skip(f"{file} is not in {DATA} (set SPLINE_LSTM_DATA)")
    scaffold("public", found, Options(targets=target), root)
    params = load_params(root / "pipelines/public")
    assert params.preprocess.frequency == frequency
    run_stages(root / "pipelines/public")


@pytest.mark.slow
def test_dvc_reproduces_a_scaffolded_pipeline_and_notices_a_changed_source(tmp_path):
    clone = make_clone(tmp_path / "clone", tiny=False)
    table = clone.folder / "data/source/t.csv"
    table.write_bytes(csv_of())
    clone.run(sys.executable, "-m", "spline_lstm", "init", "x", "--csv", "data/source/t.csv")
    clone.run("dvc", "repro", "pipelines/x/dvc.yaml:window")
    ignored = clone.run("git", "status", "--porcelain", "--untracked-files=all").stdout
    assert "processed.npz" not in ignored
    assert "pipelines/x/dvc.lock" in ignored
    table.write_bytes(csv_of() + b"2024-02-01 00:00,1.0\n")
    assert "data/source/t.csv" in clone.run("dvc", "status", "pipelines/x/dvc.yaml:ingest").stdout
