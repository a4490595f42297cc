"""Write every params.yaml from the model of the params: ``python -m tools.render_params``.

The file of the root gets the defaults. A file below pipelines/ keeps its values; keys that it lacks
get their defaults, and renamed keys their new names.
"""

from pathlib import Path

from spline_lstm.core.params import Params
from spline_lstm.core.params_file import params_text, upgraded
from tools.import_closure import ROOT


def rendered(path: Path) -> str:
    """The text that a params.yaml of the repository should have."""
    if path.parent == ROOT:
        return params_text(Params())
    return params_text(upgraded(path.read_text(encoding="utf-8"), str(path)), path.parent.name)


def params_files() -> list[Path]:
    """Every complete params.yaml of the repository."""
    return [ROOT / "params.yaml", *sorted(ROOT.glob("pipelines/*/params.yaml"))]


if __name__ == "__main__":
    for each in params_files():
        each.write_text(rendered(each), encoding="utf-8", newline="\n")
