import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import ArtifactError
from spline_lstm.inference.forecast import Forecast
from spline_lstm.store.forecasts import _further, forecast_scorer
from tests.builders import make_schema
from tests.exported_sum import frame
from tests.store import examples
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


def test_errors_of_rows_without_an_optional_covariate_are_those_of_blank_cells(
    tmp_path, monkeypatch
):
    price = {"name": "price", "known_future": True, "required": False}
    schema = make_schema(series_col="shop", dynamic_covariates=[price])
    monkeypatch.setattr(examples, "SCHEMA", schema)
    write_files(tmp_path)
    tables = (frame().drop(columns="price"), frame().assign(price=np.nan))
    absent, blank = (
        forecast_scorer(tmp_path, table.to_csv(index=False).encode(), "table").errors(0)
        for table in tables
    )
    pd.testing.assert_frame_equal(absent, blank)
    assert absent["squared"].sum() > 0
