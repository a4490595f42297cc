"""Compiled programs by what they are made from: a second process neither traces nor compiles them.

JAX's own cache names a program by its instructions, which it has only after tracing and lowering:
half of the CPU time of a short training. Here the name is known before. It has all that a program
is made from: the code of the project and its libraries, the kind of CPU and the options of the
compiler, the settings that the caller names, and the shapes of the arguments. So a program from the
store is the one that would be compiled. The name leads to another one, of the instructions, so that
pipelines whose columns have other names share what is compiled. The store lies in JAX's cache, and
is trusted as that is: both hold machine code.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax
import jax
import jaxlib
import numpy as np
import optax
from jax.experimental.serialize_executable import deserialize_and_load, serialize
from numpy._core import _multiarray_umath  # pyright: ignore[reportAttributeAccessIssue]

from spline_lstm.core.artifacts import content_id, write_bytes

PACKAGE = Path(__file__).parents[1]
# What the functions of a program are written in; a test compares this with what they import.
CODE = ("core", "models", "training", "windows")
LIBRARIES = (jax, jaxlib, flax, optax, np)
# They are read when a program is compiled.
VARIABLES = ("XLA_FLAGS", "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL")
# Parts of the names of JAX's settings that change no program: where it keeps files, what it logs.
NOT_OF_PROGRAMS = ("cache", "log", "dump", "traceback", "timeout", "thread_guard")
DIGEST = 32
# The programs that this process used last, by path: the folds of a backtest share theirs.
RECENT: dict[Path, Callable[..., Any]] = {}
MOST_RECENT = 8


class StoredProgram:
    """A function that is compiled when it is first called, or taken from the store.

    Parameters
    ----------
    function : callable
        Of pytrees of arrays.
    content : str
        All that `function` is made from, besides the code of this project; with the same content
        it must be the same function. None: not known, so that it is not stored.
    options : mapping
        Of XLA.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        content: str | None,
        options: Mapping[str, int] | None = None,
    ) -> None:
        self._jitted = jax.jit(function, compiler_options=dict(options) if options else None)
        self._content = content and content_id(function.__qualname__, content, dict(options or {}))
        self._ready: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns."""
        folder = self._folder()
        if folder is None:
            return self._jitted(*arguments)
        key = _shapes(arguments)
        if key not in self._ready:
            self._prepared(folder, key, arguments)()
        return self._ready[key](*arguments)

    def prepare(self, *arguments: Any) -> Callable[[], None] | None:
        """Find the program for such arguments, or trace it; what is returned compiles it then.

        Tracing holds Python's lock, compiling leaves it to other threads. None: the program is
        there, or there is no store, and so it is traced and compiled by the call.
        """
        folder, key = self._folder(), _shapes(arguments)
        if folder is None or key in self._ready:
            return None
        compile_it = self._prepared(folder, key, arguments)
        return None if key in self._ready else compile_it

    def _folder(self) -> Path | None:
        return store() if self._content else None

    def _prepared(self, folder: Path, key: Any, arguments: tuple[Any, ...]) -> Callable[[], None]:
        tree, shapes = key
        path = folder / content_id(self._content or "", surroundings(), f"{tree} {shapes}")

        def keep(program: Callable[..., Any]) -> None:
            self._ready[key] = RECENT[path] = program
            # Listed at once: another thread may add one meanwhile, or have removed the same one.
            for oldest in list(RECENT)[:-MOST_RECENT]:
                RECENT.pop(oldest, None)

        program = RECENT.pop(path, None) or read(path, arguments)
        if program is not None:
            keep(program)
            return lambda: None
        lowered = self._jitted.lower(*arguments)
        return lambda: keep(compile_once(path, lowered, arguments))

    def shapes(self, *arguments: Any) -> Any:
        """What the function returns of such arguments, as `jax.ShapeDtypeStruct`."""
        return self._jitted.eval_shape(*arguments)


def store() -> Path | None:
    """Folder of the store; None without a cache, on accelerators and for several processes.

    None also if JAX is told a device: programs of the store run on the first ones.
    """
    config: Any = jax.config
    folder = config.jax_compilation_cache_dir if config.jax_enable_compilation_cache else None
    if not folder or config.jax_default_device is not None:
        return None
    if jax.default_backend() != "cpu" or jax.process_count() > 1:
        return None
    return Path(folder) / "programs"


def compile_once(
    path: Path, lowered: jax.stages.Lowered, arguments: tuple[Any, ...]
) -> Callable[..., Any]:
    """A program from the store, if one has the same instructions, or compiled; `path` names it."""
    link = content_id(lowered.as_text(), surroundings(code="")), lowered.out_tree
    program = _load(path.parent, link, arguments)
    if program is None:
        before = hits()
        program = lowered.compile()
        if hits() > before:
            # What JAX's cache gives back lacks functions when it is serialised again.
            return program
        devices = max(len(each.device_set) for each in jax.tree.leaves(program.input_shardings))
        _write(path.with_name(link[0]), (devices, serialize(program)[0]))
    _write(path, link)
    return program


def read(path: Path, arguments: tuple[Any, ...]) -> Callable[..., Any] | None:
    """A program of the store, to be called with such arguments; None if it is not there, or fails.

    A program is refused that XLA cannot load, as on a CPU without an instruction that it needs.
    """
    link = _read(path)
    return None if link is None else _load(path.parent, link, arguments)


def _load(
    folder: Path, link: tuple[str, Any], arguments: tuple[Any, ...]
) -> Callable[..., Any] | None:
    name, out_tree = link
    kept = _read(folder / name)
    if kept is None:
        return None
    devices, program = kept
    in_tree = jax.tree.structure((arguments, {}))
    try:
        return deserialize_and_load(
            program, in_tree, out_tree, execution_devices=jax.devices()[:devices]
        )
    except (jax.errors.JaxRuntimeError, pickle.UnpicklingError, ValueError):
        return None


def _write(path: Path, content: Any) -> None:
    """Keep something in the store, with its digest first, if it can be written."""
    kept = pickle.dumps(content)
    # With a folder that is full or read-only the program runs all the same.
    with contextlib.suppress(OSError):
        write_bytes(path, hashlib.sha256(kept).digest() + kept)


def _read(path: Path) -> Any:
    """What was kept; None if it is not there, whole."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    digest, content = kept[:DIGEST], kept[DIGEST:]
    whole = hashlib.sha256(content).digest() == digest
    return pickle.loads(content) if whole else None  # noqa: S301


