import numpy as np

from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.training.checkpoints import FOLDERS, Checkpoint
from tools.import_closure import import_closure

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


def test_the_content_id_covers_every_folder_that_training_imports():
    # Networks are loaded by name, which the import closure cannot see.
    networks = [entry.network.partition(":")[0] for entry in MODEL_TYPES.values()]
    modules = ["spline_lstm.training.loop", "stages.train_flax_rnn", *networks]
    paths = [path.split("/") for path in set().union(*map(import_closure, modules))]
    assert {path[1] for path in paths if len(path) == 3} == set(FOLDERS)
