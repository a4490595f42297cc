import json
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from safetensors.numpy import save

from spline_lstm.core.artifacts import content_id, with_run_id, write_json
from spline_lstm.core.errors import ArtifactError, ExportError
from spline_lstm.export.spec import check_exportable, load_spec
from spline_lstm.models.config import ModelConfig
from tests.export.oracle import (
    OPTIONS,
    ROOT,
    make_option,
    make_spec,
    preprocessor_content,
    with_run_ids,
    write_folder,
)


def edit(path, **changes):
    """Another preprocessor, by its own run id."""
    path.write_text(json.dumps(with_run_id({**json.loads(path.read_text()), **changes})))


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
    edit(tmp_path / "models/preprocessor.json", neutral=[1.0])
    with pytest.raises(ArtifactError, match="was trained with preprocessor") as error:
        load_spec(tmp_path)
    assert error.value.exit_code == 15


def test_changed_preprocessor_is_refused(tmp_path):
    path = write_folder(tmp_path, make_spec()) / "models/preprocessor.json"
    content = json.loads(path.read_text())
    content["scaler"]["center"][0] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(
        ArtifactError, match=r"preprocessor\.json was changed after it was written"
    ) as error:
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


@pytest.mark.parametrize(
    "name", ["models/rnn/model.json", "models/rnn/best.safetensors", "models/preprocessor.json"]
)
@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_missing_and_damaged_files_are_named(tmp_path, name, content):
    path = write_folder(tmp_path, make_spec()) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=path.name.replace(".", r"\.")):
        load_spec(tmp_path)


def test_model_type_without_exported_form_is_named():
    with pytest.raises(
        ExportError, match=r"model\.type transformer has no exported form; use one of lstm, gru"
    ):
        check_exportable(replace(make_spec().config, model_type="transformer"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"decoder": "beam"},
            r"model\.decoder beam has no exported form; use one of dense, segments",
        ),
        ({"channels": "paired"}, r"model\.channels paired has no exported form"),
        ({"normalization": "arcsinh"}, r"model\.normalization arcsinh has no exported form"),
        ({"output": "probability"}, r"model\.normalization last has no exported form"),
        ({"bidirectional": True, "decoder": "segments"}, r"model\.bidirectional true"),
    ],
)
def test_option_without_exported_form_is_named(changes, message):
    with pytest.raises(ExportError, match=message) as error:
        check_exportable(replace(make_spec().config, **changes))
    assert error.value.exit_code == 17


def test_option_younger_than_the_export_is_refused_unless_it_has_its_default():
    @dataclass(frozen=True)
    class Younger(ModelConfig):
        heads: int = 1

    config = Younger.from_json(make_spec().config.to_json())
    check_exportable(config)
    with pytest.raises(ExportError, match="the option heads 4 of the model has no exported form"):
        check_exportable(replace(config, heads=4))


def test_scaling_of_each_series_is_fed_and_in_the_metadata(tmp_path):
    spec = make_spec()
    center, scale = [[100.0], [90.0], [95.0]], [[1.0], [2.0], [3.0]]
    preprocessor = with_run_id(
        {
            **preprocessor_content(spec),
            "series": ["a", "b"],
            "scaler": {"kind": "standard", "center": center, "scale": scale},
        }
    )
    write_folder(tmp_path, spec)
    write_json(tmp_path / "models/preprocessor.json", preprocessor)
    run_id = content_id(preprocessor["run_id"], spec.config.to_json(), save(dict(spec.weights)))
    identity = {"run_id": run_id, "preprocessor_run_id": preprocessor["run_id"]}
    write_json(tmp_path / "models/rnn/model.json", {**identity, **spec.config.to_json()})
    loaded = load_spec(tmp_path)
    assert loaded.inputs == {"history": (5, 1), "scale": (1,)}
    found = json.loads(loaded.metadata_text())
    assert found["scaling"] == {"series": ["a", "b"], "inputs": {"center": center, "scale": scale}}
    assert found["inputs"]["history"].endswith("data units less center")
    # A file that clips needs the level, too.
    assert list(replace(loaded, bounds=np.array([[0.0, np.inf]])).inputs) == [
        "history",
        "center",
        "scale",
    ]


@pytest.mark.parametrize("name", OPTIONS)
def test_folder_gives_back_every_option(tmp_path, name):
    spec = make_option(name)
    loaded = load_spec(write_folder(tmp_path, spec))
    assert loaded.config == spec.config
    assert loaded.statics == spec.statics
    assert len(loaded.members()) == spec.config.ensemble_size


def test_static_ids_that_the_preprocessor_does_not_know_are_refused(tmp_path):
    spec = replace(make_option("covariates"), statics={"static 0": ("text 1",)})
    write_folder(tmp_path, with_run_ids(spec))
    with pytest.raises(ArtifactError, match=r"static ids up to \[3, 5\]"):
        load_spec(tmp_path)


def test_weights_that_the_config_does_not_describe_are_refused(tmp_path):
    spec = make_spec()
    spare = {**spec.weights, "embedding": np.zeros(3, np.float32)}
    write_folder(tmp_path, with_run_ids(replace(spec, weights=spare)))
    with pytest.raises(ArtifactError, match="embedding"):
        load_spec(tmp_path)


def test_reading_needs_neither_jax_nor_tensorflow(tmp_path):
    write_folder(tmp_path, make_spec())
    code = (
        "import sys; from pathlib import Path; from spline_lstm.export.spec import load_spec; "
        f"load_spec(Path({str(tmp_path)!r})); "
        "sys.exit(bool({'jax', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT).returncode == 0
