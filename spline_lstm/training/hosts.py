"""One training by several processes: `train.hosts` on this machine, or one on each of several.

All of them run the same steps on their share of each batch (JAX's own sharding over
`jax.distributed`, by gloo on CPUs and NCCL on GPUs), so all of them have the weights; the first one
writes them. If one is lost, all end: here, because the process that started them ends them; on
several machines, because each misses its heartbeat. The run then resumes from the checkpoint.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from spline_lstm.core.errors import UsageError, WorkerError
from spline_lstm.training.checkpoints import Checkpoint

# What the environment of a process of a training says.
COORDINATOR, HOST, HOSTS = "SPLINE_LSTM_COORDINATOR", "SPLINE_LSTM_HOST", "SPLINE_LSTM_HOSTS"
# Seconds after which a process without a heartbeat counts as lost.
HEARTBEAT = 10
POLL = 0.2


@dataclass(frozen=True)
class Place:
    """Which process of a training this is.

    Attributes
    ----------
    host, hosts : number of this process, from 0, and how many there are
    coordinator : address and port at which the first one listens; empty: there is one process
    """

    host: int = 0
    hosts: int = 1
    coordinator: str = ""

    @classmethod
    def of_environment(cls) -> "Place":
        """From the variables that a launcher sets.

        Raises
        ------
        UsageError
            They do not say which of how many processes this is.
        """
        address = os.environ.get(COORDINATOR, "")
        if not address:
            return cls()
        try:
            host, hosts = int(os.environ[HOST]), int(os.environ[HOSTS])
        except (KeyError, ValueError):
            host, hosts = -1, 0
        if not 0 <= host < hosts:
            raise UsageError(
                f"{COORDINATOR} is set: {HOSTS} must be the number of processes, and {HOST} that "
                "of this one, from 0"
            )
        return cls(host, hosts, address)

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.host == 0

    def join(self, devices: int) -> None:
        """Connect to the others, before the first array is made.

        Parameters
        ----------
        devices : int
            Of all processes together; each has its share of them. It counts on a CPU only.
        """
        if self.hosts == 1:
            return
        jax.config.update("jax_num_cpu_devices", devices // self.hosts)
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(
            self.coordinator,
            num_processes=self.hosts,
            process_id=self.host,
            # JAX would listen on every interface.
            coordinator_bind_address=self.coordinator,
            heartbeat_timeout_seconds=HEARTBEAT,
        )

    def leave(self) -> str:
        """Wait for the others, because one that ends before counts as lost; what this one is."""
        if self.hosts > 1:
            jax.distributed.shutdown()
        return f"process {self.host} of {self.hosts}"


class ReadOnly(Checkpoint):
    """A checkpoint that the first process writes."""

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "ReadOnly":
        """The same file."""
        return cls(checkpoint.folder, checkpoint.content_id)

    def write(self, arrays: Mapping[str, np.ndarray], progress: Mapping[str, Any]) -> None:
        """Leave it to the first process."""

    def clear(self) -> None:
        """Leave it to the first process."""


def launch(module: str, folder: Path, hosts: int, *, resume: bool) -> str:
    """Run a stage as `hosts` processes of this machine, on loopback.

    Raises
    ------
    WorkerError
        A process was killed; the others are ended.
    SystemExit
        One ended with an error, which it has said; its exit code.
    """
    command = [sys.executable, "-m", module, str(folder), *(["--resume"] if resume else [])]
    with _reserved_port() as port:
        address = f"127.0.0.1:{port}"
        processes = [
            subprocess.Popen(  # noqa: S603 - the interpreter and module of this process
                command,
                env={**os.environ, COORDINATOR: address, HOST: str(host), HOSTS: str(hosts)},
            )
            for host in range(hosts)
        ]
        _wait_for(processes)
    return f"by {hosts} processes of this machine"


def _wait_for(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until all have ended; with the first that fails, all are ended."""
    try:
        while any(process.poll() is None for process in processes):
            failed = [number for number, each in enumerate(processes) if each.poll()]
            if failed:
                _end(failed[0], processes[failed[0]].returncode)
            time.sleep(POLL)
        for number, process in enumerate(processes):
            if process.returncode:
                _end(number, process.returncode)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _end(host: int, code: int) -> None:
    if code > 0:
        sys.exit(code)
    raise WorkerError(
        f"process {host} of the training was killed (signal {-code}), and the others were ended; "
        "start the stage again: it resumes after the last evaluation"
    )


@contextlib.contextmanager
def _reserved_port() -> Iterator[int]:
    """A free port, which no other program gets before the first process listens there.

    That takes seconds. Meanwhile the port is bound here, without listening; JAX shares its port.
    """
    with socket.socket() as reserved:
        if sys.platform == "linux":
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        if sys.platform != "linux":
            # Elsewhere it is not certain that the listener would get the connections.
            reserved.close()
        yield port
