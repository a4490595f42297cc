"""The leakage audit of a table of rows: no constant may depend on rows of validation and test.

The cells of these rows are changed, and everything is fitted again with the same split. Constants
that differ, and inputs of training rows that differ, have seen them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.core.errors import LeakageError
from spline_lstm.core.formatting import listed, plural
from spline_lstm.core.params import Params
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.row_schema import RowSchema, load_row_schema
from spline_lstm.rows.preprocess import PreprocessedRows, preprocess_rows
from spline_lstm.tables.raw_file import find_raw
from spline_lstm.tables.row_table import NO_DATE, RowTable, read_row_table

# Keys of preprocessor.json that say what they belong to rather than contain constants.
NAMED = ("numbers", "categories")


def audit_rows_folder(folder: Path, params: Params, origins: int, seed: int) -> str:
    """Audit the preprocessing of the table of a folder, and say what was compared.

    Parameters
    ----------
    folder : Path
    params : Params
    origins : int
        Of no use here: all rows are compared.
    seed : int
        Of the changes.

    Raises
    ------
    LeakageError
        A constant has seen rows of validation or test.
    """
    schema = load_row_schema(folder / params.data.schema_file)
    raw = find_raw(Pipeline(folder))
    table = read_row_table(raw.read_bytes(), schema, where=str(raw))
    before, found = audit_rows(table, schema, params.tabular, where=str(raw), seed=seed)
    outside = int((before.arrays.codes != 0).sum())
    if found:
        raise LeakageError(
            f"{raw}: {plural(len(found), 'constant')} changed with {outside} rows of validation "
            f"and test: {listed(found)}. Report this as a defect, with params.yaml and the schema"
        )
    fitted = before.preprocessor
    return (
        f"all constants of {plural(len(fitted.features), 'feature')} compared after a change of "
        f"{outside} rows of validation and test; 0 differ"
    )


def audit_rows(
    table: RowTable,
    schema: RowSchema,
    params: TabularParams,
    *,
    where: str,
    seed: int = 0,
    preprocess: Callable[..., PreprocessedRows] = preprocess_rows,
) -> tuple[PreprocessedRows, list[str]]:
    """What `preprocess` makes of the table, and the constants that saw rows outside training."""
    needed = [name for name in (params.target, params.split_column) if name is not None]
    kept = table.kept(~np.any([table.is_missing(name) for name in needed], axis=0))
    before = preprocess(kept, schema, params, where=where)
    codes = before.arrays.codes
    changed = changed_rows(kept, codes != 0, params, seed)
    after = preprocess(changed, schema, params, where=where, codes=codes)
    return before, differences(before, after)


def changed_rows(
    table: RowTable, outside: Bool[np.ndarray, " rows"], params: TabularParams, seed: int
) -> RowTable:
    """The table with other cells in some rows: larger numbers, later dates, new texts.

    Targets are exchanged between these rows, so that they stay valid.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = np.flatnonzero(outside)
    columns = {
        name: values if name == params.split_column else _changed(values, rows, generator)
        for name, values in table.columns.items()
    }
    target = table.columns[params.target].copy()
    target[rows] = target[generator.permutation(rows)]
    return RowTable({**columns, params.target: target}, table.lines, table.unknown_columns)


def _changed(
    values: np.ndarray, rows: Int[np.ndarray, " some"], generator: np.random.Generator
) -> np.ndarray:
    changed = values.copy()
    cells = changed[generator.permutation(rows)]
    if values.dtype == object:
        changed[rows] = [None if cell is None else f"{cell}, changed" for cell in cells]
    elif values.dtype.kind == "f":
        changed[rows] = 10 * cells + 1000
    else:
        changed[rows] = np.where(cells == NO_DATE, cells, cells + 86_400 * 10**9 * 400)
    return changed


def differences(before: PreprocessedRows, after: PreprocessedRows) -> list[str]:
    """Names of the constants that differ, and of the features whose training inputs do."""
    one, other = (_flat(each.preprocessor.to_json()) for each in (before, after))
    found = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    train = before.arrays.codes == 0
    first, second = (each.arrays.inputs.matrix[train] for each in (before, after))
    if first.shape == second.shape and not found:
        same = np.array_equal(first, second, equal_nan=True)
        found += [] if same else ["the inputs of training rows"]
    return found


def _flat(content: dict[str, Any]) -> dict[str, Any]:
    """Constants by name: ``numbers.age``, ``label``."""
    plain = {key: value for key, value in content.items() if key not in ("run_id", *NAMED)}
    return plain | {f"{key}.{name}": value for key in NAMED for name, value in content[key].items()}
