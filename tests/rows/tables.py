"""A small invented table of rows, with whatever a test wants in it."""

import numpy as np
import pandas as pd

from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.row_schema import RowColumn, RowSchema
from spline_lstm.rows.preprocess import PreprocessedRows, preprocess_rows
from spline_lstm.tables.row_table import RowTable, read_row_table

KINDS = {"x": "number", "z": "number", "color": "category", "day": "date", "y": "category"}


def frame(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Two numbers, a category, a date, and a class that the first number and the category make."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "x": rng.normal(size=rows).round(3),
            "z": rng.gamma(2.0, size=rows).round(3),
            "color": rng.choice(["red", "green", "blue"], rows),
            "day": pd.date_range("2021-01-01", periods=rows, freq="D").strftime("%Y-%m-%d"),
        }
    )
    score = table["x"] + (table["color"] == "red") + 0.3 * rng.normal(size=rows)
    table["y"] = np.where(score > 0.3, "yes", "no")
    table["value"] = (2 * table["x"] + table["z"] + 0.1 * rng.normal(size=rows)).round(4)
    return table


def schema_of(**kinds: str) -> RowSchema:
    return RowSchema(columns=tuple(RowColumn(name=name, kind=kind) for name, kind in kinds.items()))


def table_of(content: pd.DataFrame, schema: RowSchema) -> RowTable:
    return read_row_table(content.to_csv(index=False).encode(), schema, where="t.csv")


def preprocessed(content: pd.DataFrame, kinds=KINDS, **params) -> PreprocessedRows:
    schema = schema_of(**kinds)
    given = TabularParams(**{"target": "y", **params})
    return preprocess_rows(table_of(content, schema), schema, given, where="t.csv")


def texts(findings) -> str:
    return "\n".join(item["text"] for item in findings)
