"""What DVC reads and writes is the same, however often it does so."""

import io
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import dpath
import pytest
from dulwich.object_store import DiskObjectStore
from dulwich.objects import Blob
from dvc import dvcfile
from dvc.dependency import param
from dvc.fs import LocalFileSystem
from dvc.utils.serialize import _yaml, dumps_yaml, load_yaml, modify_yaml
from ruamel.yaml.resolver import VersionedResolver

from spline_lstm.experiments.quick_dvc import (
    LockDump,
    _resolve_once,
    _store_objects_once,
    find,
    hasten,
)
from spline_lstm.experiments.warm_stages import quick as quick_command
from tools.import_closure import ROOT

PARAMS = {
    "rate": 1e-05,
    "small": 1e-300,
    "whole": 2.0,
    "big": 1e22,
    "count": 10**12,
    "none": None,
    "off": "off",
    "text": "yes",
    "number as text": "010",
    "time": "2020-01-01",
    "words": "two words: a colon, # a hash and 'quotes' " * 4,
    "lines": "one\ntwo\n",
    "empty": {"list": [], "dict": {}, "text": ""},
    "Grüße": [True, False, [1, [2, None]]],
}


@pytest.fixture
def quick(monkeypatch):
    """The function with which DVC changes its files, once `hasten` was called."""
    monkeypatch.setattr(dvcfile, "modify_yaml", modify_yaml)
    monkeypatch.setattr(_yaml, "parse_yaml", _yaml.parse_yaml)
    monkeypatch.setattr(param, "dpath", dpath)
    monkeypatch.setattr(VersionedResolver, "resolve", VersionedResolver.resolve)
    hasten()
    assert dvcfile.modify_yaml is not modify_yaml
    return dvcfile.modify_yaml


