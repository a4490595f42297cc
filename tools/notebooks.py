"""Run the notebooks and keep their outputs: ``python -m tools.notebooks [NAME ...]``.

Every notebooks/NAME.py is the source of a notebook (jupytext's percent format); NAME.ipynb next to
it is the same with its outputs. Times, the version of Python and random ids are left out, so that
equal outputs give equal bytes.
"""

import os
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from tools.import_closure import ROOT

FOLDER = ROOT / "notebooks"
TIMEOUT = 600  # seconds of one cell
MAX_BYTES = 500_000


def sources() -> list[Path]:
    """The Python files of all notebooks."""
    return sorted(FOLDER.glob("*.py"))


def executed(source: Path) -> nbformat.NotebookNode:
    """The notebook of a Python file, run from top to bottom in its folder, with this checkout."""
    notebook = jupytext.read(source)
    client = NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", record_timing=False)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    client.execute(cwd=str(source.parent), env=os.environ | {"PYTHONPATH": path})
    return notebook


def reproducible(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook without what differs from run to run; cells are numbered."""
    notebook.metadata.pop("language_info", None)
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    for position, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{position}"
    return notebook


def text_of(notebook: nbformat.NotebookNode) -> str:
    """The content of the .ipynb file.

    Raises
    ------
    ValueError
        The notebook is too large for a hosting site to show.
    """
    text = nbformat.writes(notebook, version=4) + "\n"
    if len(text.encode()) >= MAX_BYTES:
        raise ValueError(f"{len(text.encode())} bytes, but at most {MAX_BYTES}: draw less")
    return text


def main(names: list[str]) -> None:
    """Run the notebooks of these names, by default all, and write their .ipynb files."""
    for source in [FOLDER / f"{name}.py" for name in names] or sources():
        start = time.perf_counter()
        text = text_of(reproducible(executed(source)))
        target = source.with_suffix(".ipynb")
        target.write_text(text, encoding="utf-8")
        seconds = time.perf_counter() - start
        print(f"{target.relative_to(ROOT)}: {len(text.encode()) / 1000:.0f} kB ({seconds:.1f} s)")


if __name__ == "__main__":
    main(sys.argv[1:])
