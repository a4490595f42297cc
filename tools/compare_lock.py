"""Compare a dvc.lock with that of a commit: all hashes must be equal, except of wall-clock files.

Usage: python -m tools.compare_lock COMMIT FILE
"""

import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from spline_lstm.core.pipeline import WALL_CLOCK


def hashes(text: str) -> dict[str, str]:
    """``stage kind path`` -> hash of everything a lock file names."""
    found = {}
    for stage, entry in YAML(typ="safe").load(text)["stages"].items():
        for kind in ("deps", "outs"):
            for item in entry.get(kind, []):
                found[f"{stage} {kind} {item['path']}"] = item["md5"]
    return {name: value for name, value in found.items() if not name.endswith(WALL_CLOCK)}


def main(commit: str, file: str) -> int:
    """Print each difference; 1 if there is one."""
    shown = subprocess.run(
        ["git", "show", f"{commit}:{file}"], capture_output=True, text=True, check=True
    )
    committed, reproduced = hashes(shown.stdout), hashes(Path(file).read_text(encoding="utf-8"))
    different = sorted(
        name for name in committed | reproduced if committed.get(name) != reproduced.get(name)
    )
    for name in different:
        print(
            f"{name}: committed {committed.get(name)}, reproduced {reproduced.get(name)}",
            file=sys.stderr,
        )
    print(f"{len(committed)} hashes of {file} compared, {len(different)} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
