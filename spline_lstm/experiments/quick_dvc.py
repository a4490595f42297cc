"""The command line of DVC, which here does not do the same work again after each stage.

After each stage DVC reads and writes the whole of dvc.lock in pure Python, so that comments and the
order of a file are kept, reads params.yaml once for each group of params, and finds each param by
comparing its key with every other one; for an experiment it compresses all tracked files again. DVC
writes no comments into dvc.lock, and dicts have an order. So here it is read by the parser in C and
written stage by stage, where a stage that did not change has the text that it had before; a text
that was parsed is not parsed again, whether a text is a number is found out once, and a key without
wildcards is looked up. All files have the bytes that DVC gives them: a dvc.lock with comments or
aliases is read and written by DVC's own functions, as is dvc.yaml. With a DVC that has other
insides this is DVC's own command.
"""

import gc
import io
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache, partial
from pathlib import Path
from typing import Any, TextIO

LOCK = "dvc.lock"
# Of `dpath`, for which other keys are patterns.
WILDCARDS = frozenset("*?[]!")
# Perhaps a comment, or the name of a value that stands at several places.
MARK = re.compile(r"(?:^|[\s\[{,])(?:#|[&*]\w)", re.MULTILINE)
# As in stages, see `fork_server`.
YOUNG = 10_000

Dump = Callable[[Any, TextIO], Any]


def hasten() -> None:
    """Have DVC in this process read and write its files so."""
    for change in (
        _change_locks_quickly,
        _parse_texts_once,
        _resolve_once,
        _find_params_directly,
        *([_store_objects_once] if "exp" in sys.argv[1:] else []),
    ):
        try:
            change()
        except (ImportError, AttributeError):
            continue


def _change_locks_quickly() -> None:
    from dvc import dvcfile  # noqa: PLC0415
    from dvc.utils.serialize import _yaml  # noqa: PLC0415
    from dvc.utils.serialize._common import _modify_data  # noqa: PLC0415

    modify_yaml, dump = dvcfile.modify_yaml, LockDump(_yaml._dump)

    def modify(path: Any, fs: Any = None) -> AbstractContextManager[dict[str, Any]]:
        if Path(path).name != LOCK:
            return modify_yaml(path, fs=fs)
        return _modify_data(path, parse, dump, fs=fs)

    def parse(text: Any, path: Any) -> Any:
        marked = MARK.search(text) is not None
        return (_yaml.parse_yaml_for_update if marked else _yaml.parse_yaml)(text, path)

    dvcfile.modify_yaml = modify


class LockDump:
    """Writes a dvc.lock as DVC does, but each stage only once as long as it is the same.

    Parameters
    ----------
    dump : callable
        Of DVC: writes data to a stream.
    """

    def __init__(self, dump: Dump) -> None:
        self._dump = dump
        self._texts: dict[str, str] = {}

    def __call__(self, data: Any, stream: TextIO) -> None:
        """Write all of a lock file."""
        stages = data.get("stages")
        # What keeps comments and names is another type.
        is_plain = type(data) is dict and [*data] == ["schema", "stages"] and stages
        if not is_plain or has_aliases(data):
            self._dump(data, stream)
            return
        stream.write(self._text({"schema": data["schema"]}))
        stream.write("stages:\n")
        for name, stage in stages.items():
            stream.write(self._text({"stages": {name: stage}}).removeprefix("stages:\n"))

    def _text(self, data: Any) -> str:
        # Of what a YAML file holds, values of other types or in another order have other forms.
        key = repr(data)
        if key not in self._texts:
            stream = io.StringIO()
            self._dump(data, stream)
            self._texts[key] = stream.getvalue()
        return self._texts[key]


def has_aliases(data: Any) -> bool:
    """Whether a dict or list stands at several places, which YAML writes once and then refers to.

    >>> has_aliases({"a": [1], "b": [1]}), has_aliases([both := [1], {"again": both}])
    (False, True)
    """
    found = [id(each) for each in _nested(data)]
    return len({*found}) < len(found)


def _nested(data: Any) -> Iterator[Any]:
    if isinstance(data, dict | list):
        yield data
        for each in data.values() if isinstance(data, dict) else data:
            yield from _nested(each)


def _parse_texts_once() -> None:
    from dvc.utils.serialize import _yaml  # noqa: PLC0415

    _yaml.parse_yaml = partial(parse_once, cache(partial(_pickled, _yaml.parse_yaml)))


def _pickled(parse: Callable[..., Any], text: Any, path: Any, typ: str) -> bytes:
    return pickle.dumps(parse(text, path, typ=typ))


def parse_once(
    pickled: Callable[[Any, Any, str], bytes], text: Any, path: Any, typ: str = "safe"
) -> Any:
    """The data of a text; those of a text that was parsed before are a copy.

    Bytes are kept because pickle copies nested data faster than `copy.deepcopy`. They stay in
    the memory of this process, and no file is read as such.
    """
    return pickle.loads(pickled(text, path, typ))  # noqa: S301


def _resolve_once() -> None:
    """Have the parser in C find out once, not at each place, whether a text is a number."""
    from _ruamel_yaml import CParser  # noqa: PLC0415
    from ruamel.yaml.resolver import VersionedResolver  # noqa: PLC0415

    find_tag = VersionedResolver.resolve
    known: dict[tuple[Any, ...], Any] = {}

    def resolve(self: Any, kind: Any, value: Any, implicit: Any) -> Any:
        if not isinstance(self, CParser) or self.yaml_path_resolvers:
            return find_tag(self, kind, value, implicit)
        key = kind, value, implicit
        if key not in known:
            known[key] = find_tag(self, kind, value, implicit)
        return known[key]

    VersionedResolver.resolve = resolve


def _find_params_directly() -> None:
    import dpath  # noqa: PLC0415
    from dvc.dependency import param  # noqa: PLC0415

    if param.dpath is not dpath:
        return

    class Direct:
        """The part of `dpath` that params are found with."""

        search = staticmethod(dpath.search)
        get = staticmethod(partial(find, dpath.get))

    param.dpath = Direct


def find(get: Callable[..., Any], config: Any, key: str, separator: str) -> Any:
    """What `dpath.get` returns; a key without wildcards is looked up.

    Raises
    ------
    KeyError
        The params do not have the key.
    """
    found, parts = config, key.split(separator)
    for part in parts:
        # Elsewhere parts are numbers, or match keys that are.
        if not isinstance(found, dict) or any(type(name) is not str for name in found):
            return get(config, key, separator=separator)
        if not part or WILDCARDS & set(part) or part not in found:
            return get(config, key, separator=separator)
        found = found[part]
    return found


def _store_objects_once() -> None:
    from dulwich.object_store import DiskObjectStore  # noqa: PLC0415

    write, is_packed = DiskObjectStore.add_object, DiskObjectStore.contains_packed

    def add(self: Any, obj: Any) -> None:
        """Write an object of git as a file of its own, unless a pack has it."""
        if not is_packed(self, obj.get_id(self.object_format)):
            write(self, obj)

    DiskObjectStore.add_object = add


def main() -> int:
    """Run ``dvc ARGUMENT...``; its exit status."""
    # Modules stay, and are not looked at as garbage.
    gc.disable()
    hasten()
    from dvc.cli import main as dvc  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    gc.set_threshold(YOUNG)
    return dvc(sys.argv[1:])


if __name__ == "__main__":
    # The folder of this file is on the path, but no module is to be found there.
    del sys.path[0]
    sys.exit(main())
