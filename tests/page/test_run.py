"""The page as a process: where it listens, whatever the user's configuration says."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest

from spline_lstm.__main__ import main
from spline_lstm.page.errors import PageError
from spline_lstm.page.run import HOST, free_port
from tests.builders import ROOT

# Seconds after which a test gives up: no answer takes as long on any machine.
PATIENCE = 120
# What a user may have in a file of their own: the page overrides all of it.
CONFIG = """
[server]
address = "0.0.0.0"
port = 9999
baseUrlPath = "elsewhere"
[browser]
gatherUsageStats = true
"""


def test_a_busy_port_is_one_line_with_its_exit_code(empty, capsys):
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert main(["dashboard", str(empty), "--port", str(port)]) == PageError.exit_code
    error = capsys.readouterr().err
    assert error.startswith(f"{PageError.exit_code} page: cannot listen on 127.0.0.1 port {port}")
    assert len(error.splitlines()) == 1


def test_a_free_port_is_found():
    port = free_port(0)
    assert port == free_port(port)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--port", "70000"], 2), (["no/such/folder"], PageError.exit_code)]
)
def test_wrong_arguments_are_one_line(arguments, code, capsys):
    assert main(["dashboard", *arguments]) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_it_listens_on_this_machine_only_and_ends_when_told(empty, tmp_path):
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit/config.toml").write_text(CONFIG)
    process = subprocess.Popen(
        [sys.executable, "-m", "spline_lstm", "dashboard", str(empty), "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path), "STREAMLIT_SERVER_ADDRESS": "0.0.0.0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = process.stdout.readline().strip()
        assert url.startswith(f"http://{HOST}:")
        assert answer(f"{url}/_stcore/health") == "ok"
        assert "<title>" in answer(url)
        assert websocket(url, HOST, f"http://{HOST}") == 101
        assert websocket(url, "other.example", "http://other.example") == 403
        assert websocket(url, HOST, "http://other.example") == 403
        listening = {
            (each.laddr.ip, each.laddr.port)
            for each in psutil.Process(process.pid).net_connections()
            if each.status == psutil.CONN_LISTEN
        }
        assert listening == {(HOST, int(url.rpartition(":")[2]))}
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == "the page has stopped"
    # Streamlit keeps an id of the machine there if it sends statistics.
    assert [path.name for path in (tmp_path / ".streamlit").iterdir()] == ["config.toml"]


def websocket(url: str, host: str, origin: str) -> int:
    """The status that a browser gets which opens the page by the name `host`, from `origin`."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    headers = {
        "Host": host,
        "Origin": origin,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "c2l4dGVlbiBvZiBieXRlcw==",
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def answer(url: str) -> str:
    """The body of an answer, as soon as there is one."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as response:
                return response.read().decode()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
