"""Write the code deps of every dvc.yaml from what the stages import: ``python -m tools.dvc_deps``.

A stage depends on its own module and on each folder of the library that it imports a module from.
Parts of the pipeline's task (`task` in params.yaml) that it loads count as imports.
The dvc.yaml of pipelines/stores is made from that of the root; of pipelines/direction and
pipelines/tabular only the code deps are. A test compares all of them with the imports.
"""

import re

from spline_lstm.core.params import load_params
from spline_lstm.scaffold.dvc_text import render_dvc
from tools.import_closure import ROOT, import_closure

CODE = re.compile(r"(?:      - (?:spline_lstm|stages)/\S+\n)+")
# Pipelines of other tasks, whose dvc.yaml is written by hand.
OWN = (ROOT / "pipelines/direction/dvc.yaml", ROOT / "pipelines/tabular/dvc.yaml")
MODULE = re.compile(r"python -m (stages\.\w+)")


def code_deps(module: str, task: str) -> list[str]:
    """The file of a stage's `module`, then the library's folders that it imports from, sorted.

    The parts of the `task` that the stage loads count as imports.
    """
    files = [path for path in import_closure(module, task) if path.startswith("spline_lstm/")]
    folders = {path.rpartition("/")[0] for path in files}
    return [module.replace(".", "/") + ".py", *sorted(folders - {"spline_lstm"})]


def with_code_deps(text: str, task: str) -> str:
    """The text of a dvc.yaml with the code dependencies of every stage taken from its imports."""
    stages = re.split(r"(?m)^(?=  \S)", text)
    return "".join(
        CODE.sub(_lines(stage, task), stage, count=1) if MODULE.search(stage) else stage
        for stage in stages
    )


def _lines(stage: str, task: str) -> str:
    (module,) = set(MODULE.findall(stage))
    return "".join(f"      - {path}\n" for path in code_deps(module, task))


if __name__ == "__main__":
    root = ROOT / "dvc.yaml"
    pattern = with_code_deps(root.read_text(encoding="utf-8"), load_params(ROOT).task)
    root.write_text(pattern, encoding="utf-8")
    stores = ROOT / "pipelines/stores/dvc.yaml"
    rendered = render_dvc(pattern, "stores", source_file=False)
    text = with_code_deps(rendered, load_params(stores.parent).task)
    stores.write_text(text, encoding="utf-8")
    for each in OWN:
        task = load_params(each.parent).task
        each.write_text(with_code_deps(each.read_text(encoding="utf-8"), task), encoding="utf-8")