@functools.cache
def _counted_hits() -> list[int]:
    """Threads to which JAX's cache gave back a program, each time from the first call on."""
    events: list[int] = []

    def heard(event: str, **_: Any) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            events.append(threading.get_ident())

    jax.monitoring.register_event_listener(heard)
    return events


def hits() -> int:
    """How many programs JAX's cache has given back to this thread since the first call."""
    return _counted_hits().count(threading.get_ident())


def _shapes(arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """What a program depends on of its arguments."""
    leaves, tree = jax.tree.flatten(arguments)
    return tree, tuple(map(_shape, leaves))


def _shape(leaf: Any) -> tuple[Any, ...]:
    """What a program depends on of an argument."""
    kind: Any = jax.typeof(leaf)
    place = (leaf.sharding, leaf.committed) if isinstance(leaf, jax.Array) else ()
    return kind, kind.weak_type, place


def surroundings(code: str | None = None) -> str:
    """Id of all that is the same for all programs of a process, by default with `CODE_ID`."""
    settings = {
        name: repr(getattr(jax.config, name, None))
        for name in getattr(jax.config, "values", {})
        if not any(part in name for part in NOT_OF_PROGRAMS)
    }
    devices = jax.devices()
    return content_id(
        CODE_ID if code is None else code,
        {library.__name__: library.__version__ for library in LIBRARIES},
        settings,
        {name: os.environ.get(name, "") for name in VARIABLES},
        repr(devices),
        devices[0].client.platform_version,
        repr(platform.uname()[::4]),
        _multiarray_umath.__cpu_features__,
    )


def code_id() -> str:
    """Id of the code that functions of programs are written in, as it lies on the disk."""
    files = sorted(path for folder in CODE for path in (PACKAGE / folder).rglob("*.py"))
    return content_id(
        *(part for path in files for part in (str(path.relative_to(PACKAGE)), path.read_bytes()))
    )


# Now, while the code is imported: a file that is edited later is not the one that runs here, and
# must not give its name to programs of this process.
CODE_ID = code_id()
