"""The folder that `init` writes, and that the stages accept it."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from spline_lstm.__main__ import main
from spline_lstm.core.errors import ParamsError, SplineLstmError, UsageError
from spline_lstm.core.params import (
    load_params,
)
from spline_lstm.core.schema import load_schema
from spline_lstm.core.yaml_files import render_params
from spline_lstm.scaffold.dvc_text import cached_outputs, render_dvc
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.scaffold.write_folder import (
    render_schema,
    scaffold,
)
from spline_lstm.series.partition_fit import check_supported
from stages import ingest, preprocess, window
from tests.pipeline.conftest import make_clone
from tests.scaffold.tables import (
    HOURS,
    WAVE,
    csv_of,
    mutate_text,
)
from tools.import_closure import ROOT, import_closure


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
    assert "vars" not in made
    assert list(made["stages"]) == list(root["stages"])
    for name, stage in made["stages"].items():
        origin = root["stages"][name]
        assert stage["cmd"] == origin["cmd"] + " pipelines/x"
        assert stage["wdir"] == "../.."
        code = {dep for dep in stage["deps"] if dep.startswith(CODE)}
        assert code == {dep for dep in origin["deps"] if dep.startswith(CODE)}
        assert code <= import_closure(origin["cmd"].split()[2]) | code
        paths = [dep for dep in stage["deps"] if not dep.startswith(CODE)]
        for key in ("outs", "metrics", "plots"):
            paths += [
                each if isinstance(each, str) else next(iter(each)) for each in stage.get(key, [])
            ]
        assert all(path.startswith("pipelines/x/") for path in paths)
        assert stage["params"] == [{"pipelines/x/params.yaml": origin["params"]}]
    # Paths of the top-level plots are relative to the file.
    assert made.get("plots") == root.get("plots")


FORECASTS = [
    path
    for path in sorted(ROOT.glob("pipelines/*/dvc.yaml"))
    if load_params(path.parent).task == "forecast"
]


@pytest.mark.parametrize("path", FORECASTS, ids=lambda path: path.parent.name)
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
        "pipelines/x/${data.source}"
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
        "data",
        "dvc.yaml",
        "params.yaml",
        "schema.json",
    ]
    params = load_params(folder)
    assert params.data.source == "data/source/table.csv"
    assert (folder / params.data.source).read_bytes() == csv_of()
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


def test_a_file_outside_the_repository_is_named_relatively_and_remarked(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "t.csv"
    other.write_bytes(csv_of())
    text = scaffold("mine", other, Options(), root, copy=False)
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
    params = load_params(folder)
    assert params.preprocess.frequency == "1h"
    assert params.data.time_zone == "Europe/Berlin"
    for name, count in (("dvc.yaml", 3), (".gitignore", 1)):
        text = (folder / name).read_text()
        assert text.count("data/raw/series.parquet") == count
        assert "series.csv" not in text


def test_a_large_parquet_file_of_many_series_is_split_into_partitions(root, monkeypatch):
    monkeypatch.setattr("spline_lstm.scaffold.write_folder.LARGE_ROWS", 2 * len(WAVE))
    shops = [pd.DataFrame({"time": HOURS, "shop": shop, "y": WAVE}) for shop in ("a", "b")]
    pd.concat(shops).to_parquet(root / "t.parquet", index=False)
    assert "data.partition_rows" in scaffold("mine", root / "t.parquet", Options(), root)
    folder = root / "pipelines/mine"
    assert load_params(folder).data.partition_rows == 1_000_000
    stages = read_yaml((folder / "dvc.yaml").read_text())["stages"]
    assert "pipelines/mine/data/raw/series" in stages["ingest"]["outs"]
    assert "pipelines/mine/data/processed/arrays" in stages["train-flax-rnn"]["deps"]
    assert "/data/processed/arrays\n" in (folder / ".gitignore").read_text()


def gappy_panel(path: Path) -> None:
    """Write two series of hours with a daily season, the second without some rows."""
    shops = [pd.DataFrame({"time": HOURS, "shop": shop, "y": WAVE}) for shop in ("a", "b")]
    shops[1].loc[50:57, "y"] = np.nan
    pd.concat(shops).to_parquet(path, index=False)


@pytest.mark.parametrize("asked", [False, True])
def test_partitions_with_gaps_get_the_season_that_fills_them(asked, root, monkeypatch):
    if not asked:
        monkeypatch.setattr("spline_lstm.scaffold.write_folder.LARGE_ROWS", 2 * len(WAVE))
    gappy_panel(root / "t.parquet")
    files = UserFiles(overlay={"data.partition_rows": 1_000_000} if asked else {})
    text = scaffold("mine", root / "t.parquet", Options(), root, files)
    params = load_params(root / "pipelines/mine")
    assert params.data.partition_rows == 1_000_000
    assert params.preprocess.fill == "seasonal"
    assert params.preprocess.season == 24
    assert "24 (partitions do not find it by themselves)" in text
    check_supported(params)


def test_partitions_that_are_asked_for_with_an_option_that_excludes_them_are_refused(root):
    gappy_panel(root / "t.parquet")
    overlay = {"data.partition_rows": 1_000_000, "target.transform": "log"}
    with pytest.raises(ParamsError, match=r"set target\.transform to none"):
        scaffold("mine", root / "t.parquet", Options(), root, UserFiles(overlay=overlay))
    assert not (root / "pipelines/mine").exists()


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
    monkeypatch.setattr("spline_lstm.scaffold.task_folders.load_params", lambda folder: 1 / 0)
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


def test_a_device_in_place_of_the_file_is_no_regular_file(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert main(["init", "mine", "--csv", "/dev/null"]) == 2
    assert "--csv /dev/null: is not a regular file" in capsys.readouterr().err


def test_a_share_beyond_one_is_refused_with_its_option(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit):
        main(["init", "mine", "--csv", "t.csv", "--max-missing", "3"])
    assert "argument --max-missing: 3 is not a share above 0, at most 1" in capsys.readouterr().err


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


@pytest.mark.slow
def test_dvc_reproduces_a_scaffolded_pipeline_and_notices_a_changed_source(tmp_path):
    clone = make_clone(tmp_path / "clone", tiny=False)
    table = clone.folder / "data/source/t.csv"
    table.write_bytes(csv_of())
    clone.run(
        sys.executable, "-m", "spline_lstm", "init", "x", "--csv", "data/source/t.csv", "--no-copy"
    )
    clone.run("dvc", "repro", "pipelines/x/dvc.yaml:window")
    ignored = clone.run("git", "status", "--porcelain", "--untracked-files=all").stdout
    assert "processed.npz" not in ignored
    assert "pipelines/x/dvc.lock" in ignored
    table.write_bytes(csv_of() + b"2024-02-01 00:00,1.0\n")
    assert "data/source/t.csv" in clone.run("dvc", "status", "pipelines/x/dvc.yaml:ingest").stdout


def test_a_column_named_like_a_calendar_feature_is_refused_by_the_name_of_the_file(
    root, monkeypatch, capsys
):
    monkeypatch.chdir(root)
    (root / "t.csv").write_bytes(csv_of(y=WAVE, hour_sin=WAVE))
    assert main(["init", "mine", "--csv", "t.csv", "--target", "y"]) == 11
    message = capsys.readouterr().err
    assert "t.csv" in message
    assert "the column hour_sin has the name of a calendar feature" in message
    assert ".tmp" not in message
    assert not (root / "pipelines/mine").exists()
