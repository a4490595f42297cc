"""A loaded model of the task forecast: the promoted one of a pipeline folder, or its files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.schema import Schema
from spline_lstm.core.table_format import INDEX, TableFormat
from spline_lstm.export.sessions import Session
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.service.served_model import ServedModel
from spline_lstm.service.source import Source
from spline_lstm.store.registry import Model
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.preprocessor import Preprocessor

FILES = ("model.onnx", "model.tflite")
# Column of the timestamps in the rows that the service makes of a body.
TIMESTAMP = "timestamp"
Fitted = TypeVar("Fitted", bound=Preprocessor)


@dataclass(frozen=True, eq=False)
class LoadedModel(ServedModel):
    """A model that answers calls.

    Attributes
    ----------
    path : Path
        The exported file.
    forecaster : ExportedForecaster
        With the preprocessor of `rows_preprocessor`.
    table_schema : Schema
        Of the raw table, as the pipeline has it.
    """

    path: Path
    forecaster: ExportedForecaster
    table_schema: Schema

    @property
    def run_id(self) -> str:
        """Content id of the trained model."""
        return str(self.forecaster.metadata["run_id"])

    @property
    def preprocessor(self) -> Preprocessor:
        """Constants of preprocessing, with the schema of rows of a body."""
        return self.forecaster.preprocessor

    @property
    def sessions(self) -> Mapping[Path, Session]:
        """The exported file."""
        return {self.path: self.forecaster.session}

    @cached_property
    def limits(self) -> ForecastLimits:
        """What every forecast keeps to."""
        return self.preprocessor.limits

    @cached_property
    def is_panel(self) -> bool:
        """The pipeline has a column that tells series apart."""
        return self.preprocessor.schema.series_col is not None

    def summary(self) -> dict[str, Any]:
        """What a list of models says."""
        metadata, clock = self.forecaster.metadata, self.preprocessor.clock
        return {
            **self.source.summary(self.row, self.run_id),
            "targets": list(metadata["targets"]),
            "lookback": metadata["lookback"],
            "horizon": metadata["horizon"],
            "frequency": clock.frequency,
            "time_zone": clock.zone or "UTC",
            "levels": list(self.levels),
        }

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the prediction intervals, percent; none without calibrated intervals."""
        intervals = self.forecaster.intervals
        return () if intervals is None else tuple(intervals.levels)

    def details(self) -> dict[str, Any]:
        """What is known about the model: schema, metrics and hash of the data, too."""
        return {
            **self.summary(),
            **self.source.measured(self.row),
            "schema": self.table_schema.model_dump(mode="json"),
            "model_type": self.forecaster.metadata["model_type"],
            "features": list(self.preprocessor.features),
            "future_columns": [item.name for item in self.preprocessor.known_future],
        }


def load_model(source: Source, row: Model | None) -> LoadedModel:
    """The model of a row of the registry, or the exported files of the folder.

    Raises
    ------
    StoreError, ArtifactError
        Files are missing or damaged, or do not belong together.
    """
    pipeline = Pipeline(source.files_of(row))
    path = next(
        (pipeline.exported / name for name in FILES if (pipeline.exported / name).is_file()), None
    )
    if path is None:
        raise ArtifactError(
            f"{source.folder} has no model to serve ({pipeline.exported / FILES[0]} is missing); "
            f"run `dvc repro {(source.folder / 'dvc.yaml').as_posix()}`, or promote a model"
        )
    forecaster = ExportedForecaster.load(path, pipeline.preprocessor)
    preprocessor = forecaster.preprocessor
    served = replace(forecaster, preprocessor=rows_preprocessor(preprocessor))
    return LoadedModel(source, row, path, served, preprocessor.table_schema)


def rows_preprocessor(preprocessor: Fitted) -> Fitted:
    """The same constants with the schema of the rows that a body has.

    A body is long whatever the layout of the raw file is: one timestamp, ISO 8601 or a whole
    number, and numbers as JSON has them.
    """
    schema = preprocessor.table_schema.long
    form = INDEX if preprocessor.table_schema.is_indexed else "ISO8601"
    taken = {*schema.target_cols, *schema.covariate_names, schema.series_col}
    name = TIMESTAMP if TIMESTAMP not in taken else f"{TIMESTAMP}_"
    return replace(
        preprocessor,
        table_schema=schema.model_copy(
            update={
                "timestamp_col": name,
                "table_format": TableFormat(timestamp_format=form),
            }
        ),
    )
