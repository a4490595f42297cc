"""Start the worker processes of a service on one socket."""

import multiprocessing
import os
import socket
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import uvicorn
from uvicorn.supervisors import Multiprocess

from spline_lstm.service.errors import ServiceError
from spline_lstm.service.logs import configure_logs
from spline_lstm.service.settings import Settings

APPLICATION = "spline_lstm.service.app:application"
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
BACKLOG = 2048


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
    with _listen(place) as listener, tempfile.TemporaryDirectory(prefix="spline-lstm-") as metrics:
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
            ws="none",
            lifespan="on",
            # A call ends by its own limit, so that an accepted one is never cut.
            timeout_graceful_shutdown=int(settings.timeout) + 5,
        )
        host, port = listener.getsockname()[:2]
        sys.stdout.write(f"http://{f'[{host}]' if ':' in host else host}:{port}/docs\n")
        sys.stdout.flush()
        Multiprocess(config, sockets=[listener]).run()


def _listen(place: Place) -> socket.socket:
    """A socket on which nothing else listens."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((place.host, place.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServiceError(
            f"cannot listen on {place.host} port {place.port} ({error.strerror or error}); stop "
            "what does, or give another --host or --port"
        ) from None
    listener.set_inheritable(True)
    return listener


def _check(settings: Settings) -> None:
    """Load the models once in a process that ends again, so that what is wrong is said once."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(_load, settings).result()


def _load(settings: Settings) -> None:
    # Here, so that the supervising process stays small.
    from spline_lstm.service.catalog import make_catalog  # noqa: PLC0415

    make_catalog(settings.folders)
