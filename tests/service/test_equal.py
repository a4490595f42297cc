"""Served forecasts are those of `Forecaster.predict`, and of the same instants however written."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spline_lstm import Forecaster
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.export_all import export_all, write_models
from spline_lstm.service.bodies import Batch, Future, OneSeries, Series
from spline_lstm.service.catalog import make_catalog
from spline_lstm.service.forecasts import answer_of
from spline_lstm.service.rows import rows_of
from spline_lstm.service.settings import Settings
from spline_lstm.tasks.parts import load_part
from tests.service.examples import target_model


def served(model, body):
    return answer_of(model, body, rows_of(body, model.preprocessor.schema, Settings(())))


def plain(values):
    return [None if np.isnan(value) else value for value in values]


def shops() -> pd.DataFrame:
    """Two shops over the end of summer time in Berlin: two targets, covariates, a static, gaps."""
    hours = np.arange(220)
    times = pd.date_range("2020-10-18", periods=len(hours), freq="h", tz="UTC")
    parts = []
    for shop, level in (("a", 20.0), ("b", 50.0)):
        promo = hours % 9 == 0
        demand = level + 5 * np.sin(hours * np.pi / 12) + 3 * promo + np.cos(hours * 1.7)
        columns = {"demand": demand, "visits": 3 * demand + np.sin(hours), "temp": np.cos(hours)}
        region = "north" if shop == "a" else "south"
        parts.append(
            pd.DataFrame({"time": times, "shop": shop, **columns, "promo": promo, "region": region})
        )
    frame = pd.concat(parts, ignore_index=True).assign(
        time=lambda rows: rows["time"].dt.tz_convert("Europe/Berlin")
    )
    frame.loc[[50, 51, 165, 270, 384], "demand"] = np.nan
    frame.loc[frame.index % 31 == 0, "temp"] = np.nan
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained network of the shops, as `Forecaster.save` writes it, and its ONNX file."""
    folder = tmp_path_factory.mktemp("shops")
    Forecaster(
        ["demand", "visits"],
        timestamp="time",
        series="shop",
        covariates=("temp",),
        known_future=("promo",),
        static=("region",),
        calendar=("hour_sin",),
        lookback=8,
        horizon=3,
        hidden=(4,),
        max_epochs=1,
        seed=7,
    ).fit(shops()).save(folder)
    params = load_params(folder)
    exported = params.export.model_copy(update={"formats": ("onnx",), "variants": ()})
    models = export_all(load_part(params, "spec")(folder), exported)
    write_models(Pipeline(folder).exported, models)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "origins"), [("naive", (100, 167, 170, 200)), ("offset", (168, 169))]
)
def test_a_served_forecast_is_that_of_the_forecaster(folder, form, origins):
    """Rows 168 and 169 are the hour that occurs twice: between them only offsets tell which."""
    forecaster, model = Forecaster.load(folder), make_catalog([str(folder)]).served.get(None, ())
    table = shops()
    for rows in origins:
        number = table.groupby("shop").cumcount()
        past, ahead = table[number < rows], table[(number >= rows) & (number < rows + 3)]
        expected = forecaster.predict(past, ahead[["time", "shop", "promo"]])
        answer = served(model, body_of(past, ahead, form))
        assert answer["run_id"] == forecaster.model_.run_id
        assert [each["name"] for each in answer["series"]] == ["a", "b"]
        for each in answer["series"]:
            wanted = expected.loc[each["name"]]
            assert [pd.Timestamp(time) for time in each["timestamps"]] == [*wanted.index]
            for target in ("demand", "visits"):
                close(each["point"][target], wanted[target])
                for interval in each["intervals"]:
                    for side in ("lower", "upper"):
                        column = f"{target}_{side}_{interval['level']:g}"
                        close(interval[side][target], wanted[column])


def close(found, expected):
    """Within 1e-5; a bound that is null is infinite."""
    known = [np.inf if value is None else value for value in found]
    infinite = np.isinf(expected)
    np.testing.assert_array_equal(np.isinf(known), infinite)
    np.testing.assert_allclose(np.array(known)[~infinite], expected[~infinite], rtol=1e-5)


def body_of(past, ahead, form):
    """The rows of all shops as a batch."""

    def texts(times):
        if form == "naive":
            return times.dt.strftime("%Y-%m-%d %H:%M:%S").tolist()
        return [time.isoformat() for time in times]

    series = []
    for name, rows in past.groupby("shop"):
        later = ahead[ahead["shop"] == name]
        promo = {"promo": later["promo"].tolist()}
        series.append(
            Series(
                name=name,
                timestamps=texts(rows["time"]),
                values={target: plain(rows[target]) for target in ("demand", "visits")},
                covariates={"temp": plain(rows["temp"]), "promo": rows["promo"].tolist()},
                static={"region": rows["region"].iloc[0]},
                future=Future(timestamps=texts(later["time"]), covariates=promo),
            )
        )
    return Batch(series=series)


@pytest.mark.parametrize("change", ["2020-03-29", "2020-10-25"])
def test_wall_clocks_across_a_change_are_the_instants(change):
    """Naive timestamps of Berlin, an hour left out or twice, against the same instants in UTC."""
    model = target_model()
    reading = replace(model.preprocessor.reading, time_zone="Europe/Berlin")
    preprocessor = replace(model.preprocessor, reading=reading)
    berlin = replace(model, forecaster=replace(model.forecaster, preprocessor=preprocessor))
    instants = pd.date_range(
        pd.Timestamp(change, tz="UTC") - pd.Timedelta("20h"), periods=40, freq="h"
    )
    values = (10 + np.sin(np.arange(40) / 3)).tolist()
    walls = instants.tz_convert("Europe/Berlin").strftime("%Y-%m-%d %H:%M:%S").tolist()
    zulu = instants.strftime("%Y-%m-%dT%H:%M:%SZ").tolist()
    offsets = [time.isoformat() for time in instants.tz_convert("Europe/Berlin")]
    answers = [
        served(berlin, OneSeries(timestamps=times, values=values))
        for times in (walls, zulu, offsets)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert len(set(walls)) == (40 if change == "2020-03-29" else 39)
