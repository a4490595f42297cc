import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from spline_lstm.core import ray_engine
from spline_lstm.core.errors import DivergedError, MissingPackageError, ParamsError, WorkerError
from spline_lstm.core.parallel import AHEAD, Work, made_ahead, run_all
from spline_lstm.core.params import RunParams
from tests.builders import ROOT
from tests.core import parallel_jobs as jobs
from tests.core.small_panel import hashes

LOCAL = RunParams(executor="local", workers=2)


def work_of(function, items, **options):
    return Work(function, items, [f"job {number}" for number in range(len(items))], **options)


def run(function, items, params=LOCAL, **options):
    return run_all(work_of(function, items, **options), params, "test")


@pytest.fixture(scope="module")
def ray(tmp_path_factory):
    """What a cluster of this machine gave, started by a process of its own.

    Ray forks and takes over SIGTERM, which a process with JAX and other tests must not see.
    """
    pytest.importorskip("ray")
    folder = tmp_path_factory.mktemp("ray")
    # An empty address is none.
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.ray_story", folder],
        cwd=ROOT,
        env={**os.environ, "RAY_ADDRESS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "story.json").read_text())


def test_results_come_in_the_order_of_the_jobs_for_any_number_of_workers():
    expected = [number**2 for number in range(5)]
    for workers in (1, 2):
        assert run(jobs.square, range(5), RunParams(workers=workers)) == expected
    assert run(jobs.square, []) == []


def test_a_fresh_job_has_one_thread_and_a_process_of_its_own():
    before = dict(os.environ)
    found = run(jobs.threads_and_process, range(3), is_fresh=True)
    assert {pair[:2] for pair in found} == {("1", "1")}
    assert len({process for *_, process in found}) == 3
    assert dict(os.environ) == before


def test_short_jobs_share_this_process_with_one_thread():
    before = dict(os.environ)
    found = run(jobs.threads_and_process, range(3), is_short=True)
    assert {tuple(each) for each in found} == {("1", "1", os.getpid())}
    assert dict(os.environ) == before


def test_no_short_job_runs_after_one_that_failed():
    with pytest.raises(DivergedError) as caught:
        run(jobs.fail_at_two_and_four, range(6), is_short=True)
    assert caught.value.lines[0] == "job 2: the loss of 2 is nan"


def test_the_first_error_in_the_order_of_the_jobs_is_raised_with_its_name():
    with pytest.raises(DivergedError) as caught:
        run(jobs.fail_at_two_and_four, range(6))
    assert caught.value.lines == ("job 2: the loss of 2 is nan", "job 2: and its gradient")
    with pytest.raises(TypeError, match="a bug"):
        run(jobs.fail_as_a_bug_does, range(2))
    assert multiprocessing.active_children() == []


def test_the_job_of_a_killed_worker_runs_again_but_not_for_ever(tmp_path):
    assert run(jobs.die_once, [tmp_path]) == ["done"]
    with pytest.raises(WorkerError, match=r"^job 0: its worker was lost 4 times"):
        run(jobs.die, [0])


def test_ctrl_c_ends_the_workers(tmp_path):
    code = (
        "import sys; from tests.core.test_parallel import jobs, run\n"
        "if __name__ == '__main__': run(jobs.tell_and_sleep, sys.argv[1:])"
    )
    marks = [tmp_path / "a", tmp_path / "b"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *marks], cwd=ROOT, stderr=subprocess.PIPE
    )
    limit = time.monotonic() + 300
    while not all(mark.exists() for mark in marks):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    # Two workers, and what keeps track of their semaphores.
    assert len(children) == 3
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=120)
    assert b"KeyboardInterrupt" in text
    assert not psutil.wait_procs(children, timeout=120)[1]


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        MissingPackageError, match=r"pip install 'spline-lstm\[cluster\]', or set run.exec"
    ):
        run(jobs.square, [1], RunParams(executor="ray"))


