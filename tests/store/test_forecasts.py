import numpy as np
import pytest

from spline_lstm.core.errors import ArtifactError
from spline_lstm.inference.forecast import Forecast
from spline_lstm.store.forecasts import _further, forecast_scorer
from tests.exported_sum import frame
from tests.store.examples import write_files


def test_bounds_and_quantiles_are_columns_by_their_percent():
    shape = (2, 3, 1)
    bounds = np.arange(12.0).reshape(*shape, 2)
    forecast = Forecast(
        point=np.zeros(shape),
        lower=-bounds,
        upper=bounds,
        levels=(80.0, 97.5),
        quantiles=10 * bounds,
        ensemble_std=None,
        timestamps=np.zeros((2, 3), dtype=np.int64),
        series=("a", "b"),
        targets=("y",),
    )
    found = dict(_further(forecast, (0.1, 0.5)))
    assert list(found) == [
        "lower_80",
        "upper_80",
        "lower_97.5",
        "upper_97.5",
        "quantile_10",
        "quantile_50",
    ]
    assert (found["lower_97.5"] == -bounds[..., 1]).all()
    assert (found["quantile_10"] == 10 * bounds[..., 0]).all()


def test_the_tflite_file_answers_if_the_onnx_file_is_not_there(tmp_path):
    """Neither is readable here; the message tells which one was opened."""
    write_files(tmp_path)
    source = frame().to_csv(index=False).encode()
    assert forecast_scorer(tmp_path, source, "table").model_id == "model"
    (tmp_path / "models/edge/model.tflite").write_bytes(b"no model")
    assert forecast_scorer(tmp_path, source, "table").model_id == "model"
    (tmp_path / "models/edge/model.onnx").unlink()
    with pytest.raises(ArtifactError, match="model.tflite"):
        forecast_scorer(tmp_path, source, "table")
    (tmp_path / "models/edge/model.tflite").unlink()
    with pytest.raises(ArtifactError, match="model.onnx"):
        forecast_scorer(tmp_path, source, "table")
