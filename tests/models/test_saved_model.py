import dataclasses
import json
import pickle
import shutil

import jax
import numpy as np
import pytest
from flax import nnx

from spline_lstm.core.artifacts import write_json
from spline_lstm.core.errors import ArtifactError
from spline_lstm.models.build import build, from_arrays, to_arrays
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.layers import dropout
from spline_lstm.models.network import LSTMNetwork
from spline_lstm.models.saved_model import (
    FEWEST_WINDOWS,
    SavedModel,
    _compiled,
    batch_size,
    load_last_weights,
    load_model,
    save_model,
)
from tests.builders import make_preprocessor

CONFIG = ModelConfig(
    model_type="lstm",
    hidden=(5, 3),
    dropout=0.2,
    normalization="last",
    lookback=4,
    horizon=2,
    features=("demand", "price", "hour_sin"),
    targets=("demand",),
    target_indices=(0,),
)


def arrays_of(seed):
    return to_arrays(nnx.state(build(CONFIG, key=jax.random.key(seed)), nnx.Param))


@pytest.fixture
def folder(tmp_path):
    preprocessor = make_preprocessor()
    preprocessor.save(tmp_path / "models/preprocessor.json")
    save_model(
        tmp_path,
        CONFIG,
        best=arrays_of(1),
        last=arrays_of(2),
        preprocessor_run_id=preprocessor.run_id,
    )
    return tmp_path


def test_weights_have_the_names_and_shapes_of_the_file_format():
    shapes = {name: value.shape for name, value in arrays_of(0).items()}
    assert shapes == {
        "head.bias": (2,),
        "head.kernel": (3, 2),
        "rnn.0.bias": (20,),
        "rnn.0.input_kernel": (3, 20),
        "rnn.0.recurrent_kernel": (5, 20),
        "rnn.1.bias": (12,),
        "rnn.1.input_kernel": (5, 12),
        "rnn.1.recurrent_kernel": (3, 12),
    }


def test_weights_survive_the_way_to_arrays_and_back():
    state = nnx.state(build(CONFIG, key=jax.random.key(3)), nnx.Param)
    restored = to_arrays(from_arrays(state, arrays_of(1)))
    for name, value in arrays_of(1).items():
        np.testing.assert_array_equal(restored[name], value)


def test_weights_of_another_shape_are_refused():
    state = nnx.state(build(CONFIG, key=jax.random.key(3)), nnx.Param)
    with pytest.raises(ValueError, match="do not fit"):
        from_arrays(state, arrays_of(1) | {"head.bias": np.zeros(3, np.float32)})


def test_loaded_model_predicts_as_the_built_one(folder):
    x = np.random.default_rng(0).normal(size=(300, 4, 3)).astype(np.float32)
    model = build(CONFIG, key=jax.random.key(1))
    np.testing.assert_allclose(load_model(folder).predict(x), model(x), atol=1e-6)


def test_forecast_of_a_window_does_not_depend_on_the_windows_beside_it(folder):
    x = np.random.default_rng(0).normal(size=(300, 4, 3)).astype(np.float32)
    model = load_model(folder)
    together = model.predict(x)
    for index in (0, 1, 255, 256, 299):
        np.testing.assert_array_equal(model.predict(x[index : index + 1])[0], together[index])


@pytest.mark.parametrize("count", [1, 2, 63, 127, 128, 129, 1023, 8191, 8192, 8193, 16400])
def test_batches_that_are_not_full_leave_no_window_out(folder, count):
    x = np.random.default_rng(0).normal(size=(16400, 4, 3)).astype(np.float32)
    model = load_model(folder)
    np.testing.assert_array_equal(model.predict(x[:count]), model.predict(x)[:count])


def test_a_gpu_computes_as_many_windows_at_once_as_the_smallest_batch_has(
    folder, monkeypatch, request
):
    x = np.random.default_rng(0).normal(size=(8200, 4, 3)).astype(np.float32)
    on_cpu = load_model(folder).predict(x)
    seen = []
    request.addfinalizer(_compiled.cache_clear)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    forward = LSTMNetwork.__call__

    def noted(network, x, *inputs, **named):
        seen.append(len(x))
        return forward(network, x, *inputs, **named)

    monkeypatch.setattr(LSTMNetwork, "__call__", noted)
    _compiled.cache_clear()
    model = load_model(folder)
    for count in (1, FEWEST_WINDOWS, FEWEST_WINDOWS + 1, 8200):
        np.testing.assert_allclose(model.predict(x[:count]), on_cpu[:count], atol=1e-6)
    assert set(seen) == {FEWEST_WINDOWS}


def test_batches_of_large_windows_have_fewer_of_them():
    wide = dataclasses.replace(CONFIG, lookback=720)
    assert [batch_size(each) for each in (CONFIG, wide)] == [8192, 1024]
    horizon = dataclasses.replace(CONFIG, horizon=250, ensemble_size=2)
    assert batch_size(horizon) == 4096


