import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save

from spline_lstm.artifacts import content_id
from spline_lstm.edge.spec import load_spec, weight_shapes
from spline_lstm.errors import ArtifactError, ExportError
from tests.edge.oracle import ROOT, make_spec, write_folder


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("model_type", ["lstm", "gru", "attention_lstm"])
def test_folder_gives_back_what_was_written(tmp_path, model_type):
    spec = make_spec(model_type, 8, (0, 1))
    loaded = load_spec(write_folder(tmp_path, spec))
    assert loaded.config == spec.config
    assert (loaded.run_id, loaded.preprocessor_run_id) == (spec.run_id, spec.preprocessor_run_id)
    np.testing.assert_array_equal(loaded.center, spec.center)
    np.testing.assert_array_equal(loaded.target_scale, spec.scale[:2])
    assert loaded.weights.keys() == spec.weights.keys()
    for name, value in spec.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], value)


def test_model_behind_another_preprocessor_is_refused(tmp_path):
    write_folder(tmp_path, make_spec())
    edit(tmp_path / "models/preprocessor.json", run_id="0" * 16)
    with pytest.raises(ArtifactError, match="0000000000000000") as error:
        load_spec(tmp_path)
    assert error.value.exit_code == 15


def test_features_in_another_order_are_refused(tmp_path):
    write_folder(tmp_path, make_spec("lstm", 2, (0,)))
    edit(tmp_path / "models/preprocessor.json", features=["feature 1", "feature 0"])
    with pytest.raises(ArtifactError, match="feature 1"):
        load_spec(tmp_path)


def test_weights_of_another_training_are_refused(tmp_path):
    spec = make_spec()
    write_folder(tmp_path, spec)
    others = {name: value + np.float32(1) for name, value in spec.weights.items()}
    (tmp_path / "models/rnn/best.safetensors").write_bytes(save(others))
    with pytest.raises(ArtifactError, match=r"best\.safetensors is not the file"):
        load_spec(tmp_path)


@pytest.mark.parametrize("name", ["models/rnn/model.json", "models/rnn/best.safetensors", "models/preprocessor.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_missing_and_damaged_files_are_named(tmp_path, name, content):
    path = write_folder(tmp_path, make_spec()) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=path.name.replace(".", r"\.")):
        load_spec(tmp_path)


def test_model_type_without_exported_form_is_named():
    with pytest.raises(ExportError, match=r"model\.type transformer has no exported form; use one of lstm, gru"):
        weight_shapes(replace(make_spec().config, model_type="transformer"))


def test_weights_that_the_config_does_not_describe_are_refused(tmp_path):
    spec = make_spec()
    spare = {**spec.weights, "embedding": np.zeros(3, np.float32)}
    run_id = content_id(spec.preprocessor_run_id, spec.config.to_json(), save(spare))
    write_folder(tmp_path, replace(spec, weights=spare, run_id=run_id))
    with pytest.raises(ArtifactError, match="embedding"):
        load_spec(tmp_path)


def test_reading_needs_neither_jax_nor_tensorflow(tmp_path):
    write_folder(tmp_path, make_spec())
    code = (
        "import sys; from pathlib import Path; from spline_lstm.edge.spec import load_spec; "
        f"load_spec(Path({str(tmp_path)!r})); sys.exit(bool({{'jax', 'tensorflow'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT).returncode == 0
