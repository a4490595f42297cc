import json

import pytest

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.run_record import run_record
from tests.builders import ROOT

PARAMS = load_params(ROOT)


@pytest.fixture
def pipeline(tmp_path):
    found = Pipeline(tmp_path)
    for path in (found.metrics("ingest"), found.metrics("data"), found.meta):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"code_id": "a"}')
    found.metrics("train").write_text('{"code_id": "b", "run_id": "0123456789abcdef"}')
    return found


def test_a_run_is_its_model_its_code_and_its_params(pipeline):
    record = run_record(pipeline, PARAMS)
    assert record["run_id"] == "0123456789abcdef"
    settings = dict(text.split("=", 1) for text in record["params"])
    assert settings["model.type"] == PARAMS.model.type
    assert json.loads(settings["model.hidden"]) == list(PARAMS.model.hidden)
    assert json.loads(settings["train.learning_rate"]) == PARAMS.train.learning_rate
    # What the commands tune and compare read says nothing about this run.
    assert not any(key.startswith(("tune.", "compare.", "store.")) for key in settings)


@pytest.mark.parametrize("file", ["metrics/ingest.json", "metrics/train.json"])
def test_other_code_of_any_stage_is_another_code_id(pipeline, file):
    before = run_record(pipeline, PARAMS)["code_id"]
    path = pipeline.folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), "code_id": "other"}))
    assert run_record(pipeline, PARAMS)["code_id"] != before


def test_a_missing_file_of_an_earlier_stage_is_named(pipeline):
    pipeline.meta.unlink()
    with pytest.raises(ArtifactError, match=r"meta\.json"):
        run_record(pipeline, PARAMS)
