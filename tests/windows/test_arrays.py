import numpy as np
import pytest

from spline_lstm.core.artifacts import read_arrays, write_arrays
from spline_lstm.core.errors import ArtifactError
from spline_lstm.windows.arrays import AsOfArrays
from tests.builders import make_arrays


def test_arrays_come_back_bit_by_bit(tmp_path):
    arrays = make_arrays(series_rows=(20, 12), targets=2)
    arrays.save(tmp_path / "processed.npz")
    loaded = AsOfArrays.load(tmp_path / "processed.npz")
    for name, array in vars(arrays).items():
        stored = getattr(loaded, name)
        assert (stored.dtype, stored.shape) == (array.dtype, array.shape)
        assert stored.tobytes() == array.tobytes()


def test_saving_twice_gives_equal_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        make_arrays().save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("change", ["one array less", "one array more"])
def test_a_file_of_another_version_is_refused(tmp_path, change):
    path = tmp_path / "processed.npz"
    make_arrays().save(path)
    content = read_arrays(path)
    if change == "one array less":
        del content["known_at"]
    else:
        content["smoothed"] = np.zeros(3)
    write_arrays(path, content)
    with pytest.raises(ArtifactError, match="another version"):
        AsOfArrays.load(path)


def test_a_missing_file_is_an_artefact_error(tmp_path):
    with pytest.raises(ArtifactError, match="is missing"):
        AsOfArrays.load(tmp_path / "processed.npz")
