"""A raw source that DVC does not watch is refused before anything is made of it."""

from pathlib import Path

import pytest

from spline_lstm.core.errors import ArtifactError, ParamsError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.scaffold.dvc_text import render_dvc
from spline_lstm.tables.source_deps import check_watched
from tests.builders import ROOT

PATTERN = (ROOT / "dvc.yaml").read_text(encoding="utf-8")


@pytest.fixture
def root(tmp_path):
    """A root as it is here, and a folder as `init` writes it."""
    (tmp_path / "dvc.yaml").write_text(PATTERN)
    folder = tmp_path / "pipelines/mine"
    folder.mkdir(parents=True)
    (folder / "dvc.yaml").write_text(render_dvc(PATTERN, "mine"))
    return tmp_path


@pytest.mark.parametrize(
    "source", ["bokeh_sampledata/CGM", "synthetic/stores", "data/source/t.csv", "./data/source/a/b"]
)
def test_what_the_root_watches_is_accepted(root, source):
    check_watched(Pipeline(root), source)


@pytest.mark.parametrize("source", ["t.csv", "data/t.csv", "data/source/../t.csv", "/tmp/t t.csv"])
def test_what_it_does_not_watch_is_refused_with_the_commands_that_bring_it_in(root, source):
    with pytest.raises(ParamsError) as caught:
        check_watched(Pipeline(root), source)
    (line,) = caught.value.lines
    name = Path(source).name
    assert f"data.source {source} lies outside" in line
    assert f"mkdir -p {root}/data/source && cp " in line
    assert line.endswith(f"set data.source: data/source/{name}")


@pytest.mark.parametrize("source", ["data/source/t.csv", "../../../t.csv"])
def test_a_folder_of_init_depends_on_its_source_wherever_it_lies(root, source):
    check_watched(Pipeline(root / "pipelines/mine"), source)


def test_an_absolute_source_is_no_dependency_of_a_folder(root):
    with pytest.raises(ParamsError, match="mkdir -p"):
        check_watched(Pipeline(root / "pipelines/mine"), "/tmp/t.csv")


def test_a_dependency_that_was_added_by_hand_counts(root):
    text = PATTERN.replace("      - data/source\n", "      - data/source\n      - tables/t.csv\n")
    (root / "dvc.yaml").write_text(text)
    check_watched(Pipeline(root), "tables/t.csv")


def test_without_a_dvc_yaml_nothing_is_watched_and_nothing_refused(tmp_path):
    check_watched(Pipeline(tmp_path), "t.csv")


def test_a_dvc_yaml_without_the_stage_is_an_error(root):
    (root / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(ArtifactError, match="no stage ingest"):
        check_watched(Pipeline(root), "t.csv")
