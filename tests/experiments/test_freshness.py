"""Params and data against a dvc.lock that DVC itself wrote, from stages that take a moment."""

import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.errors import ArtifactError
from spline_lstm.experiments.git import check_fresh, find_pipeline
from tests.builders import ROOT
from tests.pipeline.conftest import Clone

PIPELINE = """stages:
  preprocess:
    cmd:
      - mkdir -p data/processed models
      - echo arrays > data/processed/processed.npz
      - echo {} > models/preprocessor.json
    deps: [data/raw/series.csv]
    params: [data.sort, preprocess]
    outs: [data/processed/processed.npz, models/preprocessor.json]
  window:
    cmd: echo windows > data/processed/windows.npz
    deps: [data/processed/processed.npz, models/preprocessor.json]
    params: [window]
    outs: [data/processed/windows.npz]
"""


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    clone = Clone(tmp_path_factory.mktemp("tuned"))
    for name in ("params.yaml", "configs/catalog.yaml", "configs/covariates/glucose.json"):
        (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (clone.folder / name).write_bytes((ROOT / name).read_bytes())
    (clone.folder / "dvc.yaml").write_text(PIPELINE)
    (clone.folder / "data/raw").mkdir(parents=True)
    (clone.folder / "data/raw/series.csv").write_text("timestamp,glucose\n")
    clone.run("git", "init", "--quiet")
    clone.run("dvc", "init", "--quiet")
    clone.run("dvc", "repro", "--quiet")
    return clone


@pytest.fixture
def edited(reproduced):
    """The clone, whose files come back after the test."""
    names = ("params.yaml", "dvc.lock", "data/raw/series.csv", "data/processed/windows.npz")
    before = {name: (reproduced.folder / name).read_bytes() for name in names}
    yield reproduced
    for name, content in before.items():
        (reproduced.folder / name).write_bytes(content)


def test_arrays_of_the_params_at_hand_are_fresh_whatever_else_changed(edited):
    edited.edit(
        "params.yaml", ("hidden: [64, 32]", "hidden: [96]"), ("max_epochs: 6", "max_epochs: 9")
    )
    check_fresh(find_pipeline(edited.folder))


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            "params.yaml",
            "lookback: 24",
            "lookback: 48",
            "window.lookback changed from 24 to 48 since stage window was",
        ),
        (
            "params.yaml",
            "fill: pchip",
            "fill: akima",
            "preprocess.fill changed from 'pchip' to 'akima' since stage pre",
        ),
        (
            "params.yaml",
            "threshold: 6.0",
            "threshold: 5.5",
            "preprocess.outliers.threshold changed from 6.0 to 5.5",
        ),
        ("params.yaml", "sort: false", "sort: true", "data.sort changed from False to True"),
        (
            "data/raw/series.csv",
            "glucose",
            "sugar",
            "data/raw/series.csv changed or is missing since stage preprocess",
        ),
        (
            "data/processed/windows.npz",
            "windows",
            "others",
            "data/processed/windows.npz changed or is missing",
        ),
        ("dvc.lock", "  window:\n    cmd", "  other:\n    cmd", "has no stage window"),
    ],
)
def test_what_the_arrays_were_not_made_from_is_named_with_the_remedy(edited, file, old, new, told):
    edited.edit(file, (old, new))
    with pytest.raises(ArtifactError) as caught:
        check_fresh(find_pipeline(edited.folder))
    assert told in str(caught.value)
    assert str(caught.value).endswith("run `dvc repro window`")


def test_the_command_refuses_stale_arrays_with_the_code_of_artefacts(edited, capsys):
    edited.edit("params.yaml", ("lookback: 24", "lookback: 48"))
    assert main(["tune", str(edited.folder), "--trials", "1"]) == 15
    error = capsys.readouterr().err
    assert error.startswith("15 artefacts: params.yaml: window.lookback changed")
    assert error.count("\n") == 1
