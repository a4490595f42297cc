"""The service over HTTP, in this process: calls, examples, refusals, limits, reload."""

import json
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from spline_lstm.core.artifacts import write_json
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.service import work as service_work
from spline_lstm.service.given_up import check_wanted
from spline_lstm.service.logs import Lines, call_line
from spline_lstm.store.files import Store
from spline_lstm.store.predictions import add_predictions
from tests.builders import HOURLY, ROOT
from tests.service.examples import (
    KEY,
    client_of,
    promoted_folder,
    registry_of,
    shop_body,
)
from tests.store.examples import NOW, make_model, scored


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return promoted_folder(tmp_path_factory.mktemp("served") / "shops")


@pytest.fixture(scope="module")
def client(folder):
    with client_of(folder, max_body=100_000) as client:
        yield client


def test_neither_jax_nor_tensorflow_nor_training_is_loaded(folder):
    code = (
        "import sys\n"
        "from spline_lstm.service.app import make_app\n"
        "from spline_lstm.service.catalog import make_catalog\n"
        "from spline_lstm.service.settings import Settings\n"
        f"settings = Settings(({str(folder)!r},))\n"
        "make_app(settings, make_catalog(settings.folders)).openapi()\n"
        "names = ('jax', 'flax', 'tensorflow', 'spline_lstm.training')\n"
        "print([name for name in names if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == "[]", run.stderr


def test_every_call_of_openapi_is_answered_by_its_own_example(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert len(paths) == 13
    # There is no model that could answer them; tests/service has others that do.
    del paths["/v1/direction"], paths["/v1/rows"]
    for path, calls in paths.items():
        for method, call in calls.items():
            values = {
                each["name"]: each["example"]
                for each in call.get("parameters", [])
                if each["in"] == "path"
            }
            body = None
            if method == "post":
                body = call["requestBody"]["content"]["application/json"]["example"]
            answer = client.request(method, path.format(**values), json=body)
            assert answer.status_code == 200, (path, answer.text)


def test_models_say_what_they_are(client):
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["id"], model["pipeline"], model["status"]) == ("model", "shops", "promoted")
    assert (model["lookback"], model["horizon"], model["targets"]) == (4, 3, ["y"])
    details = client.get("/v1/models/model").json()
    assert details["metrics"] == {"rmse": 2.0}
    assert details["schema"]["series_col"] == "shop"
    assert details["future_columns"] == ["price"]
    assert client.get("/v1/models/none").status_code == 404


def test_the_open_inference_protocol(client):
    assert client.get("/v2/health/live").json() == {"live": True}
    ready = client.get("/v2/health/ready").json()
    assert (ready["ready"], ready["models"]) == (True, {"shops": "model"})
    metadata = client.get("/v2/models/shops").json()
    assert metadata["inputs"][0] == {"name": "history", "datatype": "FP32", "shape": [-1, 4, 2]}
    history = [[[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [5.0, 0.0]]]
    inputs = [
        {"name": "history", "datatype": "FP32", "shape": [1, 4, 2], "data": history},
        {"name": "future", "datatype": "FP32", "shape": [1, 3, 1], "data": [1, 2, 3]},
    ]
    answer = client.post("/v2/models/shops/infer", json={"id": "7", "inputs": inputs}).json()
    assert (answer["id"], answer["model_name"]) == ("7", "shops")
    (output,) = answer["outputs"]
    assert output == {
        "name": "forecast",
        "datatype": "FP32",
        "shape": [1, 3, 1],
        "data": [6.0, 7.0, 8.0],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"datatype": "BYTES"},
        {"shape": [1, 4, 3]},
        {"shape": [2, 4, 2]},
        {"data": ["a"] * 8},
        {"data": [1.0, [2.0]]},
        {"data": [1.0, True, *[1.0] * 6]},
        {"data": [[[1.0, 2.0]] * 3 + [[1, False]]]},
        {"data": reduce(lambda inner, _: [inner], range(600), [1.0])},
        {"data": [1e300] * 8},
        {"datatype": "INT32", "data": [2**40] * 8},
        {"name": "past"},
        {"shape": [0, 4, 2], "data": []},
        {"shape": []},
    ],
)
def test_tensors_that_do_not_fit_get_the_error_of_the_protocol(client, change):
    tensor = {"name": "history", "datatype": "FP32", "shape": [1, 4, 2], "data": [1.0] * 8}
    future = {"name": "future", "datatype": "FP32", "shape": [1, 3, 1], "data": [1, 2, 3]}
    call = {"inputs": [{**tensor, **change}, future]}
    answer = client.post("/v2/models/shops/infer", json=call)
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}
    assert client.post("/v2/models/none/infer", json=call).status_code == 404


