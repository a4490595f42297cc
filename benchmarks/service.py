"""Requests per second, latency and memory of a running service, beside a call that does nothing.

::

    python -m benchmarks.service FOLDER [--seconds 60] [--clients 32] [--workers 2]

It starts the service of a pipeline folder on a free port. The load generator is this process: so
many connections of uvloop, each of which sends its next request when it has the answer to the last
one. Generator and service share the cores of this machine. The call that does nothing is
``GET /v2/health/live``, through the same server and middleware.
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


async def client(port: int, request: bytes, end: float, result: Result) -> None:
    """One connection that asks again and again until `end`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while (begin := time.perf_counter()) < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            result.seconds.append(time.perf_counter() - begin)
            result.failures += not head.startswith(b"HTTP/1.1 200")
    except (asyncio.IncompleteReadError, ConnectionError):
        result.failures += 1
    finally:
        writer.close()


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


def line(name: str, result: Result, seconds: float, series: int, cpu: float) -> str:
    """The figures of one call."""
    count = len(result.seconds)
    p50, p99 = (1000 * np.quantile(result.seconds, share) for share in (0.5, 0.99))
    return (
        f"{name:14s} {count / seconds:9.1f} requests/s {count * series / seconds:9.1f} series/s "
        f"p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  {1000 * cpu / count:7.2f} ms of CPU a request  "
        f"{result.failures} failures"
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
            before, begin = cpu_seconds(process), time.perf_counter()
            result = uvloop.run(load(port, request, arguments.clients, arguments.seconds))
            seconds, cpu = time.perf_counter() - begin, cpu_seconds(process) - before
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
