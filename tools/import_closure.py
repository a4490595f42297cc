"""Import closure of a module inside this repository, read from its source."""

import ast
from dataclasses import fields
from functools import cache
from pathlib import Path

from spline_lstm.tasks.parts import TASKS
from spline_lstm.tasks.task import Task

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("spline_lstm", "stages")


def import_closure(module: str, task: str = "forecast") -> set[str]:
    """Files (relative to the repository) that importing `module` loads, itself included.

    Every import statement counts, also one inside a function. So do every `lazy_loader.load` and
    every ``load_part(params, "part")``, which imports that part of the `task`. Names imported for
    type checkers and the lazy names of ``spline_lstm/__init__.py`` do not count.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None or path in found:
            continue
        found.add(path)
        waiting += _parents(name)
        waiting += imports_of(ROOT / path, task)
    return found


def imports_of(path: Path, task: str = "forecast") -> list[str]:
    """Dotted names that a file imports: modules, and what it takes from them.

    Raises
    ------
    ValueError
        A call of `load_part` does not name its part as a literal.
    """
    return [*_imported_by(path.read_text(encoding="utf-8"), task)]


# The closures of many modules share most of their files.
@cache
def _imported_by(text: str, task: str) -> tuple[str, ...]:
    return tuple(_imported(ast.parse(text), TASKS[task]))


def _file_of(module: str) -> str | None:
    if module.split(".", maxsplit=1)[0] not in PACKAGES:
        return None
    base = Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if (ROOT / path).is_file():
            return path.as_posix()
    return None


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _imported(tree: ast.AST, task: Task) -> list[str]:
    names: list[str] = []
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A name may be a module of the package or an attribute of it: the latter has no file.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif _is_lazy_load(node):
            names.append(node.args[0].value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "load_part":
            names += filter(None, [task.module(_part_name(node))])
    return names


def _is_lazy_load(node: ast.AST) -> bool:
    """``lazy_loader.load("a.module")``: an import that is made when the module is first used."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_loader.load"


def _part_name(call: ast.Call) -> str:
    """The part that ``load_part(params, "part")`` loads."""
    names = {field.name for field in fields(Task)}
    part = call.args[1] if len(call.args) == 2 else None
    if isinstance(part, ast.Constant) and part.value in names:
        return str(part.value)
    raise ValueError(
        f"{ast.unparse(call)}, line {call.lineno}: name the part as a literal, one of "
        f"{', '.join(sorted(names))}"
    )


def _walk(tree: ast.AST) -> list[ast.AST]:
    nodes: list[ast.AST] = [tree]
    for node in nodes:
        if (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
        ):
            nodes += node.orelse
        else:
            nodes += ast.iter_child_nodes(node)
    return nodes
