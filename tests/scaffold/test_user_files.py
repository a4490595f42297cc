"""Params and a schema that the user brings to `init`."""

import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.params import (
    Params,
    load_overlay,
    load_params,
    parse_params,
    with_values,
)
from spline_lstm.core.schema import load_schema
from spline_lstm.scaffold.model_choices import SECTIONS
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.propose import propose
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.user_files import UserFiles
from tests.scaffold.tables import (
    HOURS,
    WAVE,
    csv_of,
    look,
    mutate_text,
)
from tools.import_closure import ROOT

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
    assert "3 settings as in recipe.yaml" in printed
    assert "lookback 12" in printed
    folder = root / "pipelines/mine"
    proposed = propose(
        read_table((root / "t.csv").read_bytes(), "t.csv"),
        "t.csv",
        Options(targets=("z",), frequency="2h"),
        {"preprocess.frequency": "2h", "window.lookback": 12},
    )
    values = {
        **proposed.values,
        "data.source": "data/source/t.csv",
        "data.schema_file": "schema.json",
        # A schema that leaves out a column of the table needs no covariates.
        "preprocess.feature_mode": "univariate" if with_schema else "multivariate",
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
    # A recipe says all about the model, or nothing.
    every = look(csv_of()).values.keys()
    proposed = {key for key in every if not key.startswith(SECTIONS)}
    for path in sorted(ROOT.glob("pipelines/ett/*.yaml")):
        assert proposed <= load_overlay(path).keys(), path.name


def test_init_proposes_the_params_that_fit_a_given_schema(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of(y=WAVE, z=WAVE))
    assert main(["init", "mine", "--csv", "t.csv", *recipe(root)[2:]]) == 0
    folder = root / "pipelines/mine"
    assert load_params(folder).preprocess.frequency == "1h"
    assert load_schema(folder / "schema.json").target_cols == ("z",)


def test_init_does_not_ask_for_a_loss_that_the_params_have(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of(rain=(WAVE > 10.0).astype(int)))
    question = "a target contains only 0 and 1"
    assert main(["init", "number", "--csv", "t.csv", "--target", "rain"]) == 0
    assert question in capsys.readouterr().out
    (root / "bce.yaml").write_text(
        "target: {scaled: false}\nmodel: {normalization: none}\ntrain: {loss: bce}\n"
    )
    options = ["--target", "rain", "--params", "bce.yaml"]
    assert main(["init", "class", "--csv", "t.csv", *options]) == 0
    assert question not in capsys.readouterr().out


def test_init_refuses_more_years_than_can_be_subtracted_and_names_a_way(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    years = pd.date_range("1700-01-01", periods=309, freq="YS")
    (root / "t.csv").write_bytes(csv_of(years, form="%Y-%m-%d", y=WAVE[:309]))
    assert main(["init", "mine", "--csv", "t.csv"]) == 12
    assert "span more than 290 years" in capsys.readouterr().err
    assert not (root / "pipelines/mine").exists()
    assert main(["init", "mine", "--csv", "t.csv", "--timestamp", "none", "--target", "y"]) == 0


@pytest.mark.parametrize("option", ["--params", "--schema"])
def test_init_refuses_a_folder_in_place_of_a_file(option, root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of())
    assert main(["init", "mine", "--csv", "t.csv", option, "stages"]) == 2
    error = capsys.readouterr().err
    assert error == f"2 usage: {option} stages: is a folder; name a file in it\n"


def test_init_refuses_numbers_that_no_model_can_read_and_names_column_and_row(
    root, monkeypatch, capsys
):
    monkeypatch.chdir(root)
    values = WAVE.copy()
    values[300] = -1e39
    (root / "t.csv").write_bytes(csv_of(y=values))
    assert main(["init", "mine", "--csv", "t.csv"]) == 12
    message = capsys.readouterr().err
    assert "t.csv: column 'y' has -1e+39 at 2024-01-13T12:00:00Z" in message
    assert not list((root / "pipelines").glob("*"))


def test_init_says_of_the_columns_what_a_given_schema_makes_of_them(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    # By itself, init would leave out a column that never changes, and take the others.
    (root / "t.csv").write_bytes(csv_of(y=WAVE, z=WAVE, w=WAVE, shop=["s1"] * len(WAVE)))
    covariates = {
        "dynamic_covariates": [
            {"name": "w", "known_future": True},
            {"name": "absent", "required": False},
        ],
        "static_covariates": [{"name": "shop", "dim": 2}],
    }
    schema = {"version": 1, "timestamp_col": "time", "target_cols": ["z"], **covariates}
    assert main(["init", "mine", "--csv", "t.csv", *recipe(root, schema)]) == 0
    printed = capsys.readouterr().out
    said = dict(re.findall(r"^  (\S+(?: \S+)*) {2,}(.*)$", printed, re.MULTILINE))
    assert said["covariates"] == "'w'"
    assert said["static"] == "'shop'"
    assert said["left out"] == "'y' (not in the schema)"
    assert "no covariate is marked" not in printed
    assert "static covariates become learned vectors" in printed


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


@pytest.mark.parametrize("form", ["ISO8601", "%d.%m.%Y", "unix_s"])
def test_what_a_schema_says_of_text_does_not_matter_to_parquet(form):
    content = io.BytesIO()
    pd.DataFrame({"time": HOURS, "y": WAVE}).to_parquet(content)
    said = {"timestamp_format": form, "decimal": ",", "separator": ";"}
    schema = {"version": 1, "timestamp_col": "time", "target_cols": ["y"], "table_format": said}
    files = UserFiles(schema=json.dumps(schema))
    assert files.complete(content.getvalue(), "t.parquet", Options()).values["window.horizon"] > 0


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


def test_a_value_of_the_overlay_is_not_refused_as_an_option(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of())
    (root / "mine.yaml").write_text("data:\n  ambiguous_hour: later\n", encoding="utf-8")
    assert main(["init", "mine", "--csv", "t.csv", "--params", "mine.yaml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("2 usage: data.ambiguous_hour later of --params: without a zone ")
    assert main(["init", "mine", "--csv", "t.csv", "--ambiguous-hour", "later"]) == 2
    assert "--ambiguous-hour later: without a zone" in capsys.readouterr().err


def test_a_frequency_that_contradicts_the_overlay_is_refused(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of())
    options = [*recipe(root)[:2], "--frequency", "3h"]
    assert main(["init", "mine", "--csv", "t.csv", *options]) == 2
    assert "leave one of them out" in capsys.readouterr().err
