"""Bodies to answers: values by head, forms, limits, messages."""

import json

import numpy as np
import pytest

from spline_lstm.core.pipeline import Pipeline
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.service.bodies import FORMS, form_of
from spline_lstm.service.catalog import make_catalog
from spline_lstm.service.errors import CallError
from spline_lstm.service.forecasts import answer_of, read_body, read_json
from spline_lstm.service.rows import rows_of
from spline_lstm.service.settings import Settings
from tests.exported_sum import frame
from tests.service.examples import hours, promoted_folder, shop_body, target_model

SETTINGS = Settings((), max_rows=100, max_series=3)


def asked(model, content, settings=SETTINGS):
    body = read_body(json.dumps(content).encode())
    return answer_of(model, body, rows_of(body, model.preprocessor.schema, settings))


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    folder = promoted_folder(tmp_path_factory.mktemp("served") / "shops")
    return make_catalog([str(folder)]).served.get(None, ())


def test_one_series_is_last_value_plus_price(shops):
    answer = asked(shops, shop_body(last=50.0, price=7.0))
    assert answer["model_id"] == answer["run_id"] == "model"
    assert answer["pipeline"] == "shops"
    (series,) = answer["series"]
    assert series["name"] == "a"
    assert series["origin"] == "2020-02-01T06:00:00Z"
    assert series["timestamps"] == hours(3, first=6)
    assert series["point"]["y"] == pytest.approx([57.0] * 3, abs=1e-3)
    (interval,) = series["intervals"]
    assert interval["level"] == 80.0
    assert interval["lower"]["y"] == pytest.approx([56.0, 55.0, 54.0], abs=1e-3)
    assert interval["upper"]["y"] == pytest.approx([58.0, 59.0, 60.0], abs=1e-3)


def test_a_batch_is_answered_in_its_order(shops):
    batch = {"series": [shop_body("b", last=80.0), shop_body("a", last=60.0)]}
    answer = asked(shops, batch)
    assert [series["name"] for series in answer["series"]] == ["b", "a"]
    assert [series["point"]["y"][0] for series in answer["series"]] == pytest.approx([87.0, 67.0])


def test_the_flat_form_is_the_batch():
    model = target_model(panel=True)
    times, y = hours(20), [float(value) for value in range(20)]
    flat = {"y": y + y[::-1], "sizes": [20, 20], "timestamps": times * 2, "names": ["a", "b"]}
    batch = {
        "series": [
            {"name": "a", "timestamps": times, "values": y},
            {"name": "b", "timestamps": times, "values": {"y": y[::-1]}},
        ]
    }
    assert asked(model, flat) == asked(model, batch)


def test_series_of_a_pipeline_that_tells_none_apart_are_forecast_each_by_itself():
    model, times = target_model(), hours(20)
    series = [
        {"name": str(last), "timestamps": times, "values": [1.0] * 19 + [last]} for last in (5, 9)
    ]
    answer = asked(model, {"series": series})
    assert [each["point"]["y"] for each in answer["series"]] == [[5.0] * 3, [9.0] * 3]
    single = asked(model, {"timestamps": times, "values": [1.0] * 19 + [9]})
    assert single["series"][0]["point"] == answer["series"][1]["point"]


def test_the_answer_is_that_of_predict_on_the_same_rows(shops):
    """Served bits are those of the exported file on the raw table, as the command line reads it."""
    table = frame().groupby("shop").head(40).reset_index(drop=True)
    table.loc[[7, 12], "y"] = np.nan
    known = frame().groupby("shop").nth(slice(40, 43))
    future = known[["time", "shop", "price"]].reset_index(drop=True)
    folder = shops.path.parent.parent.parent
    forecaster = ExportedForecaster.load(shops.path, Pipeline(folder).preprocessor)
    expected = forecaster.predict(table, future)

    def texts(part):
        return [f"{time:%Y-%m-%d %H:%M}" for time in part["time"]]

    series = [
        {
            "name": name,
            "timestamps": texts(part),
            "values": [None if np.isnan(value) else value for value in part["y"]],
            "covariates": {"price": part["price"].tolist()},
            "future": {
                "timestamps": texts(ahead := future[future["shop"] == name]),
                "covariates": {"price": ahead["price"].tolist()},
            },
        }
        for name, part in table.groupby("shop")
    ]
    answer = asked(shops, {"series": series})
    assert [each["name"] for each in answer["series"]] == list(expected.series)
    served = np.array([each["point"]["y"] for each in answer["series"]])
    np.testing.assert_array_equal(served, expected.point[:, :, 0])


