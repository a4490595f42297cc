"""Write the code deps of every dvc.yaml from what the stages import: ``python -m tools.dvc_deps``.

A stage depends on its own module and on each folder of the library that it imports a module from.
The dvc.yaml of pipelines/stores is made from that of the root. A test compares all of them with the
imports.
"""

import re

from spline_lstm.scaffold.write_folder import render_dvc
from tools.import_closure import ROOT, import_closure

CODE = re.compile(r"(?:      - (?:spline_lstm|stages)/\S+\n)+")
MODULE = re.compile(r"python -m (stages\.\w+)")


def code_deps(module: str) -> list[str]:
    """The file of a stage's `module`, then the library's folders that it imports from, sorted."""
    files = [path for path in import_closure(module) if path.startswith("spline_lstm/")]
    folders = {path.rpartition("/")[0] for path in files}
    return [module.replace(".", "/") + ".py", *sorted(folders - {"spline_lstm"})]


def with_code_deps(text: str) -> str:
    """The text of a dvc.yaml with the code dependencies of every stage taken from its imports."""
    stages = re.split(r"(?m)^(?=  \S)", text)
    return "".join(
        CODE.sub(_lines(stage), stage, count=1) if MODULE.search(stage) else stage
        for stage in stages
    )


def _lines(stage: str) -> str:
    (module,) = set(MODULE.findall(stage))
    return "".join(f"      - {path}\n" for path in code_deps(module))


if __name__ == "__main__":
    root = ROOT / "dvc.yaml"
    root.write_text(with_code_deps(root.read_text(encoding="utf-8")), encoding="utf-8")
    stores = ROOT / "pipelines/stores/dvc.yaml"
    rendered = render_dvc(root.read_text(encoding="utf-8"), "stores", source_file=False)
    stores.write_text(rendered, encoding="utf-8")
