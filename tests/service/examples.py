"""Services over small models whose forecasts can be said by head, and bodies for them."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from fastapi.testclient import TestClient

from spline_lstm.core.params import load_params
from spline_lstm.core.reading import Reading
from spline_lstm.export.sessions import Session
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.series.preprocess import preprocess
from spline_lstm.service.app import make_app
from spline_lstm.service.catalog import make_catalog
from spline_lstm.service.loaded import LoadedModel, rows_preprocessor
from spline_lstm.service.settings import Settings
from spline_lstm.service.source import Source
from spline_lstm.store.files import Store
from spline_lstm.store.registry import Registry
from spline_lstm.tables.frames import plain_frame
from spline_lstm.tables.raw_table import typed_table
from tests.builders import make_preprocess_params, make_schema
from tests.store.examples import NOW, make_folder

KEY = "secret"


def promoted_folder(folder: Path) -> Path:
    """A pipeline folder `folder` whose promoted model says: last target + known price."""
    folder.mkdir(parents=True, exist_ok=True)
    make_folder(folder)
    registry_of(folder).promote("model", NOW.isoformat())
    return folder


def registry_of(folder: Path) -> Registry:
    return Registry(Store.of(folder, load_params(folder).store).registry)


@contextmanager
def client_of(*folders: Path, **changes):
    """A client of a service in this process."""
    settings = Settings(tuple(map(str, folders)), **changes)
    app = make_app(settings, make_catalog(settings.folders))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def hours(count: int, first: int = 0) -> list[str]:
    begin = pd.Timestamp("2020-02-01") + pd.Timedelta(hours=first)
    return [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in pd.date_range(begin, periods=count, freq="h")]


def shop_body(name="a", last=50.0, price=7.0, **changes):
    """Six rows of a shop; the forecast of `promoted_folder` is last + price."""
    return {
        "name": name,
        "timestamps": hours(6),
        "values": {"y": [40.0, 41.0, 42.0, 43.0, 44.0, last]},
        "covariates": {"price": [1.0] * 6},
        "future": {"timestamps": hours(3, first=6), "covariates": {"price": [price] * 3}},
        **changes,
    }


def target_model(panel=False, targets=("y",), **changes) -> LoadedModel:
    """A model of targets alone: its forecast is their last value, three times."""
    schema = make_schema(target_cols=list(targets), series_col="shop" if panel else None)
    number = np.arange(400)
    parts = [
        pd.DataFrame(
            {
                "time": pd.date_range("2020-01-01", periods=400, freq="h"),
                "shop": shop,
                **{
                    name: 10 + 3 * np.sin(number / 4 + index) + number % 5
                    for index, name in enumerate(targets)
                },
            }
        )
        for shop in (("a", "b") if panel else ("a",))
    ]
    frame = plain_frame(pd.concat(parts, ignore_index=True), schema, "raw")
    table = typed_table(frame, schema, where="raw", reading=Reading())
    params = make_preprocess_params(feature_mode="univariate", **changes)
    fitted = preprocess(table, schema, params, where="raw").preprocessor
    metadata = {
        "run_id": "last",
        "model_type": "last",
        "targets": list(targets),
        "quantiles": [],
        "lookback": 12,
        "horizon": 3,
        "inputs": {"history": ""},
    }

    def answer(given):
        last = given["history"][:, -1:, : len(targets)]
        return {"forecast": np.repeat(last, 3, axis=1)}

    forecaster = ExportedForecaster(Session(answer), metadata, rows_preprocessor(fitted), None)
    source = Source(Path(), "last", Store(Path("predictions"), Path("registry")), "forecast")
    return LoadedModel(source, None, Path("model.onnx"), forecaster, schema)
