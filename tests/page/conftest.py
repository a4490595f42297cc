"""Folders that the tests of the page read; whoever changes one copies it first."""

import shutil

import pytest

from spline_lstm.core.params import load_params
from tests.page.examples import empty_folder, full_folder


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    return full_folder(tmp_path_factory.mktemp("page") / "shops")


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    return empty_folder(tmp_path_factory.mktemp("page") / "new")


@pytest.fixture
def copied(full, tmp_path):
    """A copy of the full folder, to be changed."""
    return shutil.copytree(full, tmp_path / "copied")


@pytest.fixture(scope="session")
def clock(full):
    return load_params(full).clock
