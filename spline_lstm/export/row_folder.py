"""The `RowSpec` of a pipeline folder: the part `spec` of the task tabular."""

from pathlib import Path

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.errors import ArtifactError, ExportError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.row_spec import RowSpec, pieces_of
from spline_lstm.export.spec import identified_weights
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.rows.preprocessor import RowPreprocessor


def load_row_spec(folder: Path) -> RowSpec:
    """The trained network of a pipeline folder, with its best weights.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or weights, config and preprocessor do not belong together.
    ExportError
        The network is of a type without an exported form.
    """
    pipeline = Pipeline(folder)
    content, preprocessor = (
        read_json(pipeline.model),
        RowPreprocessor.load(pipeline.preprocessor),
    )
    try:
        config = RowConfig.from_json(content)
        run_id, trained_with = content["run_id"], content["preprocessor_run_id"]
    except KeyError as error:
        raise ArtifactError(f"{pipeline.model} lacks {error}; run `dvc repro`") from None
    if not MODEL_TYPES[config.model_type].exported:
        raise ExportError(
            f"model.type {config.model_type} has no exported form; predict with the pipeline folder"
        )
    if trained_with != preprocessor.run_id:
        raise ArtifactError(
            f"{pipeline.model} was trained with preprocessor {trained_with}, but "
            f"{pipeline.preprocessor} is {preprocessor.run_id}; run `dvc repro`"
        )
    weights = identified_weights(
        pipeline.best_weights, config, expected_id=run_id, preprocessor_run_id=trained_with
    )
    return RowSpec(
        config,
        run_id,
        trained_with,
        weights,
        pieces_of(list(preprocessor.transforms.values())),
        preprocessor.categories,
    )
