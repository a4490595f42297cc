import pytest

from spline_lstm.core.edited_params import refuse_edited
from spline_lstm.core.errors import ParamsError

BEFORE = "train:\n  seed: 1\n  rate: 0.002\nwindow:\n  lookback: 24\ndata:\n  path: a.csv\n"
STAGES = """stages:
  train:
    cmd: x
    params: [train, window.lookback]
  report:
    cmd: x
    params:
      - pipelines/x/params.yaml:
          - data
  benchmark:
    cmd: x
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    return tmp_path


def save(folder, old="", new=""):
    (folder / "params.yaml").write_text(BEFORE.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("stage", "old", "new", "said"),
    [
        ("train", "0.002", "0.02", "train.rate was changed from 0.002 to 0.02 while train ran"),
        ("train", "lookback: 24", "lookback: 48", "window.lookback was changed from 24 to 48"),
        ("train", "  seed: 1\n", "", "train.seed was changed from 1 to None"),
        ("report", "a.csv", "b.csv", "data.path was changed from 'a.csv' to 'b.csv'"),
        ("benchmark", "a.csv", "b.csv", "data.path was changed"),  # No list: the whole file.
        ("train", "seed: 1", "seed: [1", "is not YAML now"),
    ],
)
def test_a_change_of_what_a_stage_reads_ends_it(folder, stage, old, new, said):
    save(folder, old, new)
    with pytest.raises(ParamsError) as caught:
        refuse_edited(folder, stage, BEFORE)
    assert said in str(caught.value)
    assert "run dvc repro again" in str(caught.value)


@pytest.mark.parametrize(
    ("stage", "old", "new"),
    [
        ("train", "", ""),
        ("train", "seed: 1\n", "seed: 1  # the first\n"),
        ("train", "a.csv", "b.csv"),
        ("report", "seed: 1", "seed: 2"),
    ],
)
def test_comments_and_params_of_other_stages_may_be_edited(folder, stage, old, new):
    save(folder, old, new)
    refuse_edited(folder, stage, BEFORE)


def test_all_params_count_without_a_dvc_yaml_and_without_the_file(tmp_path):
    with pytest.raises(ParamsError, match="data was changed"):
        refuse_edited(tmp_path, "train", BEFORE)
    save(tmp_path, "seed: 1", "seed: 2")
    with pytest.raises(ParamsError, match="train.seed was changed from 1 to 2"):
        refuse_edited(tmp_path, "train", BEFORE)