def test_a_call_without_windows_is_refused_before_it_ends_the_process(client):
    none = [
        {"name": "history", "datatype": "FP32", "shape": [0, 4, 2], "data": []},
        {"name": "future", "datatype": "FP32", "shape": [0, 3, 1], "data": []},
    ]
    answer = client.post("/v2/models/shops/infer", json={"inputs": none})
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "the tensor 'history' has no windows or rows; give one or more"
    }


def test_a_tensor_that_is_given_twice_is_refused(client):
    tensor = {"name": "history", "datatype": "FP32", "shape": [1, 4, 2], "data": [1.0] * 8}
    future = {"name": "future", "datatype": "FP32", "shape": [1, 3, 1], "data": [1, 2, 3]}
    answer = client.post("/v2/models/shops/infer", json={"inputs": [tensor, future, tensor]})
    assert answer.status_code == 400
    assert answer.json() == {"error": "the tensor 'history' is given twice; give each tensor once"}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"data": True}, "body.inputs[0].data: Input should be a valid list; correct"),
        ({"shape": [True, 4, 2]}, "body.inputs[0].shape[0]: Input should be a valid integer"),
        ({"shape": [1, "4", 2]}, "body.inputs[0].shape[1]: Input should be a valid integer"),
        ({"data": [1.0, [2.0]]}, "(its lists have different lengths or depths"),
    ],
)
def test_errors_of_the_protocol_say_where(client, change, place):
    tensor = {"name": "history", "datatype": "FP32", "shape": [1, 4, 2], "data": [1.0] * 8}
    answer = client.post("/v2/models/shops/infer", json={"inputs": [{**tensor, **change}]})
    assert answer.status_code == 400
    assert place in answer.json()["error"]
    nothing = client.post("/v2/models/shops/infer", json={"inputs": [None]}).json()["error"]
    assert nothing.startswith("body.inputs[0]: Input should be a JSON object; ")


def test_each_answer_has_the_id_of_its_call(client):
    assert (
        client.get("/v1/models", headers={"x-request-id": "abc-1"}).headers["x-request-id"]
        == "abc-1"
    )
    made = client.get("/v1/none", headers={"x-request-id": "a b\tc"})
    assert len(made.headers["x-request-id"]) == 16
    assert made.json()["request_id"] == made.headers["x-request-id"]


def test_lines_of_the_log_are_json_by_a_setting():
    record = logging.LogRecord("x", logging.INFO, "", 0, "hello", None, None)
    content = json.loads(Lines(as_json=True).format(record))
    assert (content["level"], content["request_id"], content["message"]) == ("info", "-", "hello")
    assert Lines(as_json=False).format(record).endswith("info - hello")
    call = ("GET", "/v1/models", 200, 0.0123)
    line = call_line(*call, as_json=True)
    content = json.loads(line)
    assert (content["message"], content["path"], content["status"]) == ("call", "/v1/models", 200)
    assert (content["method"], content["ms"]) == ("GET", 12.3)
    text = call_line(*call, as_json=False)
    assert text.endswith(" info - call GET /v1/models 200 12.3\n")


def test_no_path_begins_another_line_of_the_log():
    for as_json in (True, False):
        line = call_line("GET", "/a\nerror\u2028", 404, 0.0, as_json=as_json)
        assert line.splitlines(keepends=True) == [line]


def test_calls_are_counted_by_route_with_what_they_carried(folder):
    labels = {"method": "POST", "handler": "/v1/forecast"}

    def counts():
        value = REGISTRY.get_sample_value
        size = {"handler": "/v1/forecast"}
        return [
            value("http_requests_total", {**labels, "status": "2xx"}) or 0.0,
            value("http_requests_total", {**labels, "status": "4xx"}) or 0.0,
            value("http_request_duration_seconds_count", labels) or 0.0,
            value("http_request_size_bytes_sum", size) or 0.0,
            value("http_response_size_bytes_sum", size) or 0.0,
        ]

    with client_of(folder) as client:
        before, body = counts(), json.dumps(shop_body()).encode()
        answer = client.post("/v1/forecast", content=body)
        wrong = client.post("/v1/forecast", content=b"{}")
        after = counts()
        client.request("ODD", "/nowhere")
        text = client.get("/metrics").text
    assert [new - old for new, old in zip(after, before, strict=True)] == [
        1, 1, 2, len(body) + 2, len(answer.content) + len(wrong.content),
    ]  # fmt: skip
    assert 'http_requests_total{handler="none",method="other",status="4xx"}' in text
    assert 'handler="/metrics"' not in text


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(client):
    assert client.post("/v1/forecast", content=b"x" * 100_001).status_code == 413
    sent = []

    def parts():
        for _ in range(1000):
            sent.append(1)
            yield b"x" * 1000

    answer = client.post("/v1/forecast", content=parts())
    assert answer.status_code == 413
    assert answer.json()["detail"][0]["rule"] == "max_body"
    assert answer.headers["connection"] == "close"


