"""preprocessor.json as an object: all that turns raw history into the inputs of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from jaxtyping import Int

from spline_lstm.core.artifacts import read_preprocessor
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import PreprocessParams
from spline_lstm.core.schema import DynamicCovariate, Schema
from spline_lstm.series.fitted import Fitted
from spline_lstm.tables.raw_table import RawTable, csv_frame, plain_frame, typed_table
from spline_lstm.windows.scaling import Scaler


@dataclass(frozen=True)
class Preprocessor:
    """What an earlier run of preprocessing fixed.

    Attributes
    ----------
    run_id : str
        Content id; a model names the one that it was trained behind.
    schema : Schema
        Of the columns that the model reads: all of them are required, others are not looked at.
    params : PreprocessParams
    fitted : Fitted
    features, targets : names of the columns of X and of the forecast, in order
    target_indices, future_indices : int32, positions of the targets and of what is known in advance, in X
    frequency_ns : step of the grid
    sort, duplicates : how raw tables were read; see `read_raw_table`
    """

    run_id: str
    schema: Schema
    params: PreprocessParams
    fitted: Fitted
    features: tuple[str, ...]
    targets: tuple[str, ...]
    target_indices: Int[np.ndarray, " targets"]
    future_indices: Int[np.ndarray, " future"]
    frequency_ns: int
    sort: bool
    duplicates: str

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Preprocessor":
        """Read the content of preprocessor.json; KeyError or ValueError where it is not of this version."""
        schema = Schema.model_validate(_tuples(content["schema"]))
        return cls(
            run_id=content["run_id"],
            schema=read_by_model(schema, content["columns"], content["statics"]),
            params=PreprocessParams.model_validate(_tuples(content["params"])),
            fitted=Fitted.from_json(content),
            features=tuple(content["features"]),
            targets=tuple(content["targets"]),
            target_indices=np.array(content["target_indices"], dtype=np.int32),
            future_indices=np.array(content["future_indices"], dtype=np.int32),
            frequency_ns=content["frequency_ns"],
            sort=content["reading"]["sort"],
            duplicates=content["reading"]["duplicates"],
        )

    @classmethod
    def load(cls, path: Path) -> "Preprocessor":
        """Read models/preprocessor.json.

        Raises
        ------
        ArtifactError
            The file is missing, damaged, changed after it was written, or of another version of the code.
        """
        content = read_preprocessor(path)
        try:
            return cls.from_json(content)
        except (KeyError, TypeError, pydantic.ValidationError) as error:
            lines = str(error).splitlines()
            raise ArtifactError(
                f"{path} was written by another version of the code ({lines[0]}); run `dvc repro`"
            ) from None

    @property
    def target_scaler(self) -> Scaler:
        """The part of the scaler that belongs to the targets."""
        return self.fitted.scaler.columns(self.target_indices)

    @property
    def known_future(self) -> tuple[DynamicCovariate, ...]:
        """Columns of the raw table that are known in advance."""
        return tuple(item for item in self.schema.dynamic_covariates if item.known_future)

    @property
    def known_schema(self) -> Schema:
        """The schema with no other covariates than those that are known in advance."""
        return self.schema.model_copy(
            update={"dynamic_covariates": self.known_future, "static_covariates": ()}
        )

    def history_frame(self, source: pd.DataFrame | bytes, where: str) -> pd.DataFrame:
        """Columns of a frame in memory or of CSV text, as `read` takes them; errors as in `read_raw_table`."""
        return _columns_of(source, self.schema, where)

    def future_frame(self, source: pd.DataFrame | bytes, where: str) -> pd.DataFrame:
        """Of rows to come: timestamps, series keys and what is known in advance; errors as in `read_raw_table`."""
        return _columns_of(source, self.known_schema.model_copy(update={"target_cols": ()}), where)

    def check_future(self, frame: pd.DataFrame, where: str) -> None:
        """Raise as `read` where rows out of `future_frame` break the data contract by themselves."""
        # Targets to come are unknown.
        self.read(
            frame.assign(**dict.fromkeys(self.schema.target_cols, np.nan)), where, self.known_schema
        )

    def read(self, frame: pd.DataFrame, where: str, schema: Schema | None = None) -> RawTable:
        """The raw table by the rules of the run, and by its schema or another; errors as in `read_raw_table`."""
        lines = frame.index.to_numpy(dtype=np.int64)
        rows = frame.reset_index(drop=True)
        return typed_table(
            rows,
            schema or self.schema,
            where=where,
            sort=self.sort,
            duplicates=self.duplicates,
            lines=lines,
        )

    def scaler_rows(self, series: tuple[str, ...]) -> Int[np.ndarray, " series"]:
        """Row of each series in a per-series scaler; -1, all series together, for one that was not there."""
        known = {name: row for row, name in enumerate(self.fitted.series)}
        return np.array([known.get(name, -1) for name in series], dtype=np.int64)


def _columns_of(source: pd.DataFrame | bytes, schema: Schema, where: str) -> pd.DataFrame:
    """Rows are named by the index: the lines of a file, or the positions in a frame."""
    if not isinstance(source, bytes):
        return plain_frame(source, schema, where)
    frame, lines = csv_frame(source, schema, where)
    return plain_frame(frame, schema, where).set_index(pd.Index(lines))


def read_by_model(schema: Schema, columns: list[str], statics: Mapping[str, Any]) -> Schema:
    """The schema without covariates that no feature is made of; those that remain are required."""
    return schema.model_copy(
        update={
            "dynamic_covariates": tuple(
                item.model_copy(update={"required": True})
                for item in schema.dynamic_covariates
                if item.name in columns
            ),
            "static_covariates": tuple(
                item.model_copy(update={"required": True})
                for item in schema.static_covariates
                if item.name in statics
            ),
        }
    )


def _tuples(value: Any) -> Any:
    """JSON lists as tuples, which strict models ask for."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
