"""What the registry asks of the task tabular: a model that loads, and its name."""

from pathlib import Path

from spline_lstm.core.pipeline import Pipeline
from spline_lstm.inference.row_cells import exported_file
from spline_lstm.inference.row_files import RowPredictor


def row_model_id(folder: Path) -> str:
    """Part `model_id` of the task: content id of the exported network of a folder.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or the files do not belong together.
    """
    pipeline = Pipeline(folder)
    return RowPredictor.of_file(exported_file(pipeline.exported), pipeline.preprocessor).run_id
