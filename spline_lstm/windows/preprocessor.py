"""preprocessor.json as an object: everything that turns raw history into the inputs of a model.

The stage preprocess writes it; every later stage and serving read it. It lies beside `AsOfArrays`,
the other output of that stage: windows and models read it without the code that fits it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.artifacts import content_id, read_preprocessor, write_json
from spline_lstm.core.clock import Clock
from spline_lstm.core.covariates import DynamicCovariate
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import PreprocessParams
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema
from spline_lstm.core.section import missing_keys
from spline_lstm.core.target_options import PLAIN, TargetOptions
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.scaling import Scaler


@dataclass(frozen=True)
class Embedding:
    """A categorical input that becomes a learned vector.

    Attributes
    ----------
    name : str
    size : int
        Number of ids, the unknown token (id 0) included.
    dim : int
        Length of the vector.
    """

    name: str
    size: int
    dim: int

    def to_json(self) -> dict[str, Any]:
        """Plain content for preprocessor.json."""
        return {"name": self.name, "size": self.size, "dim": self.dim}


@dataclass(frozen=True)
class Preprocessor:
    """The options of preprocessing and every constant fitted on the training split.

    Attributes
    ----------
    table_schema : Schema
        Of the raw table, as the schema file has it.
    params : PreprocessParams
    columns : tuple of str
        Columns of the raw table that become features, targets first.
    features : tuple of str
        Columns of X, in order.
    target_indices, future_indices : int32
        Positions in X of the targets and of the features that are known in the future.
    clock : Clock
        Whose rows are those of the grid.
    split_instants : [2 or 3] int64
        Starts of the validation and the test split, then the end of the test split if it has one.
    series : tuple of str
        Names of the series, in the order of the rows of a per-series scaler.
    seasons : column -> rows in its season
        None for a column without a season; empty unless gaps are filled by seasons.
    strengths : column -> series -> smoothing strength, cubes of a step
        Empty without smoothing.
    categories : categorical column -> its texts in the training split
        The first text has id 1.
    statics : static covariate -> texts of the series in the training split
        The first text has id 1.
    scaler : Scaler
        Of all features.
    neutral : tuple of float
        z-score of the training mean, per feature: replaces a covariate of which nothing is known.
    constants : target -> series -> value
        Targets that were constant in the training split of a series of several.
    reading : Reading
        How raw tables are read.
    short_series : str
        `data.short_series`: with ``skip`` serving leaves out series that are too short, too.
    skipped : series -> rows from its first to its last observed target
        Series that were too short for training.
    options : TargetOptions
        How targets enter a model.
    run_id : str
        Content id of everything above; a model names the preprocessor it was trained with.
    """

    table_schema: Schema
    params: PreprocessParams
    columns: tuple[str, ...]
    features: tuple[str, ...]
    target_indices: Int[np.ndarray, " targets"]
    future_indices: Int[np.ndarray, " future"]
    clock: Clock
    split_instants: Int[np.ndarray, " two_or_three"]
    series: tuple[str, ...]
    seasons: Mapping[str, int | None]
    strengths: Mapping[str, Mapping[str, float]]
    categories: Mapping[str, tuple[str, ...]]
    statics: Mapping[str, tuple[str, ...]]
    scaler: Scaler
    neutral: tuple[float, ...]
    constants: Mapping[str, Mapping[str, float]]
    reading: Reading
    short_series: str = "skip"
    skipped: Mapping[str, int] = field(default_factory=dict)
    options: TargetOptions = PLAIN
    run_id: str = ""

    def identified(self) -> Self:
        """The same preprocessor with the run id of its content."""
        return replace(self, run_id=content_id(self._content()))

    def of_series(self, names: tuple[str, ...]) -> Self:
        """The constants of some of the series, in the order of `names`.

        Those of all series together stay what they are.
        """
        if names == self.series:
            return self
        strengths, constants = (
            {
                column: {name: each[name] for name in names if name in each}
                for column, each in part.items()
            }
            for part in (self.strengths, self.constants)
        )
        scaler = self.scaler.of_series(self.scaler_rows(names))
        chosen = replace(
            self, series=names, strengths=strengths, constants=constants, scaler=scaler
        )
        return chosen.identified()

    def to_json(self) -> dict[str, Any]:
        """Content of preprocessor.json."""
        return {"run_id": self.run_id, **self._content()}

    def _content(self) -> dict[str, Any]:
        return {
            "schema": self.table_schema.model_dump(mode="json"),
            "columns": list(self.columns),
            "features": list(self.features),
            "targets": list(self.targets),
            "target_indices": self.target_indices.tolist(),
            "future_indices": self.future_indices.tolist(),
            "statics_embedded": [item.to_json() for item in self.static_embeddings],
            "features_embedded": [item.to_json() for item in self.feature_embeddings],
            "params": self.params.model_dump(mode="json"),
            "clock": self.clock.to_json(),
            "split_instants": self.split_instants.tolist(),
            "series": list(self.series),
            "seasons": dict(self.seasons),
            "strengths": {name: dict(each) for name, each in self.strengths.items()},
            "categories": {name: list(texts) for name, texts in self.categories.items()},
            "statics": {name: list(texts) for name, texts in self.statics.items()},
            "scaler": self.scaler.to_json(),
            "neutral": list(self.neutral),
            "constants": {name: dict(each) for name, each in self.constants.items()},
            "reading": self.reading.to_json(),
            "short_series": self.short_series,
            "skipped": dict(self.skipped),
            "options": self.options.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; KeyError or ValueError if another version wrote it."""
        for key, _ in missing_keys(content["params"], PreprocessParams):
            raise KeyError(f"params.{key}")
        return cls(
            table_schema=Schema.model_validate(_tuples(content["schema"])),
            params=PreprocessParams.model_validate(_tuples(content["params"])),
            columns=tuple(content["columns"]),
            features=tuple(content["features"]),
            target_indices=np.array(content["target_indices"], dtype=np.int32),
            future_indices=np.array(content["future_indices"], dtype=np.int32),
            clock=Clock.from_json(content["clock"]),
            split_instants=np.array(content["split_instants"], dtype=np.int64),
            series=tuple(content["series"]),
            seasons=dict(content["seasons"]),
            strengths=dict(content["strengths"]),
            categories=_tuples(content["categories"]),
            statics=_tuples(content["statics"]),
            scaler=Scaler.from_json(content["scaler"]),
            neutral=tuple(content["neutral"]),
            constants=dict(content["constants"]),
            reading=Reading(**content["reading"]),
            short_series=content["short_series"],
            skipped=dict(content["skipped"]),
            options=TargetOptions(**content["options"]),
            run_id=content["run_id"],
        )

    def save(self, path: Path) -> None:
        """Write models/preprocessor.json, atomically."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read models/preprocessor.json.

        Raises
        ------
        ArtifactError
            The file is missing, damaged, changed after it was written, or of another version of
            the code.
        """
        content = read_preprocessor(path)
        try:
            return cls.from_json(content)
        except (KeyError, TypeError, ValueError) as error:
            lines = str(error).splitlines()
            raise ArtifactError(
                f"{path} was written by another version of the code ({lines[0]}); run `dvc repro`"
            ) from None

    @cached_property
    def schema(self) -> Schema:
        """Schema of the rows that the model reads, in long layout; see `source_schema`."""
        return self.source_schema.long

    @cached_property
    def source_schema(self) -> Schema:
        """Schema of the columns that the model reads, in the layout of their file.

        Others are ignored.
        """
        whole = self.table_schema
        dynamic = (item for item in whole.dynamic_covariates if item.name in self.columns)
        static = (item for item in whole.static_covariates if item.name in self.statics)
        return whole.model_copy(
            update={"dynamic_covariates": tuple(dynamic), "static_covariates": tuple(static)}
        )

    @property
    def known_future(self) -> tuple[DynamicCovariate, ...]:
        """Columns of the raw table that are known in the future."""
        return tuple(item for item in self.schema.dynamic_covariates if item.known_future)

    @property
    def known_schema(self) -> Schema:
        """The schema with only those covariates that are known in the future."""
        return self.schema.model_copy(
            update={"dynamic_covariates": self.known_future, "static_covariates": ()}
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the columns of a forecast, in order."""
        return self.table_schema.target_cols

    @cached_property
    def target_scaler(self) -> Scaler:
        """The scaler of the targets."""
        return self.scaler.columns(self.target_indices)

    @property
    def target_units(self) -> Float[np.ndarray, " targets"]:
        """Data units per z-score of each target, of all series together."""
        return self.target_scaler.plain.overall.scale

    @cached_property
    def limits(self) -> ForecastLimits:
        """What every forecast must keep to; rows as in `scaler_rows`."""
        bounds = np.array(self.table_schema.bounds_of_targets, dtype=np.float64)
        constants = np.full((len(self.series) + 1, len(self.targets)), np.nan)
        rows = {name: row for row, name in enumerate(self.series)}
        for column, target in enumerate(self.targets):
            for name, value in self.constants.get(target, {}).items():
                constants[rows[name], column] = value
        return ForecastLimits(np.where(np.isnan(bounds), (-np.inf, np.inf), bounds), constants)

    @property
    def mask_indices(self) -> tuple[int, ...]:
        """Position of the mask of each target among the features; none without masks."""
        if not self.options.has_channels:
            return ()
        return tuple(self.features.index(f"{name}_mask") for name in self.targets)

    @property
    def static_embeddings(self) -> tuple[Embedding, ...]:
        """The static covariates, in the order of their ids in X_static."""
        return self._embeddings(self.statics)

    @property
    def feature_embeddings(self) -> tuple[Embedding, ...]:
        """The categorical features that are ids in X."""
        names = self.features
        return self._embeddings({k: texts for k, texts in self.categories.items() if k in names})

    def _embeddings(self, tables: Mapping[str, tuple[str, ...]]) -> tuple[Embedding, ...]:
        schema = self.table_schema
        covariates = (*schema.static_covariates, *schema.dynamic_covariates)
        dims = {item.name: item.dim for item in covariates if item.dim is not None}
        return tuple(Embedding(name, len(texts) + 1, dims[name]) for name, texts in tables.items())

    def scaler_rows(self, series: tuple[str, ...]) -> Int[np.ndarray, " series"]:
        """Row of each series in a per-series scaler; -1, all series, for an unknown one."""
        return np.array([self._row_of.get(name, -1) for name in series], dtype=np.int64)

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.series)}


def load_preprocessor(path: Path) -> Preprocessor:
    """Read models/preprocessor.json; errors as in `Preprocessor.load`."""
    return Preprocessor.load(path)


def _tuples(value: Any) -> Any:
    """JSON lists as tuples, which strict models ask for."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
