"""A process that has imported the libraries and forks a child for each stage of an experiment.

Called as ``python fork_server.py DESCRIPTOR LIBRARIES AHEAD PROJECT``, with a socket that listens,
as JSON the libraries of each stage and the stages to expect after each, and the environment of the
stages. It imports the libraries of a stage when the first such stage comes, or before, while it
waits, and it starts neither JAX nor TensorFlow: a child is in the state of a new interpreter that
has got as far as these imports. PROJECT is the folder whose code all stages run, so that modules of
it may be among the libraries; with a file of it changed since, stages are declined. It is empty for
experiments, each of which has its own copy of the project. The children end with the client that
asked for them and with this process; this process ends when its standard input does and no child is
left.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, NoReturn

STARTED, DECLINED = b"started\n", b"declined\n"
# The project sets these before it imports TensorFlow, which reads them then.
TENSORFLOW = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_USE_LEGACY_KERAS": "1",
    "TF2ONNX_CATCH_ERRORS": "FALSE",
}
# Of the project.
PACKAGES = ("spline_lstm", "stages")
# Set by DVC and shells for each stage; no library reads them when it is imported.
OF_THE_STAGE = ("DVC", "PWD", "OLDPWD", "SHLVL", "_")
SECONDS_TO_ASK = 10.0
# New objects after which a stage looks for garbage among them; Python's 700 take a twentieth of its
# time.
YOUNG = 10_000
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def main(
    descriptor: int,
    libraries: Mapping[str, Sequence[str] | None],
    ahead: Mapping[str, Sequence[str]],
    project: str,
) -> None:
    """Serve until the standard input ends."""
    with socket.socket(fileno=descriptor) as listener:
        Server(listener, libraries, ahead, project).run()


def code_of(project: str) -> dict[str, tuple[int, int]]:
    """Path of each module of a project -> time of its last change and size."""
    found = {}
    for name in PACKAGES:
        for folder, _, files in os.walk(os.path.join(project, name)):
            for path in (os.path.join(folder, file) for file in files if file.endswith(".py")):
                # What editors leave beside a file may lead to nothing, or just be gone.
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(path)
                    found[path] = status.st_mtime_ns, status.st_size
    return found


def import_all(libraries: Sequence[str]) -> None:
    """Import modules, without the warnings that they have for their own developers."""
    if not libraries:
        return
    os.environ.update(TENSORFLOW)
    # Modules stay: to look for garbage again and again meanwhile takes a quarter of the time.
    gc.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for name in libraries:
                importlib.import_module(name)
        finally:
            # What is there now is not looked at again by the garbage collector of any child.
            gc.freeze()
            gc.enable()


@contextlib.contextmanager
def before_each_module(act: Callable[[], object]) -> Iterator[None]:
    """Inside, call `act` before a module is imported for the first time."""

    class Finder:
        """Finds no module."""

        @staticmethod
        def find_spec(*_: object) -> None:
            act()

    finder: Any = Finder
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class Server:
    """Waits for clients, for children that end, and for the end of the driver.

    Parameters
    ----------
    listener : socket.socket
    libraries : mapping
        Module of a stage, or "" for all of them -> modules to import before the first such stage
        starts; None for a stage that is declined. So is one whose library cannot be imported, and
        one whose environment is not that of this process, since a library may read it when it is
        imported.
    ahead : mapping
        Module of a stage, or "" before the first one -> stages whose libraries are imported then.
    project : str
        Folder of the only code that stages run, which may be imported with the libraries; "": each
        has its own.
    """

    def __init__(
        self,
        listener: socket.socket,
        libraries: Mapping[str, Sequence[str] | None],
        ahead: Mapping[str, Sequence[str]],
        project: str,
    ) -> None:
        self._listener = listener
        self._libraries = dict(libraries)
        self._ahead = dict(ahead)
        self._project = project
        if project:
            # Before any of it is imported, and first, as where `python -m` looks for it.
            self._code = code_of(project)
            sys.path.insert(0, project)
        self._wanted: deque[str] = deque()
        self._environment = dict(os.environ)
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, tuple[int, socket.socket]] = {}
        self._open = True

    def run(self) -> None:
        """Serve until the driver and all children have ended."""
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(sys.stdin, selectors.EVENT_READ, self._driver_ended)
        self._expect("")
        self._import_ahead()
        # An import may have seen the end of both: then nothing is left to wait for.
        while self._open or self._children:
            for key, _ in self._selector.select():
                key.data()
            self._import_ahead()

    def _expect(self, stage: str) -> None:
        """Want what the stages that are likely after another one import."""
        for after in self._ahead.get(stage, ()):
            self._wanted.extend(self._libraries.get(after) or ())

    def _import_ahead(self) -> None:
        """Import what is wanted, until a client comes."""
        with before_each_module(self._attend):
            while self._wanted and self._open and self._attend():
                # A library that cannot be imported is left to the stage that needs it.
                with contextlib.suppress(Exception):
                    import_all([self._wanted.popleft()])

    def _attend(self) -> bool:
        """Do what cannot wait for the end of an import; whether no client waits to be served.

        A child must not start in the middle of an import, since it would have half a module.
        """
        ready = [key for key, _ in self._selector.select(0)]
        for key in ready:
            if key.fileobj is not self._listener:
                key.data()
        return all(key.fileobj is not self._listener for key in ready)

    def _driver_ended(self) -> None:
        self._selector.unregister(sys.stdin)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._open = False

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(SECONDS_TO_ASK)
        try:
            request, descriptors = receive(connection)
        except (OSError, ValueError):
            connection.close()
            return
        if self._is_strange(request) or not self._prepared(request["arguments"][1]):
            _send(connection, DECLINED)
            connection.close()
        else:
            self._fork(connection, request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    def _is_strange(self, request: Mapping[str, Any]) -> bool:
        """Whether a stage has another environment or other code than what is imported here."""
        if differing(request["environment"], self._environment):
            return True
        if not self._project:
            return False
        return request["cwd"] != self._project or code_of(self._project) != self._code

    def _prepared(self, stage: str) -> bool:
        """Import what a stage needs; False: decline it, since its own process says what fails."""
        for name in ("", stage):
            libraries = self._libraries.pop(name, ())
            try:
                import_all(libraries or ())
            except Exception:
                traceback.print_exc()
                libraries = None
            if libraries is None:
                self._libraries[name] = None
                return False
        return True

    def _fork(
        self, connection: socket.socket, request: Mapping[str, Any], descriptors: Sequence[int]
    ) -> None:
        server = os.getpid()
        with warnings.catch_warnings():
            # Of several threads: those of OpenBLAS, which starts them again in the child.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            end_with(server)
            self._close_all()
            connection.close()
            if self._project:
                sys.path.remove(self._project)
            become(request, descriptors)
        ended = os.pidfd_open(child)
        self._children[ended] = child, connection
        self._selector.register(ended, selectors.EVENT_READ, lambda: self._child_ended(ended))
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._client_spoke(ended))
        _send(connection, STARTED)
        self._expect(request["arguments"][1])

    def _close_all(self) -> None:
        """Close, in a child, what belongs to the server and to other children."""
        self._selector.close()
        self._listener.close()
        for ended, (_, connection) in self._children.items():
            os.close(ended)
            connection.close()

    def _client_spoke(self, ended: int) -> None:
        """Interrupt the child of a client that was interrupted; kill that of one that is gone."""
        if ended not in self._children:
            return
        child, connection = self._children[ended]
        if _is_open(connection):
            os.kill(child, signal.SIGINT)
        else:
            self._selector.unregister(connection)
            os.kill(child, signal.SIGKILL)

    def _child_ended(self, ended: int) -> None:
        child, connection = self._children.pop(ended)
        _, status = os.waitpid(child, 0)
        self._selector.unregister(ended)
        os.close(ended)
        with contextlib.suppress(KeyError):  # Its client has ended before.
            self._selector.unregister(connection)
        _send(connection, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        connection.close()


def _is_open(connection: socket.socket) -> bool:
    """Whether the other end, which was heard of, is there: it sent something."""
    try:
        return bool(connection.recv(64))
    except OSError:
        return False


def _send(connection: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):  # The client is gone.
        connection.sendall(answer)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A client's request and its standard input, output and error."""
    head, descriptors, _, _ = socket.recv_fds(connection, 8, 3)
    left, content = int.from_bytes(head, "big"), b""
    while left > len(content):
        part = connection.recv(left - len(content))
        if not part:
            raise ValueError("the client ended before its request")
        content += part
    return json.loads(content), descriptors


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names of variables that are not the same in both, those of the stage left out.

    >>> differing({"A": "1", "DVC_STAGE": "window"}, {"A": "2", "B": "1"})
    ['A', 'B']
    """
    return sorted(
        name
        for name in {**one, **other}
        if one.get(name) != other.get(name)
        and name not in OF_THE_STAGE
        and not name.startswith(OF_THE_STAGE[0])
    )


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def become(request: Mapping[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Turn this child into ``python -m MODULE ARGUMENT...``, and end as that does."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    _, module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    gc.set_threshold(YOUNG)
    sys.path.insert(0, request["cwd"])
    # It runs anew, as __main__; what it imports is there.
    sys.modules.pop(module, None)
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = status_of(end.code, sys.stderr)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            # Where the stage was when Ctrl-C came is of no use to anybody.
            status = -signal.SIGINT
        else:
            status = 1
            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        if status < 0:
            signal.signal(-status, signal.SIG_DFL)
            os.kill(os.getpid(), -status)
        os._exit(status)


def status_of(code: object, stream: IO[str]) -> int:
    """Exit status that Python gives for the argument of SystemExit; a text is written.

    >>> status_of(None, sys.stdout), status_of(12, sys.stdout), status_of("no table", sys.stdout)
    no table
    (0, 12, 1)
    """
    if code is None or isinstance(code, int):
        return int(code or 0) & 0xFF
    print(code, file=stream)
    return 1


if __name__ == "__main__":
    # The folder of this file is on the path, but no module is to be found there.
    del sys.path[0]
    main(int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4])
