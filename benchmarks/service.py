"""Requests per second, latency and memory of a running service, beside a call that does nothing.

::

    python -m benchmarks.service FOLDER [--seconds 60] [--clients 32] [--workers 2]

It starts the service of a pipeline folder on a free port. The load generator is this process: so
many connections of uvloop, each of which sends its next request, bytes made before, as soon as it
has the answer to the last one. Generator and service share the cores of this machine, and the
processor time of both is told. The call that does nothing is ``GET /v2/health/live``, through the
same server, guard, log and counts.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import uvloop

from spline_lstm.service.catalog import make_catalog
from spline_lstm.service.examples import forecast_example
from spline_lstm.service.loaded import LoadedModel

HISTORY_ROWS = 200
SERIES = 100
WARM_UP = 2.0
MEGABYTE = 1e6


@dataclass
class Result:
    """What the clients of one call saw.

    Attributes
    ----------
    seconds : of each answer
    failures : answers that are not 200, and lost connections
    """

    seconds: list[float] = field(default_factory=list)
    failures: int = 0


def request_bytes(method: str, path: str, body: bytes = b"") -> bytes:
    """A request of HTTP/1.1 that keeps its connection."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client(asyncio.Protocol):
    """One connection that asks again and again until `end`; `ended` is done then."""

    def __init__(self, request: bytes, end: float, result: Result) -> None:
        self.request, self.end, self.result = request, end, result
        self.ended = asyncio.get_running_loop().create_future()
        self._answer, self._begin = b"", 0.0

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self._begin = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Note an answer that is whole, and send the next request."""
        answer = self._answer + data if self._answer else data
        if not is_whole(answer):
            self._answer = answer
            return
        self._answer = b""
        now = time.perf_counter()
        self.result.seconds.append(now - self._begin)
        self.result.failures += not answer.startswith(b"HTTP/1.1 200")
        if now < self.end:
            self._ask()
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """A failure, unless all is asked."""
        del exc
        if not self.ended.done():
            self.result.failures += 1
            self._finish()

    def _finish(self) -> None:
        self.ended.set_result(None)
        self.transport.close()


def is_whole(answer: bytes) -> bool:
    """Whether the bytes are a head and all of the body that it promises."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = answer.index(b"content-length:") + len(b"content-length:")
    return len(answer) - end - 4 >= int(answer[at : answer.index(b"\r\n", at)])


async def client(port: int, request: bytes, end: float, result: Result) -> None:
    """One connection that asks again and again until `end`."""
    loop = asyncio.get_running_loop()
    try:
        _, protocol = await loop.create_connection(
            lambda: Client(request, end, result), "127.0.0.1", port
        )
    except ConnectionError:
        result.failures += 1
        return
    await protocol.ended


async def load(port: int, request: bytes, clients: int, seconds: float) -> Result:
    """So many clients for so long."""
    result = Result()
    end = time.perf_counter() + seconds
    await asyncio.gather(*(client(port, request, end, result) for _ in range(clients)))
    return result


@contextmanager
def service(folder: Path, workers: int) -> Iterator[tuple[int, psutil.Process]]:
    """Port and process of a service that runs inside the block."""
    command = [sys.executable, "-m", "spline_lstm", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(
        [*command, "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        try:
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


def processes_of(service: psutil.Process) -> list[psutil.Process]:
    """The supervisor and its workers."""
    return [service, *service.children(recursive=True)]


def megabytes(service: psutil.Process) -> list[int]:
    """Resident memory of each process, MB."""
    return [round(each.memory_info().rss / MEGABYTE) for each in processes_of(service)]


def cpu_seconds(service: psutil.Process) -> float:
    """Processor time of all processes."""
    return sum(sum(each.cpu_times()[:2]) for each in processes_of(service))


def calls(model: LoadedModel) -> dict[str, tuple[bytes, int]]:
    """Name of a call -> its request, and the series in it."""
    body: dict[str, Any] = forecast_example(model, HISTORY_ROWS)
    name = body.pop("name", "")
    one = json.dumps({"name": name, **body} if name else body).encode()
    batch = {"series": [{"name": f"series {index}", **body} for index in range(SERIES)]}
    return {
        "no-op": (request_bytes("GET", "/v2/health/live"), 1),
        "forecast": (request_bytes("POST", "/v1/forecast", one), 1),
        f"batch of {SERIES}": (
            request_bytes("POST", "/v1/forecast", json.dumps(batch).encode()),
            SERIES,
        ),
    }


def line(name: str, result: Result, seconds: float, series: int, cpu: tuple[float, float]) -> str:
    """The figures of one call; `cpu` are seconds of the service and of this generator."""
    count = len(result.seconds)
    p50, p99 = (1000 * np.quantile(result.seconds, share) for share in (0.5, 0.99))
    own, generator = (1000 * each / count for each in cpu)
    return (
        f"{name:14s} {count / seconds:9.1f} requests/s {count * series / seconds:9.1f} series/s "
        f"p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  {own:7.3f} ms of CPU a request "
        f"(generator {generator:.3f})  {result.failures} failures"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the service of a pipeline folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    model = make_catalog([str(folder)]).served.of_kind(LoadedModel, None, ())
    with service(folder, arguments.workers) as (port, process):
        wait_until_ready(port)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {arguments}")
        print(f"resident MB at start (supervisor first): {megabytes(process)}")
        for name, (request, series) in calls(model).items():
            uvloop.run(load(port, request, arguments.clients, WARM_UP))
            before, begin = (cpu_seconds(process), time.process_time()), time.perf_counter()
            result = uvloop.run(load(port, request, arguments.clients, arguments.seconds))
            seconds = time.perf_counter() - begin
            cpu = (cpu_seconds(process) - before[0], time.process_time() - before[1])
            print(line(name, result, seconds, series, cpu), flush=True)
        print(f"resident MB at the end: {megabytes(process)}, load {os.getloadavg()[0]:.1f}")


def wait_until_ready(port: int) -> None:
    """Until a worker answers; the workers begin at the same time."""
    request = request_bytes("GET", "/v2/health/live")
    end = time.monotonic() + 120
    while True:
        result = uvloop.run(load(port, request, 8, 0.5))
        if result.seconds and not result.failures:
            return
        if time.monotonic() > end:
            raise SystemExit("the service does not answer")


if __name__ == "__main__":
    main()
