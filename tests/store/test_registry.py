import sqlite3
import subprocess
import sys
import time

import pytest

from spline_lstm.core.errors import StoreError
from spline_lstm.store.registry import Registry
from spline_lstm.store.tables import model_text, models_table
from tests.store.examples import make_model

# Without `make_model`, whose module takes a second to import.
WRITER = """
import sys
from pathlib import Path
from spline_lstm.store.registry import Model, Registry
registry = Registry(Path(sys.argv[1]))
for number in range(8):
    values = [f"{number:04d}", "forecast", "now", "", "", "{}", "{}", f"models/{number:04d}"]
    registry.add(Model(*values, "registered"))
    registry.promote(f"{number:04d}", "now")
"""


@pytest.fixture
def registry(tmp_path):
    """Two models with files, and a failed training."""
    registry = Registry(tmp_path / "registry.sqlite")
    for model_id in ("aaaa1111", "aabb2222"):
        (tmp_path / "models" / model_id).mkdir(parents=True)
        registry.add(make_model(model_id=model_id, path=f"models/{model_id}"))
    registry.add(
        make_model(model_id="failed-1", path="", status="failed", reason="12 data contract: x")
    )
    return registry


def status(registry):
    return {model.model_id: model.status for model in registry.models()}


def test_a_registry_that_is_not_there_is_empty_and_stays_away(tmp_path):
    registry = Registry(tmp_path / "registry.sqlite")
    assert registry.models() == []
    assert registry.promoted("forecast") is None
    assert registry.check() == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_added_once(registry):
    assert not registry.add(make_model(task_id="other"))
    assert registry.get("aaaa1111").task_id == "forecast"


def test_promoting_keeps_the_previous_model_so_that_it_can_be_rolled_back(registry):
    registry.promote("aaaa", "2026-01-01")
    registry.promote("aabb", "2026-01-02")
    assert status(registry) == {
        "aaaa1111": "registered",
        "aabb2222": "promoted",
        "failed-1": "failed",
    }
    assert registry.get("aaaa1111").promoted_at == "2026-01-01"
    registry.promote("aaaa", "2026-01-03")
    assert registry.promoted("forecast").model_id == "aaaa1111"
    assert registry.promoted("direction") is None


def test_a_second_promoted_model_of_a_task_is_impossible(registry):
    registry.promote("aaaa", "now")
    with pytest.raises(StoreError, match="UNIQUE"):
        registry.add(make_model(model_id="b", status="promoted"))
    assert registry.add(make_model(model_id="c", task_id="direction", status="promoted"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x", "has no model x; give one of its ids: aaaa1111, aabb2222, failed-1"),
        ("aa", "has more than one model aa; give one of its ids: aaaa1111, aabb2222 "),
        ("", "has no model ; "),
    ],
)
def test_a_name_must_mean_one_model(registry, name, message):
    with pytest.raises(StoreError, match=message):
        registry.get(name)


def test_a_registry_without_models_says_how_to_get_one(tmp_path):
    with pytest.raises(StoreError, match="has no models; `python -m spline_lstm train FOLDER`"):
        Registry(tmp_path / "registry.sqlite").get("x")


def test_failed_trainings_and_models_without_files_cannot_be_promoted(registry):
    with pytest.raises(StoreError, match="its training failed"):
        registry.promote("failed-1", "now")
    registry.add(make_model(model_id="gone", path="models/gone"))
    with pytest.raises(StoreError, match="model gone has no files .*; restore them"):
        registry.promote("gone", "now")


def test_a_retired_model_stays_and_the_promoted_one_is_not_retired(registry):
    registry.promote("aaaa", "now")
    assert registry.retire("aabb").status == "retired"
    assert registry.retire("aabb").status == "retired"
    with pytest.raises(StoreError, match="aaaa1111 is promoted; promote another one first"):
        registry.retire("aaaa")
    with pytest.raises(StoreError, match="failed-1 is failed"):
        registry.retire("failed-1")
    assert registry.promote("aabb", "now").status == "promoted"


def test_a_file_that_is_not_a_database_is_one_clear_error(tmp_path):
    path = tmp_path / "registry.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="cannot be used .*; wait for .* or restore it"):
        Registry(path).models()


def test_the_file_is_in_the_mode_that_lets_readers_read(registry):
    connection = sqlite3.connect(registry.path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_writers_at_once_wait_for_each_other(tmp_path):
    for number in range(8):
        (tmp_path / "models" / f"{number:04d}").mkdir(parents=True)
    (tmp_path / "models/aaaa1111").mkdir()
    command = [sys.executable, "-c", WRITER, str(tmp_path / "registry.sqlite")]
    writers = [subprocess.Popen(command) for _ in range(2)]
    registry = Registry(tmp_path / "registry.sqlite")
    while any(writer.poll() is None for writer in writers):
        assert sum(model.status == "promoted" for model in registry.models()) <= 1
        time.sleep(0.01)
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(registry.models()) == 8
    assert registry.check() == "ok"


def test_tables_name_status_score_and_reason(registry):
    lines = models_table(registry.models(), registry.path).splitlines()
    assert len(lines) == 4
    (failed,) = [line for line in lines if "failed-1" in line]
    assert failed.endswith("12 data contract: x")
    assert "rmse 2" in lines[1]
    text = models_table([], registry.path)
    assert "no models" in text
    assert f"train {registry.path.parent.parent}`" in text
    assert "reason: 12 data contract: x" in model_text(registry.get("failed-1"))
