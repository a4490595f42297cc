import os
import socket
import subprocess
import sys

import pytest

from spline_lstm.core.params import StoreParams
from spline_lstm.store.files import PREFIX, Store, copy_once, remove_strays, write_once

LEAVE = """
import sys
from pathlib import Path
from spline_lstm.store.files import temporary_name
folder = Path(sys.argv[1])
(folder / temporary_name()).write_text("half")
(folder / temporary_name()).mkdir()
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_paths_are_in_the_pipeline_folder_unless_they_are_absolute(tmp_path):
    store = Store.of(tmp_path, StoreParams())
    assert store.predictions == tmp_path / "store/predictions"
    assert store.models == tmp_path / "store/models"
    elsewhere = StoreParams(registry="/srv/models.sqlite")
    assert Store.of(tmp_path, elsewhere).models.as_posix() == "/srv/models"


def test_the_first_writer_of_a_file_wins(tmp_path):
    path = tmp_path / "new/file.txt"
    assert write_once(path, lambda name: name.write_text("first"))
    assert not write_once(path, lambda name: name.write_text("second"))
    assert path.read_text() == "first"
    assert names(path.parent) == ["file.txt"]


def test_a_writer_that_comes_second_in_the_last_moment_changes_nothing(tmp_path):
    path = tmp_path / "file.txt"

    def late(name):
        name.write_text("second")
        path.write_text("first")

    assert not write_once(path, late)
    assert path.read_text() == "first"
    assert names(tmp_path) == ["file.txt"]


def test_a_file_system_without_hard_links_gets_a_renamed_file(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert write_once(tmp_path / "file.txt", lambda name: name.write_text("first"))
    assert names(tmp_path) == ["file.txt"]


def test_a_write_that_fails_leaves_nothing(tmp_path):
    def fail(name):
        name.write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_once(tmp_path / "file.txt", fail)
    assert names(tmp_path) == []


def test_files_are_copied_once_all_of_them_or_none(tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("a")
    folder = tmp_path / "models/one"
    assert copy_once({"x/y.txt": source, "z.txt": source}, folder)
    source.write_text("b")
    assert not copy_once({"z.txt": source}, folder)
    assert (folder / "x/y.txt").read_text() == (folder / "z.txt").read_text() == "a"
    with pytest.raises(FileNotFoundError):
        copy_once({"a": source, "b": tmp_path / "absent"}, tmp_path / "models/two")
    assert names(tmp_path / "models") == ["one"]


def test_what_dead_writers_left_is_removed_and_nothing_else(tmp_path):
    def look(name):
        name.write_text("in work")
        (tmp_path / f"{PREFIX}elsewhere~1~1~aa").write_text("of another host")
        (tmp_path / f"{PREFIX}unknown").write_text("of something else")
        subprocess.run([sys.executable, "-c", LEAVE, str(tmp_path)], check=True)
        assert len(names(tmp_path)) == 5
        assert remove_strays(tmp_path) == 2
        assert name.exists()

    write_once(tmp_path / "file.txt", look)
    assert names(tmp_path) == [f"{PREFIX}elsewhere~1~1~aa", f"{PREFIX}unknown", "file.txt"]
    os.utime(tmp_path / f"{PREFIX}elsewhere~1~1~aa", (0, 0))
    assert remove_strays(tmp_path) == 1


def test_a_process_that_has_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path):
    stray = tmp_path / f"{PREFIX}{socket.gethostname()}~{os.getpid()}~1000~aa"
    stray.write_text("half")
    assert remove_strays(tmp_path) == 1
