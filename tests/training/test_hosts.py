import json
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from spline_lstm.core.errors import ParamsError, UsageError
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.params_file import params_text
from spline_lstm.training.hosts import COORDINATOR, HOST, HOSTS, Place
from stages import ingest, preprocess, train_flax_rnn, window
from tests.builders import ROOT
from tests.small_pipeline import SCHEMA, VALUES, table
from tests.unfinished_training import environment_of_unfinished, wait_for_checkpoint

# Of a run, no test here looks at the pictures.
pytestmark = pytest.mark.usefixtures("no_pictures")

WEIGHTS = ("models/rnn/best.safetensors", "models/rnn/last.safetensors")


def test_the_environment_says_which_process_this_is(monkeypatch):
    assert Place.of_environment() == Place(0, 1, "")
    monkeypatch.setenv(COORDINATOR, "10.0.0.4:1234")
    with pytest.raises(UsageError, match="must be the number of processes"):
        Place.of_environment()
    monkeypatch.setenv(HOST, "1")
    monkeypatch.setenv(HOSTS, "2")
    assert Place.of_environment() == Place(1, 2, "10.0.0.4:1234")
    assert not Place.of_environment().is_first


def test_devices_are_shared_out_evenly():
    with pytest.raises(ParamsError, match="devices 2 must be a multiple of hosts 3"):
        with_values(Params(), {"train.hosts": 3}, "test")


def make(folder, **changes):
    folder.mkdir()
    values = {**VALUES, "train.batch_size": 16, "train.max_epochs": 3, **changes}
    params = with_values(Params(), values, "test")
    (folder / "params.yaml").write_text(params_text(params))
    (folder / "schema.json").write_text(SCHEMA)
    (folder / "table.csv").write_text(table())
    for stage in (ingest, preprocess, window):
        stage.main(folder)
    return folder


def start(folder, environment):
    command = [sys.executable, "-m", "stages.train_flax_rnn", str(folder)]
    environment = os.environ | environment
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def listening(processes):
    return {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


@pytest.mark.slow
def test_two_processes_give_the_bytes_of_one_and_resume_after_one_was_killed(
    tmp_path, monkeypatch, capfd
):
    one = make(tmp_path / "one", **{"train.max_epochs": 5})
    assert "best step" in train_flax_rnn.main(one)
    two = tmp_path / "two"
    shutil.copytree(one, two)
    shutil.rmtree(two / "models/rnn")
    text = (two / "params.yaml").read_text()
    (two / "params.yaml").write_text(text.replace("hosts: 1", "hosts: 2"))
    running = start(two, environment_of_unfinished(tmp_path / "waiting"))
    wait_for_checkpoint(two / ".cache/training", running)
    hosts = psutil.Process(running.pid).children()
    assert len(hosts) == 2
    found = listening(hosts)
    assert found
    assert all(ip.removeprefix("::ffff:").startswith("127.") or ip == "::1" for ip in found)
    os.kill(hosts[1].pid, signal.SIGKILL)
    assert not psutil.wait_procs(hosts, timeout=120)[1]
    _, said = running.communicate(timeout=120)
    assert running.returncode == 23
    assert "23 workers: process 1 of the training was killed (signal 9)" in said
    assert not any((two / name).exists() for name in WEIGHTS)
    monkeypatch.chdir(ROOT)
    assert "by 2 processes" in train_flax_rnn.main(two)
    assert capfd.readouterr().err.count("process 1 of 2") == 1
    for name in WEIGHTS:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    records = [json.loads((each / "metrics/train.json").read_text()) for each in (one, two)]
    assert records[0]["run_id"] == records[1]["run_id"]
