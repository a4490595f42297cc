import os
import pickle
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.artifacts import (
    content_id,
    read_arrays,
    read_json,
    rounded,
    sha256_of_file,
    write_arrays,
    write_atomically,
    write_bytes,
    write_json,
    write_metrics,
    write_text,
)
from spline_lstm.core.errors import ArtifactError

ARRAYS = {
    "a": np.arange(20.0).reshape(4, 5),
    "names": np.array(["glucose", "isig"]),
    "rows": np.arange(6, dtype=np.int32),
    "flags": np.array([True, False]),
    "scalar": np.array(24),
    "empty": np.zeros((2, 0), dtype=np.int32),
}


def test_a_file_is_written_into_folders_that_did_not_exist(tmp_path):
    write_bytes(tmp_path / "a/b/c.bin", b"\0\1")
    assert (tmp_path / "a/b/c.bin").read_bytes() == b"\0\1"


def test_a_writer_that_fails_leaves_the_former_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.bin"
    write_bytes(path, b"former")

    def fail(temporary):
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert path.read_bytes() == b"former"
    assert os.listdir(tmp_path) == ["model.bin"]


def test_a_writer_that_fails_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "new.bin", lambda temporary: 1 // 0)
    assert os.listdir(tmp_path) == []


def test_readers_see_the_former_file_while_the_new_one_is_written(tmp_path):
    path = tmp_path / "model.bin"
    write_bytes(path, b"former")
    seen = []

    def write(temporary):
        temporary.write_bytes(b"new")
        seen.append(path.read_bytes())

    write_atomically(path, write)
    assert (seen, path.read_bytes()) == ([b"former"], b"new")


def test_the_temporary_name_keeps_suffix_and_folder(tmp_path):
    names = []
    write_atomically(tmp_path / "plot.png", names.append)
    assert names[0].suffix == ".png"
    assert names[0].parent == tmp_path


