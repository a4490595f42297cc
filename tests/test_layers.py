"""The floor plan: what is at the package root, and imports that point only downwards."""

import ast
from pathlib import Path

import pytest

from spline_lstm.core.pipeline import Pipeline
from tools.import_closure import ROOT, imports_of

PACKAGE = ROOT / "spline_lstm"
# From high to low: a folder imports only from folders below it. docs/architecture.md has this list.
LAYERS = (
    "cli",
    "service",
    "page",
    "store",
    "experiments",
    "tuning",
    "scaffold",
    "tasks",
    "evaluation",
    "inference",
    "training",
    "export",
    "series",
    "market",
    "models",
    "trees",
    "rows",
    "windows",
    "reporting",
    "tables",
    "core",
)


def folders() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def imported_folders(path: Path) -> set[str]:
    """Folders of the library that a file imports from, inside functions too."""
    parts = [name.split(".") for name in imports_of(path)]
    return {part[1] for part in parts if part[0] == "spline_lstm" and len(part) > 1} & {*folders()}


def arrows() -> set[tuple[str, str]]:
    return {
        (folder, imported)
        for folder in folders()
        for path in (PACKAGE / folder).rglob("*.py")
        for imported in imported_folders(path) - {folder}
    }


def test_the_package_root_has_no_module_of_its_own():
    found = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert found == {"__init__.py", "__main__.py", "py.typed"}


def test_every_folder_has_its_layer():
    assert set(folders()) <= set(LAYERS)


def test_imports_between_folders_point_downwards():
    upwards = {
        f"{folder} imports {imported}"
        for folder, imported in arrows()
        if LAYERS.index(folder) >= LAYERS.index(imported)
    }
    assert upwards == set()


def test_modules_do_not_import_each_other_in_a_circle():
    modules = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }
    waiting = {name: {*imports_of(path)} & {*modules} for name, path in modules.items()}
    while free := [name for name, needed in waiting.items() if not needed & waiting.keys()]:
        for name in free:
            del waiting[name]
    assert waiting == {}


def test_stages_and_tools_import_the_library_and_never_the_reverse():
    for path in PACKAGE.rglob("*.py"):
        roots = {name.split(".")[0] for name in imports_of(path)}
        assert not roots & {"stages", "tests", "benchmarks", "tools"}, path


@pytest.mark.parametrize("name", ["service", "page", "store"])
def test_what_only_reads_outputs_reaches_neither_training_nor_jax(name):
    for path in (PACKAGE / name).rglob("*.py"):
        assert not imported_folders(path) & {"training", "models"}, path
        assert not {part.split(".")[0] for part in imports_of(path)} & {"jax", "flax"}, path


def test_no_module_is_longer_than_400_lines():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for folder in ("spline_lstm", "stages", "tools")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def artifact_paths() -> set[str]:
    """Every path of `Pipeline` below data/ and models/."""
    pipeline = Pipeline(Path())
    values = (getattr(pipeline, name) for name in vars(Pipeline) if not name.startswith("_"))
    paths = {value.as_posix() for value in values if isinstance(value, Path)}
    return {path for path in paths if path.startswith(("data/", "models/"))}


def test_paths_of_artefacts_are_written_once():
    known = artifact_paths()
    assert "models/preprocessor.json" in known
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {node.value}"
        for folder in ("spline_lstm", "stages")
        for path in (ROOT / folder).rglob("*.py")
        if path != PACKAGE / "core/pipeline.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in known
    }
    assert found == set()
