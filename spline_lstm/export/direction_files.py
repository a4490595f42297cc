"""What the task direction exports beside its network: its trees."""

from pathlib import Path
from typing import Any

from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.formats import ExportedModel
from spline_lstm.export.trees_onnx import tree_files
from spline_lstm.market.day_rows import direction_tree_rows


def direction_files(
    folder: Path, params: Params
) -> dict[str, tuple[ExportedModel, dict[str, Any]]]:
    """Part `more_files` of the task; see `tree_files`."""
    return tree_files(Pipeline(folder).trees, direction_tree_rows(folder, params), params)