def test_filled_and_far_values_and_drift_are_said():
    values = [float(value % 5) + 10 for value in range(40)]
    model, times = target_model(), hours(40)
    assert asked(model, {"timestamps": times, "values": values})["warnings"] == []
    holes = [*values[:-3], None, *values[-2:]]
    (fill,) = asked(model, {"timestamps": times, "values": holes})["warnings"]
    assert fill == "1 value of the 12 rows before the forecast was missing and filled"
    rows = [*range(30), *range(32, 40)]
    absent = {"timestamps": [times[row] for row in rows], "values": [values[row] for row in rows]}
    (fill,) = asked(model, absent)["warnings"]
    assert fill == "2 values of the 12 rows before the forecast were missing and filled"
    far = asked(model, {"timestamps": times, "values": [*values[:-1], 1000.0]})["warnings"]
    assert far[0] == "1 value of 'y' more than 6 scales away from the training center"
    assert [text.split(" of ")[0] for text in far[1:]] == [
        "drift: the mean",
        "drift: the deviation",
    ]


def test_a_minmax_scaler_knows_its_range():
    model = target_model(scaler="minmax")
    values = [10.0] * 19 + [999.0]
    (text,) = asked(model, {"timestamps": hours(20), "values": values})["warnings"]
    assert text == "1 value of 'y' outside of the training range"


def test_levels_choose_intervals(shops):
    assert asked(shops, shop_body(levels=[]))["series"][0]["intervals"] == []
    assert len(asked(shops, shop_body(levels=[80]))["series"][0]["intervals"]) == 1
    with pytest.raises(CallError) as raised:
        asked(shops, shop_body(levels=[95]))
    assert raised.value.findings[0].loc == ("body", "levels")
    assert raised.value.findings[0].remedy == "give some of these: 80"


