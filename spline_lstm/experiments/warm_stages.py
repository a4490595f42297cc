"""Stages of experiments that start at once: the libraries are imported once for all of them.

An experiment of seven stages imports the same libraries again and again. While a comparison runs,
the first ``python`` on the PATH of its experiments is a script that gives stages to a fork server
(`fork_server.py`); dvc.yaml, DVC and the stages know nothing of it. Elsewhere than on Linux, and if
the server does not start or does not answer, the stages are processes as usual.
"""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from spline_lstm.experiments.fork_client import SOCKET
from spline_lstm.experiments.fork_server import LIBRARIES

FOLDER = Path(".git/warm")
HERE = Path(__file__).parent


@contextmanager
def warm_stages(
    clone: Path, environment: Mapping[str, str], libraries: Sequence[str] = LIBRARIES
) -> Iterator[dict[str, str]]:
    """Run a fork server; the environment in which stages come from it.

    Parameters
    ----------
    clone : Path
        Where the experiments run. The server's files lie in its .git/: git does not see them, and
        they are removed with it.
    environment : mapping
        Of the experiments. With the mark of the clone in it, `end_marked` ends the server, too.
    libraries : sequence of str
        Modules that the server imports.
    """
    if sys.platform != "linux":
        yield dict(environment)
        return
    folder = (clone / FOLDER).resolve()
    folder.mkdir()
    client = [sys.executable, "-IS", str(HERE / "fork_client.py"), sys.executable, str(folder)]
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n', encoding="utf-8")
    script.chmod(0o700)
    warm = dict(environment) | {"PATH": f"{folder}:{environment.get('PATH', '')}"}
    with (folder / "log").open("w") as log, _listener(folder) as listener:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, str(HERE / "fork_server.py"), str(listener.fileno()), *libraries],
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
