"""Programs of the store: what names them, and that they are those that would be compiled."""

import pickle
import threading
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from spline_lstm.core.params import TrainParams
from spline_lstm.models import stored_programs
from spline_lstm.models.stored_programs import CODE, DIGEST, RECENT, StoredProgram
from spline_lstm.training.budget import budget_of
from spline_lstm.training.loop import train
from spline_lstm.training.losses import Loss
from spline_lstm.training.objective import Objective
from spline_lstm.training.steps import program_content
from tests.builders import make_config, make_train_params, windows_of
from tests.models.test_network import BASE
from tools.import_closure import import_closure

ROWS = np.arange(6, dtype=np.float32)


@pytest.fixture(autouse=True)
def store(tmp_path):
    """A cache of its own, without programs of other tests in memory."""
    before = jax.config.jax_compilation_cache_dir
    for folder in (str(tmp_path), before):
        jax.config.update("jax_compilation_cache_dir", folder)
        compilation_cache.reset_cache()
        RECENT.clear()
        if folder != before:
            yield tmp_path / "programs"


def counted(content: str | None = "a", options: dict[str, int] | None = None) -> tuple[Any, list]:
    """A program, and a list that grows when its function is traced."""
    traced = []

    def function(rows: Any, keys: Any = None) -> Any:
        traced.append(rows)
        noise = 0.0 if keys is None else jax.random.normal(keys, rows.shape)
        return {"total": jnp.tanh(rows).sum(), "rows": (rows * 3 + noise, None)}

    return StoredProgram(function, content, options), traced


def test_a_second_program_of_the_same_content_is_not_traced(store):
    first, traced = counted()
    expected = first(ROWS, jax.random.key(1))
    assert len(traced) == 1
    assert len(list(store.iterdir())) == 2
    for clear in (True, False):
        if clear:
            RECENT.clear()
        second, again = counted()
        found = second(ROWS, jax.random.key(1))
        assert again == []
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_a_program_is_traced_at_once_and_compiled_when_that_is_asked_for(store):
    program, traced = counted()
    compile_it = program.prepare(ROWS)
    assert len(traced) == 1
    assert not store.exists()
    compile_it()
    assert len(list(store.iterdir())) == 2
    assert program.prepare(ROWS) is None
    np.testing.assert_allclose(program(ROWS)["total"], np.tanh(ROWS).sum(), rtol=1e-6)
    assert len(traced) == 1
    found, again = counted()
    assert found.prepare(ROWS) is None
    assert again == []
    assert counted(None)[0].prepare(ROWS) is None


def test_a_training_compiles_its_steps_for_the_state_that_it_starts_with(monkeypatch):
    """Beside the program of that state, with the bytes of a training that finds both programs."""
    lowered, lower = [], jax.stages.Lowered.compile

    def compiled(self: Any, *arguments: Any) -> Any:
        lowered.append(threading.get_ident())
        return lower(self, *arguments)

    monkeypatch.setattr(jax.stages.Lowered, "compile", compiled)
    config, windows = make_config(), windows_of(np.sin(np.arange(300.0)))
    params = make_train_params(seed=1, max_epochs=2)
    first = train(config, windows, params)
    assert len(lowered) == 2
    assert lowered.count(threading.get_ident()) == 1
    second = train(config, windows, params)
    assert len(lowered) == 2
    for name, values in first.last.items():
        assert values.tobytes() == second.last[name].tobytes()
    assert first.history == second.history


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        (counted("b"), (ROWS,)),
        (counted("a", {"xla_backend_optimization_level": 1}), (ROWS,)),
        (counted(), (ROWS[:5],)),
        (counted(), (ROWS.astype(np.int32),)),
        (counted(), (ROWS, jax.random.key(0))),
        (counted(None), (ROWS,)),
    ],
    ids=["content", "options", "shape", "type", "arguments", "unknown"],
)
def test_whatever_a_program_is_made_from_names_it(program, arguments):
    counted()[0](ROWS)
    run, traced = program
    np.testing.assert_allclose(run(*arguments)["total"], np.tanh(arguments[0]).sum(), rtol=1e-6)
    assert len(traced) == 1


@pytest.mark.parametrize("what", ["CODE_ID", "XLA_FLAGS", "jax_default_matmul_precision"])
def test_code_flags_and_settings_name_a_program(what, monkeypatch):
    before = stored_programs.surroundings()
    if what == "jax_default_matmul_precision":
        with jax.default_matmul_precision("highest"):
            assert stored_programs.surroundings() != before
        return
    if what == "CODE_ID":
        monkeypatch.setattr(stored_programs, what, "other")
    else:
        monkeypatch.setenv(what, "--xla_other")
    assert stored_programs.surroundings() != before


