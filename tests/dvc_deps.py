"""Rewrite the code dependencies of dvc.yaml from what the stages import: ``python -m tests.dvc_deps``.

The dvc.yaml of pipelines/stores is made from that of the root. A test compares both files with this.
"""

import re

from spline_lstm.scaffold.writing import render_dvc
from tests.closure import PACKAGES, ROOT, import_closure

CODE = re.compile(rf"(?:      - (?:{'|'.join(PACKAGES)})/\S+\.py\n)+")
MODULE = re.compile(r"python -m (stages\.\w+)")


def with_code_deps(text: str) -> str:
    """The text of a dvc.yaml in which every stage names its module first, then exactly what that imports."""
    stages = re.split(r"(?m)^(?=  \S)", text)
    return "".join(CODE.sub(_code_deps(stage), stage, count=1) if MODULE.search(stage) else stage for stage in stages)


def _code_deps(stage: str) -> str:
    (module,) = set(MODULE.findall(stage))
    own = module.replace(".", "/") + ".py"
    return "".join(f"      - {path}\n" for path in [own, *sorted(import_closure(module) - {own})])


if __name__ == "__main__":
    root = ROOT / "dvc.yaml"
    root.write_text(with_code_deps(root.read_text(encoding="utf-8")), encoding="utf-8")
    stores = ROOT / "pipelines/stores/dvc.yaml"
    stores.write_text(render_dvc(root.read_text(encoding="utf-8"), "stores", source_file=False), encoding="utf-8")
