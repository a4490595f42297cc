"""Which pipelines are shown, and the commands that they name."""

from pathlib import Path

import pytest

from spline_lstm.page.errors import PageError
from spline_lstm.page.sources import Source, find_sources


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "params.yaml").touch()


def test_without_names_this_folder_and_its_pipelines_are_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, ".", "pipelines/b", "pipelines/a")
    (tmp_path / "pipelines/recipes").mkdir()
    found = find_sources([])
    assert [source.name for source in found] == ["this folder", "pipelines/a", "pipelines/b"]


def test_named_folders_are_shown_once_and_in_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, "a", "b")
    found = find_sources([Path("b"), Path("a"), Path("b")])
    assert [source.name for source in found] == ["b", "a"]


def test_a_folder_without_params_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PageError, match="neither this folder nor its folder pipelines has"):
        find_sources([])
    with pytest.raises(PageError, match="is not a pipeline folder"):
        find_sources([tmp_path])


def test_commands_name_the_folder():
    root, shops = Source(Path()), Source(Path("pipelines/shops"))
    assert root.command("score", "--asof DATE") == "python -m spline_lstm score --asof DATE"
    assert shops.command("train") == "python -m spline_lstm train pipelines/shops"
    assert root.repro() == "dvc repro"
    assert shops.repro("backtest") == "dvc repro pipelines/shops/dvc.yaml:backtest"
