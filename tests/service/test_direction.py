"""Daily bars to probabilities over HTTP: those of the scorer, members, reasons, refusals."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.store.direction import direction_scorer
from spline_lstm.trees.saved_trees import load_trees
from tests.service.directions import LOOKBACK, WEIGHTS, bars, bars_body, make_direction_folder
from tests.service.examples import client_of, promoted_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_direction_folder(tmp_path_factory.mktemp("served") / "stocks")


@pytest.fixture(scope="module")
def client(folder):
    with client_of(folder, max_series=3) as client:
        yield client


def test_served_probabilities_are_those_of_the_scorer(client, folder):
    """And so those of score and explain, with the network and the trees in their shares."""
    answer = client.post("/v1/direction", json=bars_body(bars())).json()
    assert (answer["model_id"], answer["pipeline"]) == ("ensemble", "stocks")
    assert (answer["target"], answer["horizon"], answer["warnings"]) == ("rises", 5, [])
    scorer = direction_scorer(folder, bars().to_csv(index=False).encode(), "bars")
    rows = scorer.score(int(scorer.instants.max()) + 1, "error").rows
    assert [each["name"] for each in answer["series"]] == rows["symbol"].tolist() == ["A", "B"]
    for each, (_, row) in zip(answer["series"], rows.iterrows(), strict=True):
        assert pd.Timestamp(each["day"]) == pd.Timestamp(row["ts"], tz="UTC")
        assert each["probability"] == pytest.approx(row["score"], abs=1e-12)
        assert each["word"] == row["word"]
        mean = sum(WEIGHTS[name] * each["members"][name] for name in WEIGHTS)
        assert each["probability"] == pytest.approx(mean)
        why = scorer.explain(each["name"], int(scorer.instants.max()) + 1)
        assert [reason["feature"] for reason in each["reasons"]] == [
            reason.feature for reason in why.reasons
        ]
        assert len(each["reasons"]) == 3


def test_the_network_is_asked_with_the_features_of_the_last_day(client):
    frame = bars()
    close = frame.loc[frame["symbol"] == "B", "adj_close"].to_numpy()
    features = read_json(Pipeline(client.app.state.catalog.sources[0].folder).preprocessor)
    days = int(features["features"][0].removeprefix("return_"))
    expected = 1.0 / (1.0 + np.exp(-(close[-1] / close[-1 - days] - 1.0)))
    (_, second) = client.post("/v1/direction", json=bars_body(frame)).json()["series"]
    assert second["members"]["network"] == pytest.approx(expected, abs=1e-6)


def test_symbols_come_in_the_order_of_the_body_without_those_that_are_too_short(client):
    body = bars_body(bars())
    first, second = body["series"]
    short = {
        "name": "S",
        "timestamps": first["timestamps"][-9:],
        "values": {name: cells[-9:] for name, cells in first["values"].items()},
    }
    answer = client.post("/v1/direction", json={"series": [second, short, first]}).json()
    assert [each["name"] for each in answer["series"]] == ["B", "A"]
    assert answer["warnings"] == [f"S: too few days until {last_date(second)}, so no score"]
    alone = client.post("/v1/direction", json=first).json()
    assert alone["series"] == [answer["series"][1]]


def last_date(symbol):
    return str(pd.Timestamp(symbol["timestamps"][-1]).date())


def test_a_member_that_is_missing_is_named_and_the_others_answer(tmp_path):
    folder = make_direction_folder(tmp_path / "stocks")
    (Pipeline(folder).exported / "model.onnx").unlink()
    with client_of(folder) as client:
        answer = client.post("/v1/direction", json=bars_body(bars())).json()
        assert set(answer["series"][0]["members"]) == {"lightgbm", "xgboost"}
        assert answer["warnings"][0].startswith("network is left out (")
        assert list(client.get("/v1/models/stocks").json()["absent"]) == ["network"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"values": {}}, 422, "the target 'adj_close' is missing"),
        ({"values": {"rain": [1.0]}}, 422, "the target 'adj_close' is missing"),
        ({"timestamps": []}, 422, "at least 1"),
        ({"covariates": {}}, 422, "Extra inputs"),
        ({"model": "none"}, 404, "no such model is served"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_remedy(client, change, status, words):
    body = bars_body(bars())["series"][0] | change
    answer = client.post("/v1/direction", json=body)
    assert answer.status_code == status, answer.text
    (finding,) = answer.json()["detail"]
    assert words in finding["message"]
    assert finding["loc"]
    assert finding["remedy"]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("high", 0.001, "above the high"), ("volume", -1.0, "must not be negative")],
)
def test_impossible_bars_are_refused(client, column, value, words):
    body = bars_body(bars())["series"][0]
    body["values"][column][7] = value
    answer = client.post("/v1/direction", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"][0]["message"]


def test_too_few_days_and_too_many_symbols_are_refused(client):
    answer = client.post("/v1/direction", json=bars_body(bars(first=190)))
    assert answer.status_code == 422
    assert "trading days" in answer.json()["detail"][0]["message"]
    body = bars_body(bars())
    body["series"] = [{**body["series"][0], "name": str(number)} for number in range(4)]
    answer = client.post("/v1/direction", json=body)
    assert (answer.status_code, answer.json()["detail"][0]["rule"]) == (413, "max_series")


def test_both_tasks_are_served_together_each_with_its_calls(folder, tmp_path):
    shops = promoted_folder(tmp_path / "shops")
    with client_of(shops, folder) as client:
        assert [model["task"] for model in client.get("/v1/models").json()["models"]] == [
            "forecast",
            "direction",
        ]
        paths = client.get("/openapi.json").json()["paths"]
        for path in ("/v1/forecast", "/v1/direction"):
            content = paths[path]["post"]["requestBody"]["content"]["application/json"]
            answer = client.post(path, json=content["example"])
            assert answer.status_code == 200, answer.text
        for path, other in (("/v1/forecast", "stocks"), ("/v1/direction", "shops")):
            answer = client.post(path, json={**bars_body(bars()), "model": other})
            assert answer.status_code == 404


def infer(client, name, rows):
    tensor = client.get(f"/v2/models/{name}").json()["inputs"][0]
    assert list(rows.shape[1:]) == tensor["shape"][1:]
    data = {"shape": list(rows.shape), "data": rows.ravel().tolist()}
    answer = client.post(f"/v2/models/{name}/infer", json={"inputs": [{**tensor, **data}]}).json()
    (output,) = answer["outputs"]
    assert (answer["model_name"], answer["model_version"]) == (name, "ensemble")
    return np.array(output["data"]).reshape(output["shape"])


def test_network_and_trees_answer_raw_tensors(client, folder):
    trees = load_trees(Pipeline(folder).trees)
    X = np.random.default_rng(2).normal(size=(3, LOOKBACK, len(trees.features)))
    network = infer(client, "stocks", X.astype(np.float32))
    np.testing.assert_allclose(network[:, 0, 0], 1 / (1 + np.exp(-X[:, -1, 0])), atol=1e-6)
    probabilities = infer(client, "stocks.lightgbm", X[:, -1].astype(np.float32))
    expected = trees.predict(X[:, -1].astype(np.float32).astype(np.float64))["lightgbm"]
    np.testing.assert_allclose(probabilities[:, 1], expected, atol=1e-6)
    assert client.get("/v2/models/stocks.lightgbm/ready").json()["ready"]


def test_a_file_that_is_not_there_is_named_with_those_that_are(client):
    answer = client.get("/v2/models/stocks.xgboost")
    assert answer.status_code == 404
    assert answer.json()["error"].endswith("name one of them: stocks, stocks.lightgbm")
