"""What a service makes of bodies beyond its limits, slow calls, a killed worker and a promotion.

::

    python -m benchmarks.service_faults FOLDER

It starts the service of a pipeline folder on a free port with two workers, and prints a line per
fault. Exit status 1 if one of them is not what docs/service.md says.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.service import (
    HISTORY_ROWS,
    MEGABYTE,
    load,
    processes_of,
    request_bytes,
    service,
    wait_until_ready,
)
from spline_lstm.service.catalog import make_catalog
from spline_lstm.service.examples import forecast_example
from spline_lstm.service.loaded import LoadedModel

LARGE = 100_000_000
ROWS = 10_000_000
PART = 1 << 16
SECONDS, CLIENTS = 6.0, 8


async def sent_until_answered(
    port: int, head: bytes, parts: Iterator[bytes], chunked: bool
) -> tuple[bytes, int]:
    """The status line of the answer to a body, and how much of the body was sent before it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    answer = asyncio.ensure_future(reader.readline())
    sent = 0
    try:
        for part in parts:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            await writer.drain()
            sent += len(part)
            await asyncio.sleep(0)
            if answer.done():
                break
    except ConnectionError:
        # The service has closed: its answer may be there nevertheless.
        pass
    try:
        return (await answer).strip(), sent
    except ConnectionError:
        return b"closed", sent
    finally:
        writer.close()


def head_of(length: int | None) -> bytes:
    """The head of a call with a body of so many bytes; None: it does not say how many."""
    size = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return (
        b"POST /v1/forecast HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n%b\r\n\r\n" % size
    )


def blanks(count: int) -> Iterator[bytes]:
    """So many bytes that say nothing."""
    for _ in range(count // PART):
        yield b" " * PART


def long_history(rows: int) -> Iterator[bytes]:
    """The body of one series of so many rows."""
    yield b'{"values": ['
    for _ in range(rows // 10_000):
        yield b"101.5, " * 10_000


def largest(process: psutil.Process) -> float:
    """Resident MB of the largest worker."""
    return max(each.memory_info().rss for each in processes_of(process)) / MEGABYTE


async def refused(
    port: int, process: psutil.Process, name: str, length: int | None, parts: Iterator[bytes]
) -> bool:
    """Whether a body is refused, with what was sent and how the memory grew."""
    before = largest(process)
    status, sent = await sent_until_answered(port, head_of(length), parts, length is None)
    print(
        f"{name}: {status.decode()} after {sent / MEGABYTE:.1f} MB; "
        f"the largest worker had {before:.0f} MB, now {largest(process):.0f} MB",
        flush=True,
    )
    return status.startswith(b"HTTP/1.1 413")


def killed(port: int, process: psutil.Process, request: bytes) -> bool:
    """Whether calls go on when a worker is killed in their midst, and another one replaces it."""
    workers = [each for each in process.children() if "spawn_main" in " ".join(each.cmdline())]

    async def during() -> tuple[int, int]:
        calls = asyncio.ensure_future(load(port, request, CLIENTS, SECONDS))
        await asyncio.sleep(SECONDS / 3)
        os.kill(workers[0].pid, signal.SIGKILL)
        result = await calls
        return len(result.seconds), result.failures

    answered, failures = asyncio.run(during())
    after = asyncio.run(load(port, request, CLIENTS, SECONDS / 3))
    alive = {each.pid for each in process.children()}
    print(
        f"kill -9 of a worker under {CLIENTS} clients: {answered} answered, {failures} connections "
        f"lost with it; then {len(after.seconds)} answered, {after.failures} lost",
        flush=True,
    )
    # Each client has one call at a time.
    return failures <= CLIENTS and not after.failures and workers[0].pid not in alive


def slow(port: int, large: bytes, small: bytes) -> bool:
    """Whether small calls are answered beside a large one that takes too long."""

    async def both() -> tuple[bytes, float]:
        begin = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(large)
        await writer.drain()
        answer = asyncio.ensure_future(reader.readline())
        result = await load(port, small, CLIENTS, 2.0)
        longest = max(result.seconds, default=float("inf"))
        status = (await answer).strip()
        print(
            f"a large call: {status.decode()} after {time.perf_counter() - begin:.1f} s; beside it "
            f"{len(result.seconds)} small ones, the slowest {1000 * longest:.0f} ms, "
            f"{result.failures} failures",
            flush=True,
        )
        writer.close()
        return status, longest

    status, _ = asyncio.run(both())
    return status.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))


def main() -> None:
    """Print what becomes of each fault."""
    parser = argparse.ArgumentParser(description="Try what a service makes of faults.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder.resolve()
    model = make_catalog([str(folder)]).served.of_kind(LoadedModel, None, ())
    body = forecast_example(model, HISTORY_ROWS)
    small = request_bytes("POST", "/v1/forecast", json.dumps(body).encode())
    # Offsets are read by pandas, series by series.
    odd = {**body, "timestamps": [f"{time[:19]}+00:00" for time in body["timestamps"]]}
    batch = {"series": [{**odd, "name": str(index)} for index in range(900)]}
    large = request_bytes("POST", "/v1/forecast", json.dumps(batch).encode())
    with service(folder, 2) as (port, process):
        wait_until_ready(port)
        asyncio.run(load(port, small, CLIENTS, 2.0))
        held = [
            asyncio.run(refused(port, process, *call))
            for call in (
                ("100 MB that says so", LARGE, blanks(LARGE)),
                ("100 MB that does not say so", None, blanks(LARGE)),
                ("10 million rows", None, long_history(ROWS)),
            )
        ]
        held.append(slow(port, large, small))
        held.append(killed(port, process, small))
    print(f"load {os.getloadavg()[0]:.1f}")
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
