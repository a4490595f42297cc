import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.errors import DataContractError, UsageError
from spline_lstm.core.params import load_params
from spline_lstm.core.row_schema import load_row_schema, parse_row_schema
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.rows.preprocess_folder import preprocess_rows_folder
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.row_proposal import propose_rows
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.scaffold.write_folder import scaffold
from spline_lstm.tables.sources import read_source
from tests.rows.tables import frame
from tools.import_closure import ROOT


def proposed(content, **options):
    text = content.to_csv(index=False).encode()
    return propose_rows(read_table(text, "t.csv", Options()), "t.csv", Options(**options))


def kinds(plan) -> dict[str, str]:
    return {column["name"]: column["kind"] for column in plan.schema["columns"]}


@pytest.fixture
def rows_root(root):
    folder = root / "pipelines/tabular"
    folder.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / "pipelines/tabular" / name, folder)
    return root


def test_kinds_are_those_of_the_cells_and_the_target_is_called_so():
    content = frame().assign(flag=lambda table: table["x"] > 0, count=lambda table: table.index % 7)
    plan = proposed(content)
    expected = {"x": "number", "z": "number", "color": "category", "day": "date", "y": "category"}
    assert kinds(plan) == {**expected, "value": "number", "flag": "boolean", "count": "number"}
    assert plan.values["tabular.target"] == "y"
    assert plan.values["tabular.kind"] == "classification"
    assert any("count: whole numbers with few values" in text for text in plan.questions)


def test_a_number_with_many_values_is_a_regression():
    plan = proposed(frame(), targets=("value",))
    assert plan.values["tabular.kind"] == "regression"
    assert plan.values["train.loss"] == "mse"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (frame().rename(columns={"y": "bought"}), {}, "which column is to be predicted"),
        (frame(), {"targets": ("nothing",)}, "has no such column"),
        (frame().assign(y=np.arange(300) % 5), {}, "may be classes or amounts; give --kind"),
        (frame(), {"targets": ("y",), "kind": "regression"}, "is not a number"),
        (frame().assign(x=lambda t: t["x"].astype(str).where(t.index != 4, "bad")), {}, "'?bad"),
        (frame(), {"targets": ("day",)}, "it is a date"),
        (frame().assign(y=None), {}, "--target y: the column has no value"),
        (frame()[["y"]].assign(empty=""), {}, "beside the target 'y' no column has values"),
    ],
)
def test_what_is_open_is_asked(content, options, message):
    with pytest.raises(UsageError, match=message):
        proposed(content, **options)


def test_codes_that_are_written_as_numbers_with_a_point_are_classes():
    plan = proposed(frame().assign(y=lambda table: (table["x"] > 0).astype(float)))
    assert plan.values["tabular.kind"] == "classification"


def test_the_nameless_index_that_pandas_writes_is_left_out():
    content = frame().to_csv().encode()
    plan = propose_rows(read_table(content, "t.csv", Options()), "t.csv", Options())
    assert [*kinds(plan)] == [*frame().columns]
    assert plan.decisions["left out"] == "1 column without a name"


def test_dates_in_another_form_are_said_to_be_categories():
    days = pd.to_datetime(frame()["day"]).dt.strftime("%d.%m.%Y")
    plan = proposed(frame().assign(day=days.where(days.index % 7 > 0, "")))
    assert kinds(plan)["day"] == "category"
    assert any(text.startswith("day: dates that are not") for text in plan.questions)
    addresses = days.index.map("10.0.0.{}".format)
    assert not any(
        "day: dates" in text for text in proposed(frame().assign(day=addresses)).questions
    )


@pytest.mark.parametrize(("rows", "fewest"), [(300, 4), (40, 1)])
def test_trees_of_a_small_table_may_have_small_leaves(rows, fewest):
    assert proposed(frame(rows)).values["trees.min_rows"] == fewest


def test_a_text_for_missing_may_be_a_class_of_the_target():
    classes = frame().assign(y=lambda table: table["y"].where(table.index % 5 > 0, "none"))
    plan = proposed(classes)
    assert "missing_markers" not in plan.schema["table_format"]
    assert any("none: a class of the target 'y' here" in text for text in plan.questions)
    declared = proposed(classes, missing=("none",))
    assert declared.schema["table_format"]["missing_markers"] == ["none"]
    assert any("'y' is missing in 60 rows" in text for text in declared.questions)