def test_a_damaged_program_is_compiled_again(store):
    counted()[0](ROWS)
    for path in store.iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    RECENT.clear()
    program, traced = counted()
    np.testing.assert_allclose(program(ROWS)["total"], np.tanh(ROWS).sum(), rtol=1e-6)
    assert len(traced) == 1


def test_a_program_that_does_not_load_is_compiled_again(store):
    counted()[0](ROWS)
    for path in store.iterdir():
        first, content = pickle.loads(path.read_bytes()[DIGEST:])
        if isinstance(first, int):
            stored_programs._write(path, (first, b"of another machine" + content))
    RECENT.clear()
    program, traced = counted()
    np.testing.assert_allclose(program(ROWS)["total"], np.tanh(ROWS).sum(), rtol=1e-6)
    assert len(traced) == 1


def test_a_store_that_cannot_be_written_changes_nothing(store):
    store.touch()  # a file where the folder should be
    program, traced = counted()
    for _ in range(2):
        np.testing.assert_allclose(program(ROWS)["total"], np.tanh(ROWS).sum(), rtol=1e-6)
    assert len(traced) == 1
    assert store.read_bytes() == b""


def test_code_that_is_edited_later_does_not_name_programs(tmp_path, monkeypatch):
    before = stored_programs.surroundings()
    (tmp_path / "models").mkdir()
    (tmp_path / "models/network.py").write_text("edited = True\n")
    monkeypatch.setattr(stored_programs, "PACKAGE", tmp_path)
    assert stored_programs.code_id() != stored_programs.CODE_ID
    assert stored_programs.surroundings() == before


def test_programs_of_the_same_instructions_are_compiled_once(store, monkeypatch):
    counted("a")[0](ROWS)
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_: pytest.fail("compiled"))
    program, traced = counted("b")
    np.testing.assert_allclose(program(ROWS)["total"], np.tanh(ROWS).sum(), rtol=1e-6)
    assert len(traced) == 1
    assert len(list(store.iterdir())) == 3


def test_what_comes_from_the_cache_of_jax_is_not_stored(store):
    counted()[0](ROWS)
    for path in store.iterdir():
        path.unlink()
    RECENT.clear()
    jax.clear_caches()
    program, _ = counted()
    np.testing.assert_allclose(program(ROWS)["total"], np.tanh(ROWS).sum(), rtol=1e-6)
    assert list(store.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jax_compilation_cache_dir", None),
        ("jax_enable_compilation_cache", False),
        ("jax_default_device", jax.devices()[-1]),
    ],
)
def test_without_a_cache_nothing_is_stored(setting, value, store):
    before = getattr(jax.config, setting)
    jax.config.update(setting, value)
    try:
        program, traced = counted()
        program(ROWS)
    finally:
        jax.config.update(setting, before)
    assert len(traced) == 1
    assert not store.exists()


def test_only_so_many_programs_stay_in_memory():
    for number in range(stored_programs.MOST_RECENT + 2):
        counted(str(number))[0](ROWS)
    assert len(RECENT) == stored_programs.MOST_RECENT


def test_the_code_of_programs_is_all_that_they_import():
    """Except the tasks, which say what is run; a class of the user's own has no content."""
    modules = ("models.saved_model", "training.steps", "models.network", "models.recurrent")
    files = set().union(*(import_closure(f"spline_lstm.{module}") for module in modules))
    folders = {path.split("/")[1] for path in files if path.count("/") > 1}
    assert folders <= {*CODE}


def test_all_settings_but_the_seed_name_the_programs_of_a_training():
    params = TrainParams(max_epochs=6, patience=3, batch_size=32)
    objective = Objective(Loss("mse"), 1)
    content = program_content(BASE, params, budget_of(params, 100), objective)
    same = params.model_copy(update={"seed": params.seed + 1})
    assert program_content(BASE, same, budget_of(same, 100), objective) == content
    others = [
        (replace(BASE, hidden=(5,)), params, 100, objective),
        (BASE, params.model_copy(update={"clip_norm": 0.5}), 100, objective),
        (BASE, params, 1000, objective),
        (BASE, params, 100, Objective(Loss("mae"), 1)),
    ]
    for config, settings, windows, minimised in others:
        budget = budget_of(settings, windows)
        assert program_content(config, settings, budget, minimised) != content
    own = replace(BASE, model_type="mine:Net")
    assert program_content(own, params, budget_of(params, 100), objective) is None
