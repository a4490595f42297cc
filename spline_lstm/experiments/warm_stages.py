"""Stages that start at once: the libraries are imported once for all of them.

The stages of a pipeline import the same libraries again and again. While a comparison or ``make
repro`` runs, the first ``python`` on the PATH of DVC is a script that gives stages to a fork server
(`fork_server.py`); dvc.yaml, DVC and the stages know nothing of it. Elsewhere than on Linux, and if
the server does not start or does not answer, the stages are processes as usual.

``python -m spline_lstm.experiments.warm_stages COMMAND...`` runs a command so, and ends as it ends.
"""

import importlib.util
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spline_lstm.core.blas import limit_blas_threads
from spline_lstm.core.errors import UsageError, report
from spline_lstm.experiments.fork_client import SOCKET
from spline_lstm.experiments.warm_libraries import AHEAD, LIBRARIES, with_code

FOLDER = Path(".git/warm")
# Its memory is measured, in which that of the server would be.
OF_ITS_OWN = "stages.benchmark"
HERE = Path(__file__).parent


@contextmanager
def warm_stages(
    clone: Path,
    environment: Mapping[str, str],
    libraries: Mapping[str, Sequence[str] | None] = LIBRARIES,
    ahead: Mapping[str, Sequence[str]] = MappingProxyType({}),
    project: str = "",
) -> Iterator[dict[str, str]]:
    """Run a fork server; the environment in which stages come from it.

    Parameters
    ----------
    clone : Path
        Where the experiments run. The server's files lie in its .git/: git does not see them, and
        they are removed with it.
    environment : mapping
        Of the experiments. With the mark of the clone in it, `end_marked` ends the server, too.
    libraries : mapping
        Module of a stage, or "" for all of them -> modules that the server imports for it; None for
        a stage that is a plain process.
    ahead : mapping
        Module of a stage, or "" before the first one -> stages whose libraries the server imports
        then. By default each waits for its stage.
    project : str
        Folder of the code that all stages run, which may be among the libraries; "": each stage has
        its own.
    """
    if sys.platform != "linux":
        yield dict(environment)
        return
    folder = (clone / FOLDER).resolve()
    folder.mkdir(parents=True)
    client = [sys.executable, "-IS", str(HERE / "fork_client.py"), sys.executable, str(folder)]
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n', encoding="utf-8")
    script.chmod(0o700)
    told = [*(json.dumps(dict(each)) for each in (libraries, ahead)), project]
    warm = dict(environment) | {"PATH": f"{folder}:{environment.get('PATH', '')}"}
    with (folder / "log").open("w") as log, _listener(folder) as listener:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, str(HERE / "fork_server.py"), str(listener.fileno()), *told],
            cwd=clone,
            env=warm,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
        )
    try:
        yield warm
    finally:
        server.kill()
        server.communicate()


def _listener(folder: Path) -> socket.socket:
    """A socket in a folder, reached through its descriptor: a path may have 107 bytes at most."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"/proc/self/fd/{place}/{SOCKET}")
    finally:
        os.close(place)
    listener.listen()
    return listener


def run_warm(command: Sequence[str]) -> int:
    """Run a command whose stages come from a fork server; its exit status, as shells give it.

    Ctrl-C reaches the command from the terminal, and through its client the stage. Here it is not
    an end: what the command does about it is waited for. SIGTERM comes to this process alone, so it
    is passed on.
    """
    limit_blas_threads()
    project = os.getcwd()
    with (
        handled(signal.SIGINT, lambda number, frame: None),
        tempfile.TemporaryDirectory() as folder,
        warm_stages(
            Path(folder), os.environ, {**with_code(), OF_ITS_OWN: None}, AHEAD, project
        ) as environment,
    ):
        process = subprocess.Popen(quick(command), env=environment)  # noqa: S603
        with handled(signal.SIGTERM, lambda number, frame: process.send_signal(number)):
            status = process.wait()
    return 128 - status if status < 0 else status


def quick(command: Sequence[str]) -> list[str]:
    """The command, ``dvc`` as `quick_dvc` if it is installed beside this interpreter."""
    name, *arguments = command
    if name != "dvc" or importlib.util.find_spec("dvc") is None:
        return [*command]
    return [sys.executable, str(HERE / "quick_dvc.py"), *arguments]


@contextmanager
def handled(number: signal.Signals, handler: Callable[[int, Any], object]) -> Iterator[None]:
    """Inside, a signal is given to `handler`."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def main(command: Sequence[str]) -> int:
    """Run a command, or say in one line why there is none to run; its exit status."""
    if not command:
        return report(UsageError("no command; name the one to run, such as dvc repro"))
    if shutil.which(command[0]) is None:
        return report(UsageError(f"{command[0]}: no such command; name one, such as dvc repro"))
    return run_warm(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