def test_a_key_of_the_environment_is_asked_for(folder, monkeypatch):
    monkeypatch.setenv("SPLINE_LSTM_API_KEY", KEY)
    with client_of(folder) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers={"x-api-key": KEY + "x"}).status_code == 401
        assert client.get("/v1/models", headers={"x-api-key": KEY}).status_code == 200
        assert client.get("/v2/health/live").status_code == 200


def test_other_sites_may_call_only_if_they_are_named(folder):
    asked = {"origin": "https://example.org", "access-control-request-method": "POST"}
    with client_of(folder) as client:
        assert client.options("/v1/forecast", headers=asked).status_code == 405
    with client_of(folder, origins=("https://example.org",)) as client:
        answer = client.options("/v1/forecast", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://example.org"


def test_a_call_that_takes_too_long_is_ended(folder):
    ended = threading.Event()
    with client_of(folder, timeout=0.05) as client:
        model = next(iter(client.app.state.catalog.served.models.values()))
        object.__setattr__(model, "details", lambda: ended.wait(120) and {})
        answer = client.get("/v1/models/model")
        ended.set()
        assert answer.status_code == 503
        assert answer.json()["detail"][0]["rule"] == "timeout"


def test_work_of_a_call_that_was_ended_is_given_up(folder):
    """At its next step: its thread is free for the next call."""

    def work():
        while True:
            check_wanted()
            time.sleep(0.001)

    with client_of(folder, timeout=0.2) as client:
        model = next(iter(client.app.state.catalog.served.models.values()))
        object.__setattr__(model, "details", work)
        assert client.get("/v1/models/model").status_code == 503
        object.__setattr__(model, "details", lambda: {"free": True})
        wait_for(lambda: client.get("/v1/models/model").json() == {"free": True})


def test_work_that_still_waits_when_its_call_is_ended_is_never_begun(folder):
    begun, go = [], threading.Event()
    with client_of(folder, timeout=0.2) as client:
        model = next(iter(client.app.state.catalog.served.models.values()))
        object.__setattr__(model, "details", lambda: begun.append(1) or go.wait(120))
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: client.get("/v1/models/model"), range(3)))
        assert {answer.status_code for answer in answers} == {503}
        go.set()
        object.__setattr__(model, "details", lambda: {"free": True})
        wait_for(lambda: client.get("/v1/models/model").json() == {"free": True})
    assert len(begun) == 1


def test_only_so_many_large_calls_wait(folder, monkeypatch):
    monkeypatch.setattr(service_work, "MOST_WAITING", 4)
    go = threading.Event()
    with client_of(folder) as client:
        model = next(iter(client.app.state.catalog.served.models.values()))
        object.__setattr__(model, "details", lambda: go.wait(120) and {})
        with ThreadPoolExecutor(7) as pool:
            calls = [pool.submit(client.get, "/v1/models/model") for _ in range(7)]
            wait_for(lambda: sum(call.done() for call in calls) == 2)
            assert client.get("/v1/models").status_code == 200
            go.set()
            answers = [call.result() for call in calls]
        refusals = [answer for answer in answers if answer.status_code == 503]
        assert [answer.json()["detail"][0]["rule"] for answer in refusals] == ["busy"] * 2
        assert sum(answer.status_code == 200 for answer in answers) == 5


def test_a_failure_says_no_more_than_its_id(folder):
    with client_of(folder) as client:
        model = next(iter(client.app.state.catalog.served.models.values()))
        object.__setattr__(model, "details", lambda: 1 / 0)
        answer = client.get("/v1/models/model")
        assert answer.status_code == 500
        assert "division" not in answer.text
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_caller_who_goes_is_no_failure(folder, caplog, capsys):
    """The body ends in the midst: nothing is answered, and nothing is an error."""
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    with client_of(folder) as client, caplog.at_level(logging.INFO, "spline_lstm.service"):
        scope = {"type": "http", "method": "POST", "path": "/v1/forecast", "headers": [],
                 "query_string": b"", "app": client.app}  # fmt: skip
        client.portal.call(client.app, scope, receive, send)
    assert sent == []
    assert [record.levelno for record in caplog.records] == [logging.INFO]
    assert " call POST /v1/forecast 0 " in capsys.readouterr().err


