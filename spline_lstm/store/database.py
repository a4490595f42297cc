"""DuckDB over the stored predictions: the view that readers query, and the export to one file.

DuckDB is an extra of the package (``store``); storing and scoring do not need it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from spline_lstm.core.errors import StoreError, UsageError
from spline_lstm.core.formatting import plural
from spline_lstm.store.files import temporary_name
from spline_lstm.store.predictions import COLUMNS, KEYS, files_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PATTERN = "task_id=*/date=*/*.parquet"


def connect(predictions: Path) -> "DuckDBPyConnection":
    """A DuckDB in memory with the view `predictions`: of equal keys the first row generated.

    The files that are there when a query starts are read; others may be added meanwhile.

    Parameters
    ----------
    predictions : Path
        Folder of the Parquet files.

    Raises
    ------
    StoreError
        DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415
    except ImportError:
        raise StoreError(
            "this needs DuckDB, which is not installed; call `make env-all`, or "
            "pip install 'spline-lstm[store]' (score and registry work without it)"
        ) from None
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW predictions AS {_query(predictions)}")
    return connection


def _query(predictions: Path) -> str:
    """The rows of all files, the first of equal keys, with the date that their folder names."""
    if next(files_of(predictions), None) is None:
        return f"SELECT {', '.join(f'NULL AS {name}' for name in COLUMNS)} WHERE false"
    keys = ", ".join(KEYS)
    files = str(predictions / PATTERN).replace("'", "''")
    # Files of later calls may have further columns, and `date` may be the number of an index.
    # Only names of this module and the quoted path are put in.
    return f"""
        SELECT * EXCLUDE (filename) FROM read_parquet(
            '{files}', union_by_name = true, filename = true, hive_partitioning = true,
            hive_types = {{'date': VARCHAR, 'task_id': VARCHAR}}
        )
        QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY generated_at, filename) = 1
    """  # noqa: S608


def export(predictions: Path, path: Path) -> str:
    """Write the table `predictions` into a DuckDB file, which replaces an earlier one.

    Returns what was written. A file that is open elsewhere stays as its readers opened it.

    Raises
    ------
    UsageError
        The folder of the file does not exist.
    StoreError
        DuckDB is not installed.
    """
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it or name another")
    if path.is_dir():
        raise UsageError(f"{path}: this is a folder; name a file in it")
    temporary = path.parent / temporary_name()
    with connect(predictions) as connection:
        try:
            name = str(temporary).replace("'", "''")
            connection.execute(f"ATTACH '{name}' AS written")
            keys = ", ".join(KEYS)
            connection.execute(
                f"CREATE TABLE written.predictions AS FROM predictions ORDER BY {keys}"
            )
            counted = connection.execute("SELECT count(*) FROM written.predictions").fetchone()
            connection.execute("DETACH written")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return f"{path}: {plural(counted[0] if counted else 0, 'row')} in the table predictions"