def changed(modify, path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with modify(path.as_posix(), fs=LocalFileSystem()) as data:
        data["stages"].update({"two": {"cmd": "b", "params": {"params.yaml": PARAMS}}})
    return path.read_text(encoding="utf-8")


def test_a_lock_has_the_bytes_that_dvc_gives_it(tmp_path, quick):
    text = dumps_yaml({"schema": "2.0", "stages": {"one": {"cmd": "a", "params": PARAMS}}})
    path = tmp_path / "dvc.lock"
    assert changed(quick, path, text) == changed(modify_yaml, path, text)
    committed = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    assert changed(quick, path, committed) == changed(modify_yaml, path, committed)


@pytest.mark.parametrize(
    "text",
    [
        "# mine\nschema: '2.0'\nstages: {one: {cmd: a}}  # what\n",
        "schema: '2.0'\nstages:\n  one: {cmd: &id001 [a, b]}\n  three: {cmd: *id001}\n",
    ],
)
def test_comments_and_aliases_of_a_lock_are_those_of_dvc(tmp_path, quick, text):
    path = tmp_path / "dvc.lock"
    assert changed(quick, path, text) == changed(modify_yaml, path, text)


def test_a_value_at_several_places_of_params_is_named_once_in_a_lock(tmp_path, quick):
    parsed = [_yaml.parse_yaml("{a: &both [1, 2], b: *both}", name) for name in "xy"]

    def lock(modify):
        path = tmp_path / "dvc.lock"
        path.write_text("schema: '2.0'\nstages:\n  one:\n    cmd: a\n", encoding="utf-8")
        for name, params in zip("ab", parsed, strict=True):
            with modify(path.as_posix(), fs=LocalFileSystem()) as data:
                data["stages"].update({name: {"cmd": name, "params": params}})
        return path.read_text(encoding="utf-8")

    text = lock(quick)
    assert text == lock(modify_yaml)
    assert _yaml.parse_yaml(text, "x")["stages"]["b"]["params"] == {"a": [1, 2], "b": [1, 2]}


def copy_of_each(data):
    if isinstance(data, dict):
        return {name: copy_of_each(value) for name, value in data.items()}
    return [copy_of_each(value) for value in data] if isinstance(data, list) else data


def test_only_a_stage_that_changed_is_written_anew():
    written = []

    def dump(data, stream):
        written.append(data)
        _yaml._dump(data, stream)

    def text_of(lock):
        # As a file is parsed: no object is at two places.
        lock, stream = copy_of_each(lock), io.StringIO()
        quickly(lock, stream)
        assert stream.getvalue() == dumps_yaml(lock)
        return len(written)

    quickly = LockDump(dump)
    stages = {name: {"cmd": name, "params": {"params.yaml": PARAMS}} for name in "abc"}
    assert text_of({"schema": "2.0", "stages": stages}) == 4
    changed = {"cmd": "b", "params": {"params.yaml": {**PARAMS, "rate": 1}}}
    assert text_of({"schema": "2.0", "stages": {**stages, "b": changed}}) == 5
    # True is 1 for a dict, but not in a file.
    changed = {"cmd": "b", "params": {"params.yaml": {**PARAMS, "rate": True}}}
    assert text_of({"schema": "2.0", "stages": {**stages, "b": changed}}) == 6
    assert text_of({"schema": "2.0", "datasets": [{"name": "x"}], "stages": stages}) == 7
    assert text_of({"stages": {}, "schema": "2.0"}) == 8
    assert text_of({"schema": "2.0", "stages": {}}) == 9


def test_a_text_is_parsed_once_and_given_as_a_copy(tmp_path, quick, monkeypatch):
    from ruamel.yaml import YAML  # noqa: PLC0415

    loads, load = [], YAML.load
    monkeypatch.setattr(YAML, "load", lambda self, text: loads.append(text) or load(self, text))
    path = tmp_path / "params.yaml"
    path.write_text("a: {b: [1, 2020-01-01]}\n", encoding="utf-8")
    first = load_yaml(path)
    first["a"]["b"].append("mine")
    second = load_yaml(path)
    assert second == {"a": {"b": [1, date(2020, 1, 1)]}}
    assert len(loads) == 1
    path.write_text("a: {b: [2]}\n", encoding="utf-8")
    assert load_yaml(path) == {"a": {"b": [2]}}
    path.write_text("a: {b: [2\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(_yaml.YAMLFileCorruptedError):
            load_yaml(path)


KEYS = [
    "a",
    "a.b",
    "a.b.c",
    "a.x",
    "list",
    "list.0",
    "list.1.z",
    "*.b",
    "a.?",
    "7",
    "",
    "a.",
    "d.*",
]


@pytest.mark.parametrize("key", KEYS)
def test_params_are_found_as_dpath_finds_them(key):
    config = {"a": {"b": {"c": None}}, "list": [1, {"z": 2}], 7: "seven", "d": {}}

    def found(content, get):
        try:
            return get(content)
        except (KeyError, ValueError) as error:
            return type(error)

    for content in (config, {name: config[name] for name in ("a", "list", "d")}):
        ours = found(content, lambda c: find(dpath.get, c, key, separator="."))
        assert ours == found(content, lambda c: dpath.get(c, key, separator="."))


def test_a_key_without_wildcards_is_looked_up():
    def fails(*_, **__):
        raise AssertionError

    assert find(fails, {"a": {"b": [1]}}, "a.b", separator=".") == [1]


def test_comments_of_other_files_are_kept(tmp_path, quick):
    text = changed(quick, tmp_path / "dvc.yaml", "# why\nstages:\n  one: {cmd: a}  # what\n")
    assert text.startswith("# why\n")
    assert "# what" in text


def test_only_the_command_dvc_is_replaced():
    assert quick_command(["sh", "-c", "dvc repro"]) == ["sh", "-c", "dvc repro"]
    executable, script, *arguments = quick_command(["dvc", "repro", "-f"])
    assert executable == sys.executable
    assert Path(script).name == "quick_dvc.py"
    assert arguments == ["repro", "-f"]


def test_a_text_means_the_same_where_it_is_resolved_once(monkeypatch):
    texts = [dumps_yaml(PARAMS), "a: [1, '1', 1.0, 1e3, yes, ~, 0o7, 2020-01-01]\n1: !!str 1"]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "dvc.lock", ROOT / "dvc.yaml")]
    expected = [repr(_yaml.parse_yaml(text, "x")) for text in texts]
    monkeypatch.setattr(VersionedResolver, "resolve", plain := VersionedResolver.resolve)
    _resolve_once()
    assert VersionedResolver.resolve is not plain
    for _ in range(2):
        assert [repr(_yaml.parse_yaml(text, "x")) for text in texts] == expected


def test_only_what_git_does_not_have_yet_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(DiskObjectStore, "add_object", DiskObjectStore.add_object)
    _store_objects_once()
    packed, new = Blob.from_string(b"packed"), Blob.from_string(b"new")
    with closing(DiskObjectStore.init(str(tmp_path / "objects"))) as store:
        store.add_objects([(packed, None)])
        for blob in (packed, new, new):
            store.add_object(blob)
        assert {store[blob.id].data for blob in (packed, new)} == {b"packed", b"new"}
    loose = {
        path.parent.name + path.name for path in (tmp_path / "objects").glob("[0-9a-f][0-9a-f]/*")
    }
    assert loose == {new.id.decode()}
