"""The packages of boosted trees: an extra, imported when they are needed and without scikit-learn.

Both import scikit-learn, if it is installed, for classes that are not used here. Without it
LightGBM loads in 0.5 instead of 1.3 CPU-seconds, XGBoost in 0.3 instead of 1.3.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from spline_lstm.core.errors import MissingPackageError

# What the modules are called on the package index.
PACKAGES = {"lightgbm": "lightgbm", "xgboost": "xgboost-cpu", "onnxmltools": "onnxmltools"}
SKLEARN = "sklearn"


def import_trees(name: str) -> ModuleType:
    """Import a package of the extra `trees`.

    After the first import the classes of that package for scikit-learn are missing in the process,
    unless scikit-learn was imported before.

    Raises
    ------
    MissingPackageError
        It is not installed, or a library of the system that it needs is not.
    """
    if (there := sys.modules.get(name)) is not None:
        return there
    try:
        with _without_sklearn():
            return import_module(name)
    # On macOS, a missing libomp is an OSError or an error of the package's own.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise MissingPackageError(
            f"this needs {name}, which cannot be imported ({reason}); call `make env-all`, or "
            f"pip install 'spline-lstm[trees]' (or {PACKAGES[name]}), or leave it out of "
            "trees.members"
        ) from None


def absent_trees(names: Sequence[str]) -> tuple[str, ...]:
    """What to say of packages of trees that are not installed; empty if all are."""
    absent = [name for name in names if find_spec(name) is None]
    if not absent:
        return ()
    return (
        f"the trees need {' and '.join(absent)}, which this Python does not have: make env-all, or "
        f"pip install {' '.join(PACKAGES[name] for name in absent)}, or trees.members: [] in "
        "params.yaml",
    )


@contextmanager
def _without_sklearn() -> Iterator[None]:
    """Let imports of scikit-learn fail, unless it is there already."""
    if SKLEARN in sys.modules:
        yield
        return
    # None is the sign of the import system for a module that does not exist.
    sys.modules[SKLEARN] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[SKLEARN]
