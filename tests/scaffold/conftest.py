"""A repository root for `init`."""

import shutil

import pytest

from tools.import_closure import ROOT


@pytest.fixture
def root(tmp_path):
    """A repository root with what `init` reads there."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "stages").mkdir()
    return tmp_path
