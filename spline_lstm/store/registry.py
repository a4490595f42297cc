"""The registry of models: one SQLite file, a row per training, failed ones included.

WAL lets readers read beside a writer, immediate transactions queue writers instead of failing them
halfway, and with full synchronisation a committed row survives a loss of power.

The files of a model are copied into a folder beside the registry, because those of the workspace
change with the next training. So every registered model can be scored with, and promoted again.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from spline_lstm.core.errors import StoreError
from spline_lstm.core.formatting import listed

REGISTERED, PROMOTED, RETIRED, FAILED = "registered", "promoted", "retired", "failed"
# Seconds to wait for another writer.
PATIENCE = 30.0
TABLES = """
CREATE TABLE IF NOT EXISTS models (
    model_id TEXT PRIMARY KEY,
    task_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    git_commit TEXT NOT NULL,
    data_hash TEXT NOT NULL,
    params_json TEXT NOT NULL,
    metrics_json TEXT NOT NULL,
    path TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('registered', 'promoted', 'retired', 'failed')),
    reason TEXT NOT NULL,
    promoted_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_promoted ON models (task_id) WHERE status = 'promoted';
"""


@dataclass(frozen=True)
class Model:
    """One row of the registry.

    Attributes
    ----------
    model_id : str
        The content run id; of a failed training ``failed-`` and a hash.
    task_id : str
        The task, as in params.yaml.
    created_at : str
        When it was registered, UTC.
    git_commit : str
        Of the code, with ``+changes`` if tracked code or params differed from it.
    data_hash : str
        SHA-256 of the raw table, "" if there was none.
    params_json, metrics_json : str
        Complete params, and the numbers of metrics/evaluate.json.
    path : str
        Folder of its files, relative to the registry; "" for a failed training.
    status : registered, promoted, retired or failed
    reason : str
        Why the training failed, else "".
    promoted_at : str
        When it was promoted last, UTC; "" if never.
    """

    model_id: str
    task_id: str
    created_at: str
    git_commit: str
    data_hash: str
    params_json: str
    metrics_json: str
    path: str
    status: str
    reason: str = ""
    promoted_at: str = ""


NAMES = tuple(each.name for each in fields(Model))
SELECT = f"SELECT {', '.join(NAMES)} FROM models"  # noqa: S608
INSERT = (
    f"INSERT INTO models ({', '.join(NAMES)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(NAMES))}) ON CONFLICT (model_id) DO NOTHING"
)


@dataclass(frozen=True)
class Registry:
    """The models of one store.

    Attributes
    ----------
    path : the SQLite file; reading makes none
    """

    path: Path

    def models(self) -> list[Model]:
        """All rows, the newest first."""
        return self._read(f"{SELECT} ORDER BY created_at DESC, model_id")

    def get(self, name: str) -> Model:
        """The model with an id, or the only one whose id starts like this.

        Raises
        ------
        StoreError
            There is none, or more than one.
        """
        models = self.models()
        found = [model for model in models if model.model_id == name] or [
            model for model in models if name and model.model_id.startswith(name)
        ]
        if len(found) == 1:
            return found[0]
        if not models:
            raise StoreError(
                f"{self.path} has no models; `python -m spline_lstm train FOLDER` registers one"
            )
        problem = "has no model" if not found else "has more than one model"
        known = listed([model.model_id for model in found or models])
        raise StoreError(
            f"{self.path} {problem} {name}; give one of its ids: {known} "
            "(`python -m spline_lstm registry list`)"
        )

    def promoted(self, task_id: str) -> Model | None:
        """The promoted model of a task; None if there is none."""
        found = self._read(f"{SELECT} WHERE status = ? AND task_id = ?", PROMOTED, task_id)
        return found[0] if found else None

    def add(self, model: Model) -> bool:
        """Add a row; False if the model is there already, which changes nothing."""
        with self._transaction() as connection:
            return connection.execute(INSERT, astuple(model)).rowcount == 1

    def promote(self, name: str, now: str) -> Model:
        """Make a model that of its task; the one before is kept as registered.

        Raises
        ------
        StoreError
            There is no such model, its training failed, or its files are gone.
        """
        model = self.get(name)
        if model.status == FAILED:
            raise StoreError(f"model {model.model_id} cannot be promoted: its training failed")
        self.folder(model)
        with self._transaction() as connection:
            connection.execute(
                "UPDATE models SET status = ? WHERE status = ? AND task_id = ? AND model_id != ?",
                (REGISTERED, PROMOTED, model.task_id, model.model_id),
            )
            connection.execute(
                "UPDATE models SET status = ?, promoted_at = ? WHERE model_id = ?",
                (PROMOTED, now, model.model_id),
            )
        return self.get(model.model_id)

    def retire(self, name: str) -> Model:
        """Mark a model as not to be used; its row and files stay.

        Raises
        ------
        StoreError
            There is no such model, or it is promoted.
        """
        model = self.get(name)
        statement = "UPDATE models SET status = ? WHERE model_id = ? AND status = ?"
        with self._transaction() as connection:
            values = (RETIRED, model.model_id, REGISTERED)
            changed = connection.execute(statement, values).rowcount
        if not changed and model.status != RETIRED:
            remedy = "promote another one first" if model.status == PROMOTED else "leave it"
            raise StoreError(f"model {model.model_id} is {model.status}; {remedy}")
        return self.get(model.model_id)

    def folder(self, model: Model) -> Path:
        """Folder of the files of a model.

        Raises
        ------
        StoreError
            It is gone.
        """
        folder = self.path.parent / model.path
        if not model.path or not folder.is_dir():
            raise StoreError(
                f"model {model.model_id} has no files ({folder}); restore them from a backup, or "
                "train it again"
            )
        return folder

    def check(self) -> str:
        """Result of SQLite's integrity check: "ok"."""
        if not self.path.is_file():
            return "ok"
        with self._connection() as connection:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])

    def _read(self, query: str, *values: str) -> list[Model]:
        if not self.path.is_file():
            return []
        with self._connection() as connection:
            return [Model(*row) for row in connection.execute(query, values)]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(_open(self.path)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path} cannot be used ({error}); wait for the process that writes it, or "
                "restore it from a backup"
            ) from None


def _open(path: Path) -> sqlite3.Connection:
    """A connection to the registry, whose table is made if needed."""
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            _prepare(connection)
        except sqlite3.OperationalError:
            # The change to WAL does not wait for others by itself.
            if time.monotonic() > end:
                connection.close()
                raise
            time.sleep(0.05)
        except sqlite3.Error:
            connection.close()
            raise
        else:
            return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    made = "SELECT 1 FROM sqlite_master WHERE name = 'one_promoted'"
    if connection.execute(made).fetchone() is None:
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
