"""The engine `ray`: jobs as plain tasks of a Ray cluster, the extra ``cluster``.

Without RAY_ADDRESS, or with an empty one, a cluster of this machine is started for the work and
ended after it. All its sockets listen on loopback; Ray's own default is every interface. With
RAY_ADDRESS the tasks run in that cluster, whose machines need this package at the same version.
Beyond loopback a cluster must have a token (RAY_AUTH_MODE=token), because whoever reaches its port
can run code on it.
"""

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from spline_lstm.core.errors import MissingPackageError, ParamsError
from spline_lstm.core.parallel import (
    RETRIES,
    WORKER_ENVIRONMENT,
    Pool,
    Work,
    attempt,
    lost,
    worker_environment,
)

ADDRESS, AUTH_MODE = "RAY_ADDRESS", "RAY_AUTH_MODE"
# Ray reads it at its import. The name is of another use: with 0, every socket is on loopback.
LOOPBACK = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
# Seconds; Ray itself tries for a minute or more, and says nothing meanwhile.
MOST_WAIT = 5.0
# What Ray takes in the place of an address.
NAMES = ("auto", "local")
NO_STATISTICS = ("RAY_USAGE_STATS_ENABLED", "0")


def import_ray() -> ModuleType:
    """The package, told before its import where to listen.

    Raises
    ------
    MissingPackageError
        Ray is not installed.
    ParamsError
        RAY_ADDRESS is not an address, or without a token it is a name or beyond loopback.
    """
    address = os.environ.get(ADDRESS, "")
    if address and not is_address(address):
        raise ParamsError(
            f"{ADDRESS} {address} is not the address of a cluster: give HOST:PORT (127.0.0.1:6379 "
            f"of one here), or unset {ADDRESS} for a cluster of this machine alone"
        )
    os.environ.setdefault(*NO_STATISTICS)
    if not address or is_loopback(address):
        os.environ.setdefault(*LOOPBACK)
    elif os.environ.get(AUTH_MODE) != "token":
        raise ParamsError(_without_token(address))
    try:
        import ray  # noqa: PLC0415 - an extra
        import ray.exceptions  # noqa: PLC0415
    except ImportError:
        raise MissingPackageError(
            "run.executor ray needs Ray, which is not installed; call `make env-all`, or "
            "pip install 'spline-lstm[cluster]', or set run.executor to local"
        ) from None
    return ray


def _without_token(address: str) -> str:
    """Why a cluster without a token is refused."""
    token = f"start the cluster with {AUTH_MODE}=token and set it here, too (docs/scaling.md)"
    if "://" not in address.removeprefix("ray://") and host_and_port(address)[0]:
        return f"{ADDRESS} {address} is beyond this machine: {token}"
    return (
        f"{ADDRESS} {address} is a name of Ray's own, which does not say on which machine the "
        f"cluster is: give HOST:PORT (127.0.0.1:6379 of one here), or unset {ADDRESS} for a "
        f"cluster of this machine alone, or {token}"
    )


def is_address(address: str) -> bool:
    """Whether a text is HOST:PORT, an address with a scheme such as ray://, or a name of Ray's own.

    >>> [is_address(text) for text in ("10.0.0.4:6379", "ray://10.0.0.4:10001", "auto", "nonsense")]
    [True, True, True, False]
    """
    return address in NAMES or ":" in address


def is_loopback(address: str) -> bool:
    """Whether a cluster's address is of this machine only.

    >>> [is_loopback(text) for text in ("127.0.0.1:6379", "localhost:1", "10.0.0.4:6379", "auto")]
    [True, True, False, False]
    """
    host = host_and_port(address)[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(address: str) -> tuple[str, str]:
    """The two parts of a cluster's address; no host if it is a name of Ray's own, such as auto.

    >>> [host_and_port(text) for text in ("ray://10.0.0.4:10001", "[::1]:6379", "auto")]
    [('10.0.0.4', '10001'), ('::1', '6379'), ('', 'auto')]
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    return host.strip("[]"), port


def check_answers(address: str) -> None:
    """Raise ParamsError if nothing listens at the address of a cluster."""
    host, port = host_and_port(address)
    if not host or "://" in address.removeprefix("ray://"):
        return
    try:
        socket.create_connection((host, int(port)), timeout=MOST_WAIT).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ParamsError(
            f"{ADDRESS} {address}: no cluster answers there ({error}); start it (ray start "
            f"--head), correct the address, or unset {ADDRESS} for a cluster of this machine"
        ) from None


@contextlib.contextmanager
def session(workers: int) -> Iterator[ModuleType]:
    """A connection to the cluster of RAY_ADDRESS, or to one that is started on this machine.

    A connection that the process already has is used and kept.

    Raises
    ------
    ParamsError
        No cluster answers at RAY_ADDRESS, or as in `import_ray`.
    MissingPackageError
        Ray is not installed.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address := os.environ.get(ADDRESS):
        check_answers(address)
        options["runtime_env"] = {"env_vars": WORKER_ENVIRONMENT}
    else:
        # Named, because an empty RAY_ADDRESS would be taken for one.
        options |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
    # A cluster of this machine inherits it.
    with worker_environment():
        ray.init(**options)
    try:
        yield ray
    finally:
        ray.shutdown()


class RayPool:
    """Tasks of a cluster: one CPU each; a lost worker's task is run again."""

    def __init__(self, ray: ModuleType, work: Work[Any, Any]) -> None:
        self._ray, self._work = ray, work
        calls = {"max_calls": 1} if work.is_fresh else {}
        self._task = ray.remote(num_cpus=1, max_retries=RETRIES, **calls)(attempt)
        self._running: dict[Any, int] = {}

    def submit(self, number: int) -> None:
        """Start a task."""
        task = self._task.remote(self._work.function, self._work.jobs[number])
        self._running[task] = number

    def finished(self) -> list[tuple[int, Any]]:
        """Wait for a task."""
        errors = self._ray.exceptions
        (task,), _ = self._ray.wait([*self._running], num_returns=1)
        number = self._running.pop(task)
        try:
            return [(number, self._ray.get(task))]
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError):
            raise lost(self._work.names[number]) from None

    def close(self) -> None:
        """Cancel what runs."""
        for task in self._running:
            self._ray.cancel(task, force=True)


@contextlib.contextmanager
def ray_tasks(work: Work[Any, Any], workers: int) -> Iterator[Pool]:
    """The pool of the engine `ray`."""
    with session(workers) as ray:
        pool = RayPool(ray, work)
        try:
            yield pool
        finally:
            pool.close()