@pytest.mark.parametrize(
    ("change", "loc", "words"),
    [
        ({"values": {"y": [1.0]}}, ("body", "values", "y"), "1 values for 6 timestamps"),
        ({"values": [1.0]}, ("body", "values"), "1 values for 6 timestamps"),
        ({"values": [1.0, 1e39] * 3}, ("body", "series", "a", "y"), "within ±1e+30, which is what"),
        ({"values": {"z": [1.0] * 6}}, ("body", "values"), "the target 'y' is missing"),
        ({"covariates": {"rain": [1.0] * 6}}, ("body", "covariates", "rain"), "no column 'rain'"),
        ({"covariates": {"price": [1.0]}}, ("body", "covariates", "price"), "1 values for 6"),
        ({"static": {"size": 1}}, ("body", "static", "size"), "no column 'size'"),
        ({"timestamps": ["x"] * 6}, ("body",), "timestamp 'x'"),
        ({"timestamps": hours(6)[::-1]}, ("body",), "timestamps must increase"),
        ({"values": {"y": [None] * 6}}, ("body", "series", "a"), "no target was observed"),
        ({"covariates": {}}, ("body",), "'price'"),
        ({"future": None}, ("body", "series", "a"), "price"),
        ({"start": "soon"}, ("body",), "cannot start at 'soon'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_remedy(shops, change, loc, words):
    with pytest.raises(CallError) as raised:
        asked(shops, shop_body(**change))
    assert raised.value.status == 422
    finding = raised.value.findings[0]
    assert words in finding.message
    assert finding.loc[: len(loc)] == loc
    assert finding.remedy


def test_an_error_of_one_of_several_names_it():
    model = target_model()
    series = [
        {"name": "long", "timestamps": hours(20), "values": [1.0] * 20},
        {"name": "short", "timestamps": hours(3), "values": [1.0] * 3},
    ]
    with pytest.raises(CallError) as raised:
        asked(model, {"series": series})
    (finding,) = raised.value.findings
    assert finding.loc[:3] == ("body", "series", "short")
    assert finding.message.startswith("series 'short': history: ")


@pytest.mark.parametrize("missing", [(), (4, 18)])
@pytest.mark.parametrize("later", [0, 3])
def test_a_batch_is_forecast_as_its_series_alone(missing, later):
    """Read together where all is plain and ends at one row, else one after the other."""
    model, rng = target_model(fill="pchip"), np.random.default_rng(3)
    series = []
    for number in range(5):
        values = (10 + 4 * rng.normal(size=40)).tolist()
        for row in missing:
            values[row + number] = None
        first = later if number == 2 else 0
        series.append({"name": str(number), "timestamps": hours(40, first), "values": values})
    whole = asked(model, {"series": series}, Settings(()))
    alone = [asked(model, each) for each in series]
    assert whole["series"] == [answer["series"][0] for answer in alone]
    labelled = [
        f"series {answer['series'][0]['name']!r}: {text}"
        for answer in alone
        for text in answer["warnings"]
    ]
    assert whole["warnings"] == labelled


@pytest.mark.parametrize(
    ("content", "status", "rule"),
    [
        ({"timestamps": ["t"] * 101, "values": [1.0] * 101}, 413, "max_rows"),
        ({"y": [1.0] * 4, "sizes": [1] * 4, "timestamps": hours(4)}, 413, "max_series"),
        ({"y": [1.0] * 4, "sizes": [1, 2], "timestamps": hours(4)}, 422, "length"),
        ({"y": [1.0] * 3, "sizes": [2, 2], "timestamps": hours(4)}, 422, "length"),
        ({"y": [1.0] * 2, "sizes": [1, 1], "timestamps": hours(2), "names": ["a"]}, 422, "length"),
        (
            {"y": [1.0] * 2, "sizes": [1, 1], "timestamps": hours(2), "names": ["a"] * 2},
            422,
            "names",
        ),
        ({"y": [1.0], "sizes": [0], "timestamps": hours(1)}, 422, "greater_than_equal"),
        ({"timestamps": hours(1), "values": ["1"]}, 422, "float_type"),
        ({"timestamps": hours(1), "values": [1], "more": 1}, 422, "extra_forbidden"),
        ({"series": []}, 422, "too_short"),
        ([], 422, "model_type"),
    ],
)
def test_limits_and_forms(content, status, rule):
    with pytest.raises(CallError) as raised:
        asked(target_model(), content)
    assert raised.value.status == status
    assert raised.value.findings[0].rule == rule


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"values": NaN}', b"[" * 10_000])
def test_what_is_not_json(text):
    with pytest.raises(CallError) as raised:
        read_body(text)
    assert raised.value.findings[0].rule == "json"


@pytest.mark.parametrize("last", ["2190-01-01T00:00:00Z", "2190-01-01T01:00:00+01:00"])
def test_few_rows_far_apart_are_refused_before_they_become_a_grid(last):
    zone = last[19:]
    content = {"timestamps": [f"1990-01-01T00:00:00{zone}", last], "values": [1.0, 2.0]}
    with pytest.raises(CallError) as raised:
        asked(target_model(), content)
    assert (raised.value.status, raised.value.findings[0].rule) == (413, "span")


def test_a_future_far_away_does_not_become_a_grid(shops):
    body = shop_body()
    body["future"]["timestamps"] = [*hours(2, first=6), "2190-01-01T00:00:00Z"]
    with pytest.raises(CallError) as raised:
        asked(shops, body)
    assert raised.value.status == 422


def test_several_targets_need_names():
    model = target_model(targets=("y", "z"))
    with pytest.raises(CallError, match="give values by name"):
        asked(model, {"timestamps": hours(20), "values": [1.0] * 20})
    values = {"y": [1.0] * 20, "z": [2.0] * 20}
    answer = asked(model, {"timestamps": hours(20), "values": values})
    assert answer["series"][0]["point"] == {"y": [1.0] * 3, "z": [2.0] * 3}


def test_the_form_of_a_body_is_told_by_its_keys():
    assert {form_of({}), form_of({"series": 1}), form_of({"y": 1})} == FORMS.keys()


def test_what_is_not_json_is_refused_and_long_numbers_are_floats():
    assert read_json(b'{"a": [1, 2.5, null, "x"]}') == {"a": [1, 2.5, None, "x"]}
    assert read_json(b"[123456789012345678901234567890]") == [1.2345678901234568e29]
    for content in (b"[NaN]", b"[1,", b"", b'"\xff"'):
        with pytest.raises(CallError, match="the body is not JSON") as caught:
            read_json(content)
        assert caught.value.status == 422
