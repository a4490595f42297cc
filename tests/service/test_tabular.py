"""Rows of a table over HTTP: the predictions of the exported file, and refusals."""

import threading

import numpy as np
import pytest

from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.sessions import open_session
from spline_lstm.inference.row_cells import cell_text
from spline_lstm.inference.row_files import RowPredictor
from spline_lstm.service import routes
from spline_lstm.service.tabular import LoadedRows, answers_of
from tests.rows.tables import frame
from tests.service.examples import client_of


@pytest.fixture(scope="module")
def client(rows_folder):
    with client_of(rows_folder, max_rows=50) as client:
        yield client


def rows(count: int = 5) -> list[dict]:
    return frame(count, seed=4).drop(columns=["y", "value"]).to_dict("records")


def refusal(client, body, status: int = 422) -> dict:
    answer = client.post("/v1/rows", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["detail"][0]


def test_served_predictions_are_those_of_the_exported_file(client, rows_folder):
    answer = client.post("/v1/rows", json={"rows": rows()}).json()
    pipeline = Pipeline(rows_folder)
    predictor = RowPredictor.of_file(pipeline.exported / "model.onnx", pipeline.preprocessor)
    content = frame(5, seed=4).drop(columns=["y", "value"]).to_csv(index=False).encode()
    expected = predictor.of_table(predictor.rows_of(content, "rows")).frame()
    assert (answer["target"], answer["warnings"]) == ("y", [])
    for each, (_, row) in zip(answer["rows"], expected.iterrows(), strict=True):
        assert each["prediction"] == row["y_pred"]
        assert each["probabilities"]["yes"] == pytest.approx(row["probability_yes"], abs=1e-7)
        assert [", ".join(level["classes"]) for level in each["intervals"]] == [
            row["set_80"],
            row["set_95"],
        ]


@pytest.mark.parametrize(("suffix", "threads"), [(".onnx", 2), (".tflite", 1)])
def test_a_file_that_one_thread_may_call_has_one(rows_folder, monkeypatch, suffix, threads):
    """Small calls are answered in the thread of the service, large ones in one of their own."""
    seen = set()

    def watched(model, body):
        seen.add(threading.current_thread().name)
        return answers_of(model, body)

    monkeypatch.setattr(routes, "answers_of", watched)
    loaded = LoadedRows.sessions.fget
    monkeypatch.setattr(
        LoadedRows,
        "sessions",
        property(lambda model: {p.with_suffix(suffix): each for p, each in loaded(model).items()}),
    )
    with client_of(rows_folder, max_rows=5000) as client:
        for count in (1, 4000):
            assert client.post("/v1/rows", json={"rows": rows(count)}).status_code == 200
    assert len(seen) == threads


def test_a_missing_cell_is_null_and_an_unseen_category_is_said(client):
    first, second = rows(2)
    body = {"rows": [{**first, "x": None}, {**second, "color": "violet"}]}
    answer = client.post("/v1/rows", json=body).json()
    assert len(answer["rows"]) == 2
    assert "'color' (1 row)" in answer["warnings"][0]


@pytest.mark.parametrize(
    ("cell", "text"), [(1.0, "1"), (1234567.0, "1234567"), (0.5, "0.5"), (True, "True"), ("a", "a")]
)
def test_a_number_as_a_category_has_all_its_digits(cell, text):
    assert cell_text(cell) == text


def test_the_target_in_a_row_is_passed_over(client):
    plain = client.post("/v1/rows", json={"rows": rows(1)}).json()
    with_target = client.post("/v1/rows", json={"rows": [{**rows(1)[0], "y": "no"}]}).json()
    assert plain["rows"] == with_target["rows"]


def test_what_is_wrong_is_named_by_its_place(client):
    (row,) = rows(1)
    short = {name: cell for name, cell in row.items() if name != "z"}
    assert refusal(client, {"rows": [row, short]})["loc"] == ["body", "rows", 1, "z"]
    assert refusal(client, {"rows": [{**row, "zz": 1}]})["loc"] == ["body", "rows", 0, "zz"]
    for cell in ("high", True):
        found = refusal(client, {"rows": [row, {**row, "x": cell}, {**row, "x": cell}]})
        assert found["loc"] == ["body", "rows", 1, "x"]
        assert found["message"].startswith(f"rows[1]: column 'x' contains '{cell}', which is not a")
        assert found["message"].endswith("of the schema (2 rows in all)")
        assert found["remedy"].startswith("fix the cell")
    assert refusal(client, {"rows": []})["loc"] == ["body", "rows"]
    assert refusal(client, {"rows": rows(51)}, 413)["rule"] == "max_rows"
    assert refusal(client, {"rows": rows(1), "model": "other"}, 404)["rule"] == "model"


def test_the_model_is_listed_and_described_with_an_example(client):
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["task"], model["kind"], model["classes"]) == (
        "tabular",
        "classification",
        ["no", "yes"],
    )
    details = client.get(f"/v1/models/{model['id']}").json()
    assert details["features"][0] == "x"
    calls = client.get("/openapi.json").json()["paths"]
    example = calls["/v1/rows"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert client.post("/v1/rows", json=example).status_code == 200


def test_the_network_answers_raw_tensors(client, rows_folder):
    name = rows_folder.name
    declared = client.get(f"/v2/models/{name}").json()
    assert [tensor["name"] for tensor in declared["inputs"]] == ["numbers", "categories"]
    session = open_session(Pipeline(rows_folder).exported / "model.onnx")
    rng = np.random.default_rng(5)
    given = {
        each: rng.integers(0, 2, (3, *tensor.row)).astype(tensor.dtype)
        for each, tensor in session.inputs.items()
    }
    inputs = [
        {
            "name": tensor["name"],
            "datatype": tensor["datatype"],
            "shape": [3, *tensor["shape"][1:]],
            "data": given[tensor["name"]].ravel().tolist(),
        }
        for tensor in declared["inputs"]
    ]
    (output,) = client.post(f"/v2/models/{name}/infer", json={"inputs": inputs}).json()["outputs"]
    expected = session.answer(given)["prediction"]
    assert output["shape"] == list(expected.shape)
    assert output["data"] == expected.ravel().tolist()


def test_raw_numbers_may_be_missing_and_are_filled_by_the_network(client, rows_folder):
    name = rows_folder.name
    session = open_session(Pipeline(rows_folder).exported / "model.onnx")
    rows = {each: (2, *tensor.row) for each, tensor in session.inputs.items()}
    values = {each: np.zeros(rows[each], session.inputs[each].dtype) for each in rows}
    values["numbers"][1] = np.nan
    call = {
        "inputs": [
            {
                "name": "numbers",
                "datatype": "FP32",
                "shape": list(rows["numbers"]),
                "data": [[0] * rows["numbers"][1], [None] * rows["numbers"][1]],
            },
            {
                "name": "categories",
                "datatype": "INT32",
                "shape": list(rows["categories"]),
                "data": [0] * values["categories"].size,
            },
        ]
    }
    (output,) = client.post(f"/v2/models/{name}/infer", json=call).json()["outputs"]
    assert output["data"] == session.answer(values)["prediction"].ravel().tolist()
    call["inputs"][1]["data"][0] = None
    refusal = client.post(f"/v2/models/{name}/infer", json=call)
    assert refusal.status_code == 400
    assert "it has null; only the numbers of rows may be missing" in refusal.text
    call["inputs"][0]["data"][0][0] = "a"
    assert client.post(f"/v2/models/{name}/infer", json=call).status_code == 400