def test_a_model_that_has_forecast_has_the_pickle_of_a_new_one(folder):
    model, x = load_model(folder), np.ones((3, 4, 3), dtype=np.float32)
    before = pickle.dumps(model)
    expected = model.predict(x)
    assert pickle.dumps(model) == before
    assert np.array_equal(pickle.loads(before).predict(x), expected)


def test_no_windows_give_no_forecasts(folder):
    assert load_model(folder).predict(np.zeros((0, 4, 3))).shape == (0, 2)


def test_wrong_shape_names_expected_and_given(folder):
    with pytest.raises(ValueError, match=r"\[any, 4, 3\].*\[2, 5, 3\]"):
        load_model(folder).predict(np.zeros((2, 5, 3)))


def test_model_behind_another_preprocessor_is_refused(folder):
    make_preprocessor(neutral=(3.0,)).save(folder / "models/preprocessor.json")
    with pytest.raises(ArtifactError, match="was trained with preprocessor"):
        load_model(folder)


def test_changed_preprocessor_with_the_run_id_of_the_old_one_is_refused(folder):
    path = folder / "models/preprocessor.json"
    write_json(path, json.loads(path.read_text()) | {"neutral": [3.0]})
    with pytest.raises(
        ArtifactError, match=r"preprocessor\.json was changed after it was written"
    ) as error:
        load_model(folder)
    assert error.value.exit_code == 15


def test_last_weights_of_another_training_are_refused(folder):
    last = load_last_weights(folder)
    assert {name: value.tobytes() for name, value in last.items()} == {
        name: value.tobytes() for name, value in arrays_of(2).items()
    }
    shutil.copy(folder / "models/rnn/best.safetensors", folder / "models/rnn/last.safetensors")
    with pytest.raises(
        ArtifactError, match=r"last\.safetensors is not the file that model\.json describes"
    ):
        load_last_weights(folder)


def test_changed_config_is_refused(folder):
    path = folder / "models/rnn/model.json"
    write_json(path, json.loads(path.read_text()) | {"normalization": "none"})
    with pytest.raises(ArtifactError, match=r"not the file that model\.json describes"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_damaged_weights_are_refused(folder, content):
    (folder / "models/rnn/best.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        load_model(folder)


def test_missing_model_says_how_to_make_it(tmp_path):
    with pytest.raises(ArtifactError, match=r"model\.json is missing; run `dvc repro`"):
        load_model(tmp_path)


def test_dropout_keeps_the_mean_and_zeroes_the_given_share():
    x = np.ones((20, 50, 40), np.float32)
    dropped = np.asarray(dropout(x, 0.25, keys=jax.random.split(jax.random.key(0), 50)))
    assert abs((dropped == 0).mean() - 0.25) < 0.01
    assert abs(dropped.mean() - 1.0) < 0.01


def test_dropout_of_a_window_does_not_depend_on_the_other_windows():
    x, keys = np.ones((3, 8, 5), np.float32), jax.random.split(jax.random.key(0), 8)
    whole = np.asarray(dropout(x, 0.5, keys=keys))
    np.testing.assert_array_equal(whole[:, 2:4], dropout(x[:, 2:4], 0.5, keys=keys[2:4]))
    assert not np.array_equal(whole[:, 0], whole[:, 1])


def test_dropout_is_only_active_with_keys():
    x = np.random.default_rng(0).normal(size=(8, 4, 3)).astype(np.float32)
    model = build(CONFIG, key=jax.random.key(1))
    np.testing.assert_array_equal(model(x), model(x))
    assert not np.array_equal(model(x, keys=jax.random.split(jax.random.key(5), 8)), model(x))


def test_an_ensemble_predicts_the_mean_of_its_members_and_their_spread():
    config = dataclasses.replace(CONFIG, ensemble_size=2)
    members = [arrays_of(seed) for seed in (1, 2)]
    stacked = {name: np.stack([member[name] for member in members]) for name in members[0]}
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    alone = np.stack([SavedModel(CONFIG, "m", "p", weights).predict(x) for weights in members])
    ensemble = SavedModel(config, "m", "p", stacked)
    np.testing.assert_allclose(ensemble.predict(x), alone.mean(axis=0), atol=1e-6)
    outputs = ensemble.outputs(x)
    np.testing.assert_array_equal(outputs.point[:, :, 0], ensemble.predict(x))
    np.testing.assert_allclose(outputs.ensemble_std[:, :, 0], alone.std(axis=0), atol=1e-6)


def test_a_quantile_network_predicts_its_median_and_sorted_quantiles():
    config = dataclasses.replace(CONFIG, quantiles=(0.2, 0.5, 0.7))
    weights = to_arrays(nnx.state(build(config, key=jax.random.key(0)), nnx.Param))
    model = SavedModel(config, "m", "p", weights)
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    raw = model.predict_members(x)[0].reshape(5, 2, 3)
    np.testing.assert_array_equal(model.predict(x), raw[..., 1])
    np.testing.assert_array_equal(model.outputs(x).quantiles[:, :, 0], np.sort(raw, axis=-1))
