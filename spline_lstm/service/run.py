"""Start the worker processes of a service on one port.

On Linux each worker listens by a socket of its own, among which the kernel spreads connections.
With one socket for all, whichever worker woke up first took all connections of a burst, and as
clients keep theirs, the others had nothing to do from then on.
"""

import multiprocessing
import os
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from spline_lstm.service.errors import ServiceError
from spline_lstm.service.logs import configure_logs
from spline_lstm.service.settings import Settings

APPLICATION = "spline_lstm.service.app:application"
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
BACKLOG = 2048
# Elsewhere connections are not spread among sockets of one port.
HAS_OWN_SOCKETS = sys.platform == "linux"
# Seconds for a worker to answer its supervisor.
WORKER_PATIENCE = 60
# Seconds between two tries to reach a service that starts.
POLL = 0.02


@dataclass(frozen=True)
class Place:
    """Where a service listens.

    Attributes
    ----------
    host : str
    port : int
        0: a free one.
    workers : int
        Processes.
    """

    host: str
    port: int
    workers: int


def serve(settings: Settings, place: Place) -> None:
    """Serve until SIGTERM or SIGINT; accepted calls are finished.

    Raises
    ------
    ServiceError
        The port is in use, or the host is not one of this machine.
    SplineLstmError
        A model cannot be loaded.
    """
    with _reserve(place) as listener, tempfile.TemporaryDirectory(prefix="spline-lstm-") as metrics:
        settings.to_environment()
        # Workers count in files of this folder, which /metrics adds up.
        os.environ[METRICS_VARIABLE] = metrics
        # One thread a worker: more would fight for the same cores.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        _check(settings)
        configure_logs(as_json=settings.json_logs)
        config = uvicorn.Config(
            APPLICATION,
            factory=True,
            workers=place.workers,
            log_config=None,
            access_log=False,
            server_header=False,
            # No answer depends on who asks.
            proxy_headers=False,
            backlog=BACKLOG,
            ws="none",
            lifespan="on",
            # A call ends by its own limit, so that an accepted one is never cut.
            timeout_graceful_shutdown=int(settings.timeout) + 5,
            # The supervisor kills a worker that does not answer it. While it starts on a busy
            # machine it may not for longer than uvicorn's 5 s, and would be killed again and again.
            timeout_worker_healthcheck=WORKER_PATIENCE,
        )
        threading.Thread(target=_announce, args=(listener,), daemon=True).start()
        Multiprocess(config, sockets=[listener]).run()


class _Port(socket.socket):
    """A port that this process has, without listening; a worker gets a socket of its own for it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _own_socket, (self.family, self.getsockname())


def _own_socket(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    """A socket of a worker, which begins to listen when its models are loaded."""
    own = socket.socket(family, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind(address)
    return own


def _reserve(place: Place) -> socket.socket:
    """A socket for a port that nothing else has."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = (_Port if HAS_OWN_SOCKETS else socket.socket)(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((place.host, place.port))
        if HAS_OWN_SOCKETS:
            # Set only now: from here on workers may share the port, and another service may not.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        else:
            listener.listen(BACKLOG)
            listener.set_inheritable(True)
    except OSError as error:
        listener.close()
        raise ServiceError(
            f"cannot listen on {place.host} port {place.port} ({error.strerror or error}); stop "
            "what does, or give another --host or --port"
        ) from None
    return listener


def _announce(listener: socket.socket) -> None:
    """Print the address as soon as a worker can be reached there."""
    address = listener.getsockname()
    while not _is_reached(listener.family, address):
        time.sleep(POLL)
    host, port = address[:2]
    sys.stdout.write(f"http://{f'[{host}]' if ':' in host else host}:{port}/docs\n")
    sys.stdout.flush()


def _is_reached(family: socket.AddressFamily, address: tuple[Any, ...]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        return client.connect_ex(address) == 0


def _check(settings: Settings) -> None:
    """Load the models once in a process that ends again, so that what is wrong is said once."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(_load, settings).result()


def _load(settings: Settings) -> None:
    # Here, so that the supervising process stays small.
    from spline_lstm.service.catalog import make_catalog  # noqa: PLC0415

    make_catalog(settings.folders)