def test_stored_predictions_come_in_pages(client, folder):
    store = Store.of(folder, load_params(folder).store)
    add_predictions(
        store.predictions, "forecast", "model", scored(range(30), symbols=("a", "b")), HOURLY, NOW
    )
    whole = client.get("/v1/predictions", params={"limit": 1000}).json()
    assert len(whole["predictions"]) == 120
    assert whole["next_offset"] is None
    pages, offset = [], 0
    while offset is not None:
        page = client.get("/v1/predictions", params={"limit": 50, "offset": offset}).json()
        pages += page["predictions"]
        offset = page["next_offset"]
    assert pages == whole["predictions"]
    chosen = client.get("/v1/predictions", params={"symbol": "b", "from": "2020-01-02"}).json()
    assert len(chosen["predictions"]) == 12
    assert {row["symbol"] for row in chosen["predictions"]} == {"b"}
    assert chosen["predictions"][0]["ts"] == "2020-01-02T00:00:00+00:00"
    before = client.get("/v1/predictions", params={"to": "2019-12-31"}).json()
    assert before["predictions"] == []


def test_a_newly_promoted_model_is_taken_up_and_a_damaged_one_is_not(tmp_path):
    folder = promoted_folder(tmp_path / "shops")
    registry = registry_of(folder)
    files = registry.path.parent / "models"
    with client_of(folder, reload_seconds=0.05) as client:

        def served():
            return client.get("/v2/health/ready").json()

        for name in ("next", "damaged"):
            subprocess.run(["cp", "-r", str(files / "model"), str(files / name)], check=True)
            registry.add(make_model(model_id=name, path=f"models/{name}"))
        registry.promote("next", NOW.isoformat())
        wait_for(lambda: served()["models"] == {"shops": "next"})
        assert client.post("/v1/forecast", json=shop_body()).json()["model_id"] == "next"
        (files / "damaged/models/edge/model.onnx").write_bytes(b"no model")
        registry.promote("damaged", NOW.isoformat())
        wait_for(lambda: "shops" in served()["failures"])
        assert served()["models"] == {"shops": "next"}
        registry.promote("model", NOW.isoformat())
        wait_for(lambda: served()["models"] == {"shops": "model"})
        assert served()["failures"] == {}


def wait_for(holds, seconds=120):
    """On a busy machine a call may miss the short limit of a test, and succeed the next time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_without_a_registry_the_exported_files_are_served(tmp_path, folder):
    copy = tmp_path / "plain"
    files = registry_of(folder).path.parent / "models/model/models"
    copy.mkdir()
    subprocess.run(["cp", "-r", str(files), str(copy / "models")], check=True)
    for name in ("params.yaml", "schema.json"):
        (copy / name).write_bytes((folder / name).read_bytes())
    write_json(Pipeline(copy).metrics("evaluate"), {"rmse": 3.0})
    Pipeline(copy).raw_csv.parent.mkdir(parents=True)
    Pipeline(copy).raw_csv.write_text("abc")
    with client_of(folder, copy) as client:
        details = client.get("/v1/models/plain").json()
        assert (details["status"], details["metrics"]) == ("exported", {"rmse": 3.0})
        assert details["data_hash"].startswith("ba7816bf8f01cfea")
        answer = client.post("/v1/forecast", json=shop_body())
        assert answer.json()["detail"][0]["loc"] == ["body", "model"]
        assert client.post("/v1/forecast", json=shop_body(model="plain")).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["timestamps", "values", "covariates", "future", "name", "static", "start", "levels", "absent",
     "series", "y", "sizes", "model"]
)  # fmt: skip


@settings(max_examples=500)
@given(st.dictionaries(KEYS, JSON, max_size=4), st.booleans())
def test_malformed_bodies_are_refused_with_place_rule_and_remedy(client, changes, whole):
    content = json.dumps({**(shop_body() if whole else {}), **changes})
    answer = client.post("/v1/forecast", content=content.encode())
    assert answer.status_code in (200, 404, 413, 422), answer.text
    if answer.status_code != 200:
        for finding in answer.json()["detail"]:
            assert finding["loc"]
            assert finding["rule"]
            assert finding["message"]
            assert finding["remedy"]


@settings(max_examples=200)
@given(JSON, st.sampled_from(["inputs", "outputs", "id"]))
def test_malformed_tensors_are_refused(client, value, key):
    tensor = {"name": "history", "datatype": "FP32", "shape": [1, 4, 2], "data": [1.0] * 8}
    content = json.dumps({"inputs": [tensor, value], key: value})
    answer = client.post("/v2/models/shops/infer", content=content.encode())
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]