def test_a_cluster_beyond_this_machine_needs_a_token(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.4:6379")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ParamsError, match="start the cluster with RAY_AUTH_MODE=token"):
        run(jobs.square, [1], RunParams(executor="ray"))


@pytest.mark.parametrize("address", ["auto", "anyscale://my-cluster:1"])
def test_a_name_of_ray_is_not_said_to_be_beyond_this_machine(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ParamsError, match=r"a name of Ray's own.* give HOST:PORT .*=token"):
        run(jobs.square, [1], RunParams(executor="ray"))


@pytest.mark.parametrize("mode", ["", "token"])
def test_a_text_that_is_not_an_address_is_said_to_be_none(mode, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(
        ParamsError, match=r"nonsense is not the address of a cluster: give HOST:PORT .* unset RAY_"
    ):
        run(jobs.square, [1], RunParams(executor="ray"))


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "127.0.0.1:x"])
def test_an_address_where_no_cluster_answers_is_refused_at_once(address, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nothing listens
        monkeypatch.setenv("RAY_ADDRESS", address.format(port=unused.getsockname()[1]))
        for name, value in (ray_engine.LOOPBACK, ray_engine.NO_STATISTICS):
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
        monkeypatch.setitem(sys.modules, "ray.exceptions", SimpleNamespace())
        with pytest.raises(ParamsError, match=r"no cluster answers there .* unset RAY_ADDRESS"):
            run(jobs.square, [1], RunParams(executor="ray"))


@pytest.mark.slow
def test_ray_gives_what_processes_of_this_machine_give(ray):
    assert ray["squares"] == [run(jobs.square, range(9))] * 3
    assert {tuple(pair[:2]) for pair in ray["fresh"]} == {("1", "1")}
    assert len({process for *_, process in ray["fresh"]}) == 3
    assert ray["error"][:2] == ["DivergedError", "job 2: the loss of 2 is nan"]
    assert ray["die once"] == ["done"]


@pytest.mark.slow
def test_a_panel_has_the_same_bytes_with_ray_and_here_for_any_number_of_workers(ray, tmp_path):
    one = hashes(tmp_path / "one", RunParams(workers=1))
    assert sum(name.startswith("part-") for name in one) == 4
    assert hashes(tmp_path / "two", RunParams(workers=2)) == one
    assert ray["preprocess"] == [one] * 3


def test_every_socket_of_ray_is_on_loopback(ray):
    assert {"gcs_server", "raylet"} <= set(ray["processes"])
    assert ray["listening"]
    assert all(
        ip.removeprefix("::ffff:").startswith("127.") or ip == "::1" for ip in ray["listening"]
    )


def test_results_made_ahead_come_in_the_order_of_their_jobs():
    done = [threading.Event() for _ in range(7)]

    def make(number):
        # The second of two jobs that run side by side ends first.
        if number % 2 and number + 1 < len(done):
            assert done[number + 1].wait(60)
        done[number].set()
        return number

    assert list(made_ahead(make, range(7))) == [0, 1, 2, 3, 4, 5, 6]
    assert list(made_ahead(make, [])) == []


def test_two_results_are_made_while_the_caller_has_one_and_no_more():
    begun = [threading.Event() for _ in range(9)]

    def make(number):
        begun[number].set()
        return number

    for number in made_ahead(make, range(9)):
        # Nothing runs beside the first one, whose threads start after it.
        last = min(number + AHEAD, 8) if number else 0
        assert all(each.wait(60) for each in begun[: last + 1])
        assert not any(each.is_set() for each in begun[last + 1 :])


def test_a_caller_that_stops_ends_the_threads_and_the_jobs_that_have_not_begun():
    before, made = set(threading.enumerate()), []

    def make(number):
        made.append(number)
        return number

    results = made_ahead(make, range(9))
    assert [next(results), next(results)] == [0, 1]
    assert set(threading.enumerate()) > before
    results.close()
    assert set(threading.enumerate()) <= before
    assert set(made) <= {0, 1, 2, 3}


def test_an_error_comes_where_the_result_would_and_ends_the_jobs_after_it():
    made = []

    def make(number):
        if number == 2:
            raise DivergedError("job 2")
        made.append(number)
        return number

    results = made_ahead(make, range(9))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(DivergedError, match="job 2"):
        next(results)
    assert set(made) <= {0, 1, 3, 4}