def test_files_are_readable_for_others_whatever_they_were_before(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"former")
    path.chmod(0o444)
    write_bytes(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o644


def test_text_is_utf8_with_unix_line_ends(tmp_path):
    write_text(tmp_path / "a.txt", "Grün\nß\n")
    assert (tmp_path / "a.txt").read_bytes() == "Grün\nß\n".encode()


def test_json_keeps_the_order_of_keys_and_ends_with_a_newline(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": ["ü"]})
    assert (tmp_path / "a.json").read_text(
        encoding="utf-8"
    ) == '{\n  "b": 1,\n  "a": [\n    "ü"\n  ]\n}\n'


def test_json_refuses_numbers_that_json_does_not_know(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert os.listdir(tmp_path) == []


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_json_gives_floats_back_bit_by_bit(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "float.json"
    write_json(path, {"x": value})
    assert read_json(path)["x"].hex() == value.hex()


def test_metrics_are_rounded_and_holes_are_null(tmp_path):
    write_metrics(
        tmp_path / "m.json",
        {"rmse": np.float32(1 / 3), "n": np.int64(7), "r2": np.nan, "by": [{"mae": 2e-9 / 3}]},
    )
    assert read_json(tmp_path / "m.json") == {
        "rmse": 0.333333,
        "n": 7,
        "r2": None,
        "by": [{"mae": 6.66667e-10}],
    }


@given(
    st.floats(
        allow_nan=False,
        allow_infinity=False,
        allow_subnormal=False,
        min_value=-1e300,
        max_value=1e300,
    )
)
def test_rounding_keeps_six_significant_digits(value):
    once = rounded(value)
    assert abs(once - value) <= 5.0001e-6 * abs(value)
    assert rounded(once) == once


@pytest.mark.parametrize("value", [3, True, None, "0.1234567891", np.int32(3), np.bool_(True)])
def test_rounding_leaves_other_values_alone(value):
    result = rounded(value)
    assert result == value
    assert not isinstance(result, np.generic)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, np.float32("nan")])
def test_rounding_turns_what_is_not_finite_into_null(value):
    assert rounded((value, 1.0)) == [None, 1.0]


def test_arrays_come_back_bit_by_bit(tmp_path):
    write_arrays(tmp_path / "a.npz", ARRAYS)
    loaded = read_arrays(tmp_path / "a.npz")
    assert list(loaded) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()


def test_arrays_of_objects_are_never_pickled(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "a.npz", {"a": np.array([{"x": 1}], dtype=object)})
    assert os.listdir(tmp_path) == []


PROGRAM = """
import sys, numpy as np
from pathlib import Path
from spline_lstm.core.artifacts import content_id, write_arrays, write_json, write_metrics
folder = Path(sys.argv[1])
names = {"glucose", "isig", "carbs", "insulin"}
content = {"targets": sorted(names), "scale": 1 / 3, "inner": {"b": 1, "a": 2}}
write_json(folder / "a.json", content)
write_metrics(folder / "m.json", content)
write_arrays(folder / "a.npz", {"x": np.arange(5.0), "names": np.array(sorted(names))})
print(content_id(content, b"weights"))
"""


def test_equal_content_gives_equal_bytes_in_any_process(tmp_path):
    found = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(folder)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        found.append((done.stdout, {path.name: path.read_bytes() for path in folder.iterdir()}))
    assert len(found[0][1]) == 3
    assert found[0] == found[1]


@pytest.mark.parametrize("read", [read_json, read_arrays])
def test_a_missing_artefact_says_how_to_make_it(tmp_path, read):
    with pytest.raises(ArtifactError, match=r"is missing; run `dvc repro`"):
        read(tmp_path / "none")


@pytest.mark.parametrize("read", [read_json, read_arrays])
@pytest.mark.parametrize("place", ["folder", "file/below"])
def test_a_path_that_is_no_file_is_an_artefact_error(tmp_path, read, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError):
        read(tmp_path / place)


DAMAGED_JSON = [
    b"",
    b"{",
    b"[1]",
    b"3",
    b"\xff",
    b"null",
    b"9" * 5000,
    b"[" * 200_000,
    b'{"a":' * 200_000,
]


@pytest.mark.parametrize("content", DAMAGED_JSON, ids=range(len(DAMAGED_JSON)))
def test_damaged_json_is_an_artefact_error(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def npy_bytes(folder) -> bytes:
    np.save(folder / "x.npy", np.arange(3))
    return (folder / "x.npy").read_bytes()


def zip_bytes(folder, member: str, content: bytes) -> bytes:
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr(member, content)
    return (folder / "x.zip").read_bytes()


@pytest.mark.parametrize(
    "name", ["empty", "text", "pickle", "one array", "zip of text", "cut", "cut early"]
)
def test_a_damaged_npz_is_an_artefact_error(tmp_path, name):
    path = tmp_path / "a.npz"
    write_arrays(path, ARRAYS)
    whole = path.read_bytes()
    content = {
        "empty": b"",
        "text": b"x,y\n1,2\n",
        "pickle": pickle.dumps([1]),
        "one array": npy_bytes(tmp_path),
        "zip of text": zip_bytes(tmp_path, "readme.txt", b"hello"),
        "cut": whole[:-100],
        "cut early": whole[:100],
    }[name]
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.npz"):
        read_arrays(path)


@settings(max_examples=120)
@given(st.integers(0, 2**32 - 1))
def test_flipped_bytes_in_an_npz_give_the_same_arrays_or_an_artefact_error(tmp_path_factory, seed):
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    write_arrays(path, ARRAYS)
    content = bytearray(path.read_bytes())
    source = random.Random(seed)
    for _ in range(source.choice([1, 2, 4])):
        content[source.randrange(len(content))] = source.randrange(256)
    path.write_bytes(content)
    try:
        loaded = read_arrays(path)
    except ArtifactError:
        return
    for name in loaded.keys() & ARRAYS.keys():
        np.testing.assert_array_equal(loaded[name], ARRAYS[name])


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert (
        sha256_of_file(tmp_path / "a")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_content_id_ignores_the_order_of_keys_at_every_depth():
    assert content_id({"a": 1, "b": {"c": 2, "d": 3}}) == content_id(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )


def test_a_content_id_is_sixteen_hexadecimal_digits():
    assert len(content_id("x")) == 16
    int(content_id("x"), 16)


DIFFERENT = [
    (),
    ("",),
    ("a",),
    ("b",),
    ("a", "b"),
    ("ab",),
    ("b", "a"),
    (b"\0",),
    ({},),
    ({"a": 1},),
    ({"a": 2},),
    ({"a": 1.5},),
    ({"a": [1, 2]},),
    ({"a": [2, 1]},),
    ({"a": None},),
]


def test_different_contents_have_different_ids():
    assert len({content_id(*parts) for parts in DIFFERENT}) == len(DIFFERENT)
