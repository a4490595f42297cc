"""The command line of DVC, which here reads dvc.lock with the parser that is written in C.

DVC reads and writes dvc.lock after each stage, in pure Python, so that comments and the order of a
file are kept. In dvc.lock there are no comments, and dicts have an order. The file has the same
bytes; dvc.yaml is left as it is. With a DVC that has other insides this is DVC's own command.
"""

import gc
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

LOCK = "dvc.lock"
# As in stages, see `fork_server`.
YOUNG = 10_000


def read_locks_quickly() -> None:
    """Have DVC in this process change dvc.lock so."""
    try:
        from dvc import dvcfile  # noqa: PLC0415
        from dvc.utils.serialize._common import _modify_data  # noqa: PLC0415
        from dvc.utils.serialize._yaml import _dump, parse_yaml  # noqa: PLC0415

        modify_yaml = dvcfile.modify_yaml
    except (ImportError, AttributeError):
        return

    def modify(path: Any, fs: Any = None) -> AbstractContextManager[dict[str, Any]]:
        if Path(path).name != LOCK:
            return modify_yaml(path, fs=fs)
        return _modify_data(path, parse_yaml, _dump, fs=fs)

    dvcfile.modify_yaml = modify


def main() -> int:
    """Run ``dvc ARGUMENT...``; its exit status."""
    # Modules stay, and are not looked at as garbage.
    gc.disable()
    read_locks_quickly()
    from dvc.cli import main as dvc  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    gc.set_threshold(YOUNG)
    return dvc(sys.argv[1:])


if __name__ == "__main__":
    # The folder of this file is on the path, but no module is to be found there.
    del sys.path[0]
    sys.exit(main())
