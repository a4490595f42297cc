from spline_lstm.core.stage_code import stage_code_id

DVC_YAML = """stages:
  train:
    wdir: ../..
    cmd: python -m stages.train pipelines/x
    deps:
      - stages/train.py
      - spline_lstm/core
      - pipelines/x/data/raw.csv
"""


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def repository(root):
    write(root, "pipelines/x/dvc.yaml", DVC_YAML)
    write(root, "pipelines/x/data/raw.csv", "1")
    write(root, "stages/train.py", "a")
    write(root, "spline_lstm/core/errors.py", "b")
    write(root, "spline_lstm/models/types.py", "c")
    return root / "pipelines/x"


def test_the_id_follows_the_code_of_the_stage_and_nothing_else(tmp_path):
    folder = repository(tmp_path)
    before = stage_code_id(folder, "train")
    write(tmp_path, "spline_lstm/models/types.py", "other code")
    write(tmp_path, "pipelines/x/data/raw.csv", "other data")
    write(tmp_path, "spline_lstm/core/__pycache__/errors.pyc", "bytecode")
    assert stage_code_id(folder, "train") == before
    for path in ("stages/train.py", "spline_lstm/core/errors.py", "spline_lstm/core/new.py"):
        write(tmp_path, path, "changed")
        after = stage_code_id(folder, "train")
        assert after != before
        before = after


def test_a_folder_without_the_stage_has_no_id(tmp_path):
    folder = repository(tmp_path)
    assert stage_code_id(folder, "evaluate") is None
    assert stage_code_id(tmp_path, "train") is None
