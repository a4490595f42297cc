import numpy as np

from spline_lstm.training.checkpoints import Checkpoint

ARRAYS = {"state.0": np.arange(3, dtype=np.int32), "best.head.bias": np.ones(2, np.float32)}


def test_a_checkpoint_gives_back_what_was_written(tmp_path):
    checkpoint = Checkpoint(tmp_path, "abc")
    checkpoint.write(ARRAYS, {"history": [[1, 0.1, 0.2, 0.3]]})
    arrays, progress = checkpoint.read()
    assert progress == {"history": [[1, 0.1, 0.2, 0.3]]}
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], value)
        assert arrays[name].dtype == value.dtype


def test_other_inputs_see_no_checkpoint(tmp_path):
    Checkpoint(tmp_path, "abc").write(ARRAYS, {})
    assert Checkpoint(tmp_path, "abd").read() is None


def test_a_damaged_checkpoint_counts_as_none(tmp_path):
    (tmp_path / "abc.safetensors").write_bytes(b"half a file")
    assert Checkpoint(tmp_path, "abc").read() is None


def test_clearing_removes_the_checkpoints_of_earlier_inputs_too(tmp_path):
    for name in ("abc", "old"):
        Checkpoint(tmp_path, name).write(ARRAYS, {})
    Checkpoint(tmp_path, "abc").clear()
    assert list(tmp_path.iterdir()) == []
