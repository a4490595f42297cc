import numpy as np
import pytest

from spline_lstm.experiments.latency import ExportedFile, measure, range_over_rounds


class Recorder:
    """Files whose answers note who was called."""

    def __init__(self):
        self.calls = []

    def file(self, name, windows=3):
        inputs = {"history": np.arange(windows, dtype=np.float32)[:, None, None]}

        def answer(given):
            self.calls.append((name, float(given["history"][0, 0, 0])))
            return {"forecast": given["history"]}

        return ExportedFile(answer, inputs)


def turns(calls):
    """Names in the order of their blocks of consecutive calls."""
    names = [name for name, _ in calls]
    return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]


def test_every_round_calls_every_file_and_starts_with_another_one():
    recorder = Recorder()
    files = {name: recorder.file(name) for name in ("a", "b", "c")}
    measured = measure(files, rounds=3, calls=4, warmup_calls=2)
    assert turns(recorder.calls) == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert list(measured) == ["a", "b", "c"]
    # Two calls to warm up in the first round and one later, of each file.
    assert len(recorder.calls) == 3 * (2 + 4) + 2 * 3 * (1 + 4)


def test_a_percentile_of_each_round():
    measured = measure({"a": Recorder().file("a")}, rounds=5, calls=10)["a"]
    assert measured.p50_ms.shape == measured.p95_ms.shape == (5,)
    assert np.all(measured.p50_ms > 0)
    assert np.all(measured.p50_ms <= measured.p95_ms)


def test_the_windows_take_turns():
    recorder = Recorder()
    measure({"a": recorder.file("a")}, rounds=1, calls=6, warmup_calls=1)
    assert [value for _, value in recorder.calls] == [0, 0, 1, 2, 0, 1, 2]


def test_the_range_leaves_out_the_extremes_of_the_rounds():
    low, high = range_over_rounds(np.arange(101.0))
    assert (low, high) == pytest.approx((5.0, 95.0))


def test_nothing_to_measure_is_measured_as_nothing():
    assert measure({}, rounds=2, calls=3) == {}
