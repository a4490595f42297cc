"""Whether a service that is told to end answers what it has accepted.

::

    python -m benchmarks.service_restarts FOLDER [--rounds 20] [--clients 16]

Each round starts a service, asks for forecasts over a new connection each, and sends SIGTERM in the
midst. The lines of the log say which calls were accepted; each of them must have come back whole.
Calls that find nobody listening are counted apart.
"""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.service import HISTORY_ROWS
from spline_lstm.service.catalog import make_catalog
from spline_lstm.service.examples import forecast_example
from spline_lstm.service.loaded import LoadedModel

ANSWERED, REFUSED, LOST = "answered", "nobody listens", "closed without an answer"


async def call(port: int, request: bytes) -> str:
    """One call over its own connection."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return REFUSED
    try:
        writer.write(request)
        await writer.drain()
        answer = await reader.read()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        return ANSWERED if length and len(body) == int(length) else LOST
    except ConnectionError:
        return LOST
    finally:
        writer.close()


async def calls(port: int, request: bytes, process: subprocess.Popen[str]) -> Counter[str]:
    """One call after the other, until the service has ended."""
    counts: Counter[str] = Counter()
    while process.poll() is None:
        counts[await call(port, request)] += 1
    return counts


async def end_in_the_midst(process: subprocess.Popen[str], port: int, request: bytes) -> None:
    """Send SIGTERM a while after the first answer."""
    while await call(port, request) != ANSWERED:
        await asyncio.sleep(0.1)
    await asyncio.sleep(random.uniform(0.5, 2))
    process.send_signal(signal.SIGTERM)


async def one_round(
    process: subprocess.Popen[str], port: int, request: bytes, clients: int
) -> Counter[str]:
    """Outcomes of all calls of one round, without those of `end_in_the_midst`."""
    first = end_in_the_midst(process, port, request)
    _, *found = await asyncio.gather(
        first, *(calls(port, request, process) for _ in range(clients))
    )
    return sum(found, Counter())


def main() -> None:
    """Print the outcomes of each round; exit status 1 if an accepted call was lost."""
    parser = argparse.ArgumentParser(description="End a service under load.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=16)
    arguments = parser.parse_args()
    model = make_catalog([str(arguments.folder.resolve())]).served.of_kind(LoadedModel, None, ())
    body = json.dumps(forecast_example(model, HISTORY_ROWS)).encode()
    request = (
        b"POST /v1/forecast HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    failed = 0
    for number in range(arguments.rounds):
        command = [sys.executable, "-m", "spline_lstm", "serve", str(arguments.folder)]
        log = Path(f"/tmp/service_restarts_{number}.log")
        with (
            log.open("w") as file,
            subprocess.Popen(
                [*command, "--port", "0", "--workers", "2", "--log", "json"],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            port = int(process.stdout.readline().split(":")[2].split("/")[0])
            counts = asyncio.run(one_round(process, port, request, arguments.clients))
        lines = [json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"]
        statuses = Counter(line["status"] for line in lines if "status" in line)
        log.unlink()
        cut = sum(count for status, count in statuses.items() if status != 200)
        # The calls of `end_in_the_midst` are in the log, too: all but one found nobody ready.
        unanswered = statuses[200] - counts[ANSWERED] - 1
        failed += process.returncode != 0 or cut > 0 or unanswered > 0
        print(
            f"round {number + 1}: exit code {process.returncode}, {dict(counts)}; accepted by the "
            f"log {dict(statuses)}, of these without an answer {max(unanswered, 0)}",
            flush=True,
        )
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
