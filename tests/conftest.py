"""Settings of every test process."""

import contextlib
import fcntl
import gc
import importlib
import os
import shutil
from collections import Counter
from pathlib import Path

import jax
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import providers

from spline_lstm.core.parallel import ENGINES
from spline_lstm.core.pipeline import compilation_cache
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from tests.builders import ROOT

# Their fixtures `exported` and `forecaster` make each model once per process.
OF_SHARED_EXPORTS = tuple(
    f"tests/export/test_{name}.py"
    for name in (
        "documentation",
        "flax_model",
        "gate",
        "onnx_export",
        "sessions",
        "tf_twin",
        "tflite_canonical",
        "tflite_export",
    )
)
# Their fixture `warm` is a fork server, which imports the libraries of all stages once per process.
OF_A_FORK_SERVER = tuple(
    f"tests/pipeline/test_{name}.py" for name in ("end_to_end", "errors", "own_data")
)
TOGETHER = dict.fromkeys(OF_SHARED_EXPORTS, "tests/export") | dict.fromkeys(
    OF_A_FORK_SERVER, "tests/pipeline"
)
# The same examples in every run: a red test is red for everyone. Failing examples are shrunk, but
# not explained, which takes minutes.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=60,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")
# Hypothesis also draws constants of the code that is imported so far, and looks for it in the midst
# of an example: examples would depend on the tests before, and a library that is imported by the
# look may draw random numbers, which ends the test. It finds none.
if not callable(providers._get_local_constants):
    raise TypeError("Hypothesis looks for constants of the code elsewhere than it did")
providers._get_local_constants = lambda: providers._local_constants
# Many tests train networks of one shape: each is compiled once, for all tests and for the processes
# that they start. Tests wait for the compiler, not for what it compiles; the pipeline tests, which
# start processes of their own, run what users run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compilation_cache(ROOT)))
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
configure_compilation_cache(ROOT)
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    # Small programs are not worth the threads that would share their code.
    "--xla_cpu_parallel_codegen_split_count=1",
)
# Programs do not say which line each operation is from.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
jax.config.update("jax_traceback_in_locations_limit", 0)
# Modules and tests stay: to look for garbage while they are collected takes a tenth of the time.
gc.disable()
# As stages do: arrays of an earlier test must not decide how many devices a later one has.
configure_threads(2)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A name and what fills a folder to the folder, made by the first process that asks for it.

    The processes of xdist share it, so who writes into it copies it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(name, make):
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def small_pipeline(made_once):
    """Folder of a small pipeline that ran from ingest to report; who writes into it copies it."""
    # Here, because few tests need the stages.
    from tests.small_pipeline import make_small_pipeline  # noqa: PLC0415

    return made_once("small", make_small_pipeline)


@pytest.fixture(scope="session")
def direction_folder(made_once):
    """Folder of a small pipeline of the task direction; who writes into it copies it."""
    # Here, because few tests need trees.
    from tests.direction_folder import make_direction_folder  # noqa: PLC0415

    return made_once("direction", make_direction_folder)


@pytest.fixture(scope="session")
def rows_folder(made_once):
    """Folder of a small pipeline of the task tabular; who writes into it copies it."""
    # Here, because few tests need the stages.
    from tests.rows_folder import make_rows_folder  # noqa: PLC0415

    return made_once("rows", make_rows_folder)


@pytest.fixture
def jobs_in_this_process(monkeypatch):
    """Runs jobs one after another here: a process for each would mostly import."""
    monkeypatch.setitem(ENGINES, "local", ("tests.in_process", "in_process"))


@pytest.fixture(scope="module")
def no_pictures():
    """Leaves picture files empty: to draw them takes three times as long as the stages.

    Nor is room made for their texts, which takes most of the time of a report without pictures.
    """
    with pytest.MonkeyPatch.context() as patch:
        layout = "matplotlib.layout_engine.ConstrainedLayoutEngine.execute"
        patch.setattr(layout, lambda engine, figure: None)
        patch.setattr("matplotlib.figure.Figure.savefig", save_nothing)
        yield


def save_nothing(figure, target, **options):
    """What stands in for `Figure.savefig`."""
    target.write(b"" if options["format"] == "png" else "<svg ></svg>")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    """Have each process of xdist begin at other files, for the others to find their byte code.

    In a fresh clone all would otherwise compile the same file at the same time, one after another.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    files = [file for root in session.config.args for file in sorted(Path(root).rglob("test_*.py"))]
    start = len(files) * number // count
    for file in [*files[start:], *files[:start]] if count > 1 else ():
        name = ".".join(file.resolve().relative_to(ROOT).with_suffix("").parts)
        # Collection imports it again, and says what is wrong.
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(name)


def pytest_collection_modifyitems(items):
    """Put files with many slow tests first, so that no worker of xdist ends long after the other.

    The Makefile keeps xdist from ordering the files by the number of their tests, which puts the
    few tests of the dearest files last.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """By file; files that share what is dear to make together."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415

    class FilesThatShare(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return TOGETHER.get(file, file)

    return FilesThatShare(config, log)


def pytest_collection_finish():
    """Keep the garbage collector from looking at what stays: it takes a tenth of the time.

    Tracing makes many objects that live on, so that it is worth looking less often, too.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)
