"""What stands in for ``python`` in an experiment: gives stages to the fork server.

Called as ``python -IS fork_client.py INTERPRETER FOLDER ARGUMENT...``, once per command of a stage,
so it imports the standard library alone. Other commands go to the interpreter as if this file were
not there, and so does a stage, if there is any trouble before it has begun.
"""

import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence

SOCKET = "socket"
STARTED = b"started\n"
# Exit status, as of an internal software error in sysexits.h, if the server ends before the stage.
SERVER_GONE = 70


def main(interpreter: str, folder: str, arguments: Sequence[str]) -> None:
    """End as the command would end."""
    try:
        status = hand_over(folder, arguments) if is_stage(arguments) else None
    except KeyboardInterrupt:
        # Before the stage has begun. The server kills the stage of a client that is gone.
        status = -signal.SIGINT
    if status is None:
        os.execv(interpreter, [interpreter, *arguments])  # noqa: S606
    end_like(status)


def is_stage(arguments: Sequence[str]) -> bool:
    """Whether a command runs a module of stages/.

    >>> is_stage(["-m", "stages.window", "."]), is_stage(["-m", "spline_lstm"]), is_stage(["-m"])
    (True, False, False)
    """
    return len(arguments) > 1 and arguments[0] == "-m" and arguments[1].startswith("stages.")


def hand_over(folder: str, arguments: Sequence[str]) -> int | None:
    """Return code of the stage, negative if a signal ended it; None if the server did not start it.

    Parameters
    ----------
    folder : str
        Where the socket lies. It is opened through the folder's descriptor, since a path to a
        socket has at most 107 bytes.
    arguments : sequence of str
        What follows ``python`` in the command.
    """
    request = {"arguments": [*arguments], "cwd": os.getcwd(), "environment": dict(os.environ)}
    content = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            connection.connect(f"/proc/self/fd/{place}/{SOCKET}")
            socket.send_fds(connection, [len(content).to_bytes(8, "big")], [0, 1, 2])
            connection.sendall(content)
            answer = connection.makefile("rb")
            if answer.readline() != STARTED:
                return None
            # The stage is in another session, which Ctrl-C does not reach: it is told.
            signal.signal(signal.SIGINT, lambda *_: connection.sendall(b"\n"))
        except OSError:
            return None
        status = answer.readline()
    if not status:
        print("the fork server ended before the stage", file=sys.stderr)  # noqa: T201
        return SERVER_GONE
    return int(status)


def end_like(status: int) -> None:
    """Exit with a status, or by the signal that ended the stage."""
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # The stage has left its own.
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
