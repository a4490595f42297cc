"""The network of the task: trained, exported and judged as any other, with labels of its own."""

import numpy as np
import pytest

from spline_lstm.cli.tune import check_task
from spline_lstm.core.artifacts import write_arrays
from spline_lstm.core.errors import ParamsError, UsageError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.golden import golden_arrays
from spline_lstm.export.golden import load_golden
from spline_lstm.export.measures import file_metrics, matching_golden
from spline_lstm.export.onnx_export import export_onnx
from spline_lstm.export.spec import load_spec
from spline_lstm.inference import exported
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.market.config import direction_config
from spline_lstm.models.saved_model import load_model, save_model
from spline_lstm.training.losses import forecast_loss
from spline_lstm.training.model import train_model
from tests.market.builders import direction_params


@pytest.fixture(scope="module")
def folder(tmp_path_factory, preprocessed, windows, params):
    """A pipeline folder after two epochs, with golden windows."""
    pipeline = Pipeline(tmp_path_factory.mktemp("direction"))
    preprocessed.write(pipeline)
    config = direction_config(params, windows, preprocessed.preprocessor)
    trained = train_model(config, windows, params.train, make_loss=forecast_loss)
    run_id = preprocessed.preprocessor.run_id
    weights = {"best": trained.best, "last": trained.last}
    save_model(pipeline.folder, config, **weights, preprocessor_run_id=run_id)
    model = load_model(pipeline.folder)
    write_arrays(pipeline.golden, golden_arrays(model, windows, 16))
    return pipeline.folder


def test_the_network_answers_one_probability_from_the_features_alone(folder, windows):
    model = load_model(folder)
    assert model.config.features == windows.feature_names
    assert model.config.targets == ("rises",)
    assert model.config.target_indices == ()
    batch = windows.gather("test")
    p = model.predict(batch.X)
    assert p.shape == (len(batch.X), 1)
    assert ((p > 0) & (p < 1)).all()
    assert np.unique(p).size > 1


@pytest.mark.slow
def test_the_exported_file_answers_as_the_network(folder, windows, preprocessed):
    spec = load_spec(folder)
    golden = matching_golden(folder, spec)
    assert golden.forecast.shape == (16, 1, 1)
    metrics = file_metrics("model.onnx", export_onnx(spec, 17), golden, spec)
    assert metrics["max_abs_diff"] < 1e-5


def test_golden_labels_are_zero_or_one_and_probabilities_are_theirs(folder, windows):
    golden = load_golden(Pipeline(folder).golden)
    known = golden.truth[np.isfinite(golden.truth)]
    assert set(np.unique(known)) <= {0.0, 1.0}
    # In: the features themselves, not scaled.
    batch = windows.gather("test")
    scores = windows.scaler.transform(golden.history[:1].astype(np.float64))
    np.testing.assert_allclose(scores, batch.X[:1], atol=1e-4)


def test_balanced_classes_weigh_alike(windows, preprocessed, params):
    config = direction_config(params, windows, preprocessed.preprocessor)
    train = params.train.model_copy(update={"positive_weight": "balanced"})
    labels = windows.gather("train").y
    expected = (labels == 0).sum() / (labels == 1).sum()
    assert forecast_loss(config, windows, train).positive_weight == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train.loss": "mse"}, "train.loss to bce"),
        ({"model.type": "linear", "train.loss": "mse"}, "model.type to a recurrent network"),
        ({"model.seasonal_skip": True}, "model.seasonal_skip to false"),
    ],
)
def test_settings_that_do_not_go_with_the_task_are_refused(windows, preprocessed, values, message):
    with pytest.raises(ParamsError, match=message):
        direction_config(direction_params(values), windows, preprocessed.preprocessor)


def test_commands_for_forecasts_refuse_the_pipeline_with_a_reason(folder, params, monkeypatch):
    with pytest.raises(ParamsError, match="only forecasts and tables of rows are tuned"):
        check_task(params)
    monkeypatch.setattr(exported, "open_session", lambda model: None)
    monkeypatch.setattr(exported, "read_metadata", lambda model: {})
    monkeypatch.setattr(exported, "check_together", lambda *files: None)
    with pytest.raises(UsageError, match="forecasts no column; use `python -m spline_lstm score"):
        ExportedForecaster.load(folder / "model.onnx", Pipeline(folder).preprocessor)
