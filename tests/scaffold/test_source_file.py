"""Where the file of the user goes."""

import pytest

from spline_lstm.core.params import load_params
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.source_file import SourceFile
from spline_lstm.scaffold.write_folder import scaffold
from tests.scaffold.tables import csv_of


@pytest.mark.parametrize(
    ("name", "copied"), [("a.csv", "a.csv"), ("my data (1).csv", "my_data_1_.csv")]
)
def test_a_file_is_copied_under_a_plain_name(root, name, copied):
    (root / name).write_bytes(csv_of())
    text = scaffold("mine", root / name, Options(), root)
    folder = root / "pipelines/mine"
    source = load_params(folder).data.source
    assert source == f"data/source/{copied}"
    assert (folder / source).read_bytes() == (root / name).read_bytes()
    assert f"copied to pipelines/mine/{source}" in text


def test_without_a_copy_the_summary_says_what_experiments_need(root):
    (root / "a.csv").write_bytes(csv_of())
    text = scaffold("mine", root / "a.csv", Options(), root, copy=False)
    assert load_params(root / "pipelines/mine").data.source == "../../a.csv"
    assert "add it to git or DVC" in text
    assert not (root / "pipelines/mine/data").exists()


def test_a_large_file_is_not_copied_but_the_commands_are_shown(root, monkeypatch):
    monkeypatch.setattr("spline_lstm.scaffold.source_file.LARGEST_COPY", 100)
    (root / "a.csv").write_bytes(csv_of())
    found = SourceFile.of(root / "a.csv", root / "pipelines/mine", root, copy=True)
    assert not found.is_copied
    (remark,) = found.remarks()
    assert "dvc add pipelines/mine/data/source/a.csv" in remark
    assert "set data.source: data/source/a.csv" in remark
