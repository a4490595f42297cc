"""The boosted trees of the task tabular as files beside the network: its part `more_files`."""

from pathlib import Path
from typing import Any

from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.formats import ExportedModel
from spline_lstm.export.trees_onnx import tree_files
from spline_lstm.trees.row_data import row_tree_data


def row_tree_files(folder: Path, params: Params) -> dict[str, tuple[ExportedModel, dict[str, Any]]]:
    """Files of the trees of a pipeline folder, without trees none; errors as in `tree_files`."""
    if not params.trees.members:
        return {}
    return tree_files(Pipeline(folder).trees, row_tree_data(folder, params), params, decimals=True)
