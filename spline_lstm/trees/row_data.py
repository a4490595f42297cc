"""Rows of a table for boosted trees: the part `rows` of the task tabular."""

from pathlib import Path

from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.rows.arrays import load_rows
from spline_lstm.rows.preprocessor import RowPreprocessor
from spline_lstm.trees.tree_data import TreeData
from spline_lstm.trees.trees import Kind, Objective, TreeRows


def row_objective(preprocessor: RowPreprocessor) -> Objective:
    """What trees predict for the labels of a preprocessor."""
    count = len(preprocessor.classes)
    kind: Kind = "regression" if not count else "binary" if count == 2 else "multiclass"
    return Objective(kind, count if kind == "multiclass" else 1)


def row_tree_data(folder: Path, params: Params) -> TreeData:
    """The rows of a pipeline folder: numbers in data units, ids of categories, labels.

    Trees learn a number in data units, and leave what is missing to their own rule.
    """
    rows = load_rows(folder)
    preprocessor = RowPreprocessor.load(Pipeline(folder).preprocessor)
    splits = {name: rows.split(name) for name in rows.splits}
    return TreeData(
        row_objective(preprocessor),
        preprocessor.features,
        {name: TreeRows(part.inputs.matrix, part.truth) for name, part in splits.items()},
        preprocessor.run_id,
    )
