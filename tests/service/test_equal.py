"""Served forecasts are those of `Forecaster.predict`, and of the same instants however written."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spline_lstm import Forecaster
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.service.bodies import Batch, OneSeries, Series
from spline_lstm.service.forecasts import answer_of
from spline_lstm.service.loaded import make_catalog
from spline_lstm.service.rows import rows_of
from spline_lstm.service.settings import Settings
from stages import export
from tests.service.examples import target_model


def served(model, body):
    return answer_of(model, body, rows_of(body, model.preprocessor.schema, Settings(())))


def plain(values):
    return [None if np.isnan(value) else value for value in values]


@pytest.mark.slow
def test_a_served_forecast_is_that_of_the_forecaster(small_pipeline, tmp_path):
    """Two series, two targets, gaps: at several origins, with text timestamps of the raw file."""
    folder = tmp_path / "small"
    shutil.copytree(small_pipeline, folder)
    params = folder / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("formats: [onnx, tflite]", "formats: [onnx]"), "utf-8")
    export.main(folder)
    forecaster = Forecaster.load(folder)
    model = make_catalog([str(folder)]).served.get(None, ())
    table = pd.read_csv(Pipeline(folder).raw_csv)
    for rows in (120, 200, 400, 600):
        part = table.groupby("site").head(rows)
        body = Batch(
            series=[
                Series(
                    name=name,
                    timestamps=group["time"].tolist(),
                    values={target: plain(group[target]) for target in ("load", "heat")},
                )
                for name, group in part.groupby("site")
            ]
        )
        expected = forecaster.predict(part)
        answer = served(model, body)
        assert answer["run_id"] == forecaster.model_.run_id
        for each in answer["series"]:
            wanted = expected.loc[each["name"]]
            assert [pd.Timestamp(time) for time in each["timestamps"]] == [*wanted.index]
            for target in ("load", "heat"):
                np.testing.assert_allclose(each["point"][target], wanted[target], rtol=1e-5)
                for interval in each["intervals"]:
                    for side in ("lower", "upper"):
                        np.testing.assert_allclose(
                            np.array(interval[side][target], dtype=float),
                            wanted[f"{target}_{side}_{interval['level']:g}"],
                            rtol=1e-5,
                        )


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