def test_a_text_for_missing_among_numbers_is_missing_in_the_target_too():
    texts = (
        frame().astype({"x": str}).assign(x=lambda table: table["x"].where(table.index > 2, "NA"))
    )
    plan = proposed(texts.assign(y=texts["y"].where(texts.index % 5 > 0, "NA")))
    assert plan.schema["table_format"]["missing_markers"] == ["NA"]
    assert any("'y' is missing in 60 rows, which are left out" in text for text in plan.questions)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_folder_is_ready_for_its_stages(rows_root, suffix):
    content, path = frame(), rows_root / f"t.{suffix}"
    content.loc[::9, "x"] = np.nan
    if suffix == "csv":
        content.to_csv(path, index=False)
    else:
        content.to_parquet(path, index=False)
    told = scaffold("mine", path, Options(), rows_root, task="tabular")
    assert "pipelines/mine is ready" in told
    assert "feature 'x' is missing in 34 rows" in told
    folder = rows_root / "pipelines/mine"
    params = load_params(folder)
    assert (params.task, params.tabular.target, params.tabular.above) == ("tabular", "y", None)
    assert load_row_schema(folder / "schema.json").kind("day") == "date"
    dvc = (folder / "dvc.yaml").read_text()
    assert "pipelines/tabular" not in dvc
    assert f"data/raw/series.{suffix}" in dvc
    raw = folder / f"data/raw/series.{suffix}"
    raw.parent.mkdir()
    raw.write_bytes(read_source(params.data.source, folder))
    quality = preprocess_rows_folder(folder, params).quality
    assert json.dumps(quality["warnings"]).count("'x' is missing in 34 rows") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (frame().rename(columns={"y": "bought"}), "which column is to be predicted"),
        (frame(29), "29 rows with a target"),
        (frame().assign(y="yes"), "one class, 'yes'"),
    ],
)
def test_nothing_is_written_for_a_table_that_is_refused(rows_root, content, message):
    path = rows_root / "t.csv"
    content.to_csv(path, index=False)
    with pytest.raises((UsageError, DataContractError), match=message):
        scaffold("mine", path, Options(), rows_root, task="tabular")
    assert [each.name for each in (rows_root / "pipelines").iterdir()] == ["tabular"]


def test_a_schema_and_params_of_the_user_are_taken_as_they_are(rows_root):
    frame().to_csv(rows_root / "t.csv", index=False)
    schema, params = rows_root / "own.json", rows_root / "own.yaml"
    columns = [{"name": "x", "kind": "number"}, {"name": "y", "kind": "category"}]
    schema.write_text(json.dumps({"version": 1, "columns": columns}))
    params.write_text("tabular: {target: y, min_count: 3}\n")
    files = UserFiles.read(params, schema, parse_row_schema)
    scaffold("mine", rows_root / "t.csv", Options(), rows_root, files, task="tabular")
    folder = rows_root / "pipelines/mine"
    assert (folder / "schema.json").read_text() == schema.read_text()
    assert load_params(folder).tabular.min_count == 3


def test_a_table_of_a_package_needs_no_copy(rows_root):
    pytest.importorskip("statsmodels")
    source = Path("statsmodels/randhie")
    options = Options(targets=("mdvis",), kind="regression")
    told = scaffold("visits", source, options, rows_root, task="tabular")
    assert "inside the package" in told
    folder = rows_root / "pipelines/visits"
    assert load_params(folder).data.source == source.as_posix()
    assert "data.source}" not in (folder / "dvc.yaml").read_text()


@pytest.mark.parametrize(("name", "width"), [("ft_transformer", 192), ("mlp", 256)])
def test_the_recipes_have_the_sizes_of_the_papers(rows_root, name, width):
    pytest.importorskip("statsmodels")
    recipe = UserFiles.read(ROOT / f"pipelines/tabular/{name}.yaml", None)
    scaffold("own", Path("statsmodels/fair"), Options(), rows_root, recipe, task="tabular")
    model = load_params(rows_root / "pipelines/own").model
    assert model.type == name
    assert model.rows.width is None
    assert MODEL_TYPES[name].rows.width == width


@pytest.mark.parametrize(
    ("task", "given", "tasks"),
    [
        ("tabular", ["--series", "color"], "--task forecast or --task direction"),
        ("tabular", ["--max-missing", "0.5"], "--task forecast"),
        ("tabular", ["--column", "close=x"], "--task direction"),
        ("direction", ["--layout", "wide"], "--task forecast"),
        ("direction", ["--target", "x"], "--task forecast or --task tabular"),
        ("forecast", ["--kind", "regression"], "--task tabular"),
    ],
)
def test_options_of_other_tasks_are_refused(task, given, tasks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frame().to_csv("t.csv", index=False)
    assert main(["init", "mine", "--csv", "t.csv", "--task", task, *given]) == 2
    told = capsys.readouterr().err
    assert f"{given[0]} belongs to {tasks}; leave it out, or give that task" in told
    assert not Path("pipelines").exists()


def test_how_text_is_read_is_refused_for_parquet(tmp_path):
    frame().to_parquet(tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    with pytest.raises(UsageError, match=r"t\.parquet is a Parquet file.* leave out --separator, "):
        read_table(content, "t.parquet", Options(separator=",", skip_lines=2))
    assert len(read_table(content, "t.parquet", Options(missing=("NA",))).cells) == len(frame())
