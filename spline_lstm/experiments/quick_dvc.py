"""The command line of DVC, which here does not do the same work again after each stage.

After each stage DVC reads and writes the whole of dvc.lock in pure Python, so that comments and the
order of a file are kept, reads params.yaml once for each group of params, and finds each param by
comparing its key with every other one. In dvc.lock there are no comments, and dicts have an order.
Here it is read by the parser in C and written stage by stage, where a stage that did not change has
the text that it had before; a text that was parsed is not parsed again, whether a text is a number
is found out once, and a key without wildcards is looked up. All files have the bytes that DVC gives
them; dvc.yaml is left as it is. With a DVC that has other insides this is DVC's own command.
"""

import gc
import io
import pickle
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, partial
from pathlib import Path
from typing import Any, TextIO

LOCK = "dvc.lock"
# Of `dpath`, for which other keys are patterns.
WILDCARDS = frozenset("*?[]!")
# As in stages, see `fork_server`.
YOUNG = 10_000

Dump = Callable[[Any, TextIO], Any]


def hasten() -> None:
    """Have DVC in this process read and write its files so."""
    for change in (_change_locks_quickly, _parse_texts_once, _resolve_once, _find_params_directly):
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
        return _modify_data(path, _yaml.parse_yaml, dump, fs=fs)

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
        if [*data] != ["schema", "stages"] or not stages:
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


def _parse_texts_once() -> None:
    from dvc.utils.serialize import _yaml  # noqa: PLC0415

    _yaml.parse_yaml = partial(parse_once, cache(partial(_pickled, _yaml.parse_yaml)))


def _pickled(parse: Callable[..., Any], text: Any, path: Any, typ: str) -> bytes:
    return pickle.dumps(parse(text, path, typ=typ))


def parse_once(
    pickled: Callable[[Any, Any, str], bytes], text: Any, path: Any, typ: str = "safe"
) -> Any:
    """The data of a text; those of a text that was parsed before are a copy."""
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

    class Direct:
        """The part of `dpath` that params are found with."""

        search = staticmethod(dpath.search)
        get = staticmethod(partial(find, dpath.get))

    assert param.dpath is dpath
    param.dpath = Direct


def find(get: Callable[..., Any], config: Any, key: str, separator: str) -> Any:
    """What `dpath.get` returns; a key without wildcards is looked up.

    Raises
    ------
    KeyError
        There is no such key.
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
