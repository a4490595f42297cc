"""The service as processes: busy port, several workers, metrics, a killed worker, graceful end."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import psutil
import pytest

from tests.builders import ROOT
from tests.service.examples import promoted_folder, shop_body


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return promoted_folder(tmp_path_factory.mktemp("served") / "shops")


class Running:
    """A service on a free port."""

    def __init__(self, folder, *arguments, workers=2, path=""):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spline_lstm", "serve", str(folder), "--port", "0",
             "--workers", str(workers), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.url = self.process.stdout.readline().strip().removesuffix("/docs")
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        wait_for(lambda: len(self.workers()) == workers and self.get("/v2/health/live"))

    def _read(self):
        self.lines += list(self.process.stderr)

    def workers(self):
        return [each for each in psutil.Process(self.process.pid).children() if is_worker(each)]

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return ""

    def forecast(self):
        request = urllib.request.Request(
            self.url + "/v1/forecast",
            json.dumps(shop_body()).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def is_worker(process):
    # One that was killed may be gone by now, or be a zombie, which has no command line.
    with contextlib.suppress(psutil.NoSuchProcess):
        return "spawn_main" in " ".join(process.cmdline())
    return False


def counted_forecasts(service):
    """Calls for a forecast in the metrics of all workers."""
    (line,) = (
        line
        for line in service.get("/metrics").splitlines()
        if line.startswith("http_requests_total") and 'handler="/v1/forecast"' in line
    )
    return float(line.split()[-1])


def wait_for(holds, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_two_workers_count_together_survive_a_kill_and_end_gracefully(folder):
    service = Running(folder, "--log", "json")
    try:
        for _ in range(40):
            assert service.forecast()["model_id"] == "model"
        # A worker counts a call once its answer is sent, when the caller may ask another already.
        wait_for(lambda: counted_forecasts(service) >= 40)
        assert counted_forecasts(service) == 40
        victim = service.workers()[0].pid
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: service.get("/v2/health/ready"))
        wait_for(lambda: len({each.pid for each in service.workers()} - {victim}) == 2)
        assert service.forecast()["model_id"] == "model"
    finally:
        code = service.stop()
    assert code == 0
    calls = [json.loads(line) for line in service.lines if '"path": "/v1/forecast"' in line]
    assert len(calls) == 41
    assert {call["status"] for call in calls} == {200}
    assert all(len(call["request_id"]) == 16 for call in calls)
    assert not [line for line in service.lines if "Traceback" in line]


@pytest.mark.slow
def test_it_works_without_the_faster_event_loop_and_parser(folder, tmp_path):
    for name in ("uvloop", "httptools"):
        (tmp_path / f"{name}.py").write_text("raise ImportError\n")
    service = Running(folder, workers=1, path=tmp_path)
    try:
        assert service.forecast()["model_id"] == "model"
    finally:
        assert service.stop() == 0


def run_serve(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "spline_lstm", "serve", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_busy_port_ends_with_one_line(folder):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = run_serve(folder, "--port", port)
    assert run.returncode == 25
    assert run.stderr.startswith(f"25 service: cannot listen on 127.0.0.1 port {port} (")
    assert run.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepare", "code", "words"),
    [
        (lambda folder: folder.mkdir(), 25, "is not a pipeline folder"),
        (lambda folder: promoted_folder(folder).joinpath("params.yaml").write_text("a: 1"), 10, ""),
        (
            lambda folder: next(promoted_folder(folder).rglob("store/**/*.onnx")).write_bytes(b"x"),
            15,
            "model.onnx",
        ),
    ],
)
def test_what_cannot_be_served_ends_with_one_line(tmp_path, prepare, code, words):
    prepare(tmp_path / "p")
    run = run_serve(tmp_path / "p", "--port", 0)
    assert run.returncode == code, run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_numbers_below_one_are_refused(folder):
    run = run_serve(folder, "--workers", 0)
    assert (run.returncode, run.stderr[:9]) == (2, "2 usage: ")
