"""preprocessor.json of a table of rows: everything that turns a row into the inputs of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.artifacts import content_id, read_preprocessor, write_json
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.row_schema import RowSchema
from spline_lstm.rows.features import Features, features_of
from spline_lstm.rows.transforms import IDENTITY, NumberTransform
from spline_lstm.tables.row_table import RowTable

TASK = "tabular"
# Id of every category that training does not have, or has too rarely.
UNKNOWN = 0
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class RowInputs:
    """What models read of rows.

    Attributes
    ----------
    raw : [rows, numbers] float32, data units, NaN where missing
    numbers : [rows, numbers] float32, z-scores, 0 where missing
    missing : [rows, numbers] bool
    categories : [rows, categories] int32, ids, 0 for the unknown token
    """

    raw: Float[np.ndarray, "rows numbers"]
    numbers: Float[np.ndarray, "rows numbers"]
    missing: Bool[np.ndarray, "rows numbers"]
    categories: Int[np.ndarray, "rows categories"]

    @property
    def matrix(self) -> Float[np.ndarray, "rows features"]:
        """Numbers in data units (NaN where missing), then ids of categories, float32: for trees."""
        return np.concatenate([self.raw, self.categories.astype(np.float32)], axis=1)

    def rows(self, chosen: Int[np.ndarray, " chosen"]) -> "RowInputs":
        """Some of the rows."""
        return RowInputs(
            self.raw[chosen], self.numbers[chosen], self.missing[chosen], self.categories[chosen]
        )


@dataclass(frozen=True)
class RowPreprocessor:
    """The options of preprocessing and every constant fitted on the training split.

    Attributes
    ----------
    table_schema : RowSchema
        Of the raw table, as the schema file has it.
    kind : str
        ``classification`` or ``regression``.
    target : str
        Column of the target.
    above : float, optional
        Classification of a number: the label is whether it is above this value.
    columns : tuple of str
        Columns of the table that are read for a row to predict.
    transforms : feature -> NumberTransform
        Numbers in the order of `RowInputs.numbers`.
    categories : feature -> texts in the order of their ids, from id 1 on
        In the order of `RowInputs.categories`; None is a missing cell.
    classes : tuple of str
        Classification: classes in the order of the outputs of a model.
    label : NumberTransform
        Regression: the target is less its training mean, divided by its standard deviation.
    run_id : str
        Content id of everything above; a model names the preprocessor it was trained with.
    """

    table_schema: RowSchema
    kind: str
    target: str
    above: float | None
    columns: tuple[str, ...]
    transforms: Mapping[str, NumberTransform]
    categories: Mapping[str, tuple[str | None, ...]]
    classes: tuple[str, ...] = ()
    label: NumberTransform = IDENTITY
    run_id: str = ""

    def identified(self) -> Self:
        """The same with its run id."""
        content = self.to_json()
        return type(self).from_json({**content, "run_id": content_id(_without_id(content))})

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the number features, in order."""
        return tuple(self.transforms)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features: numbers, then categories."""
        return (*self.transforms, *self.categories)

    @property
    def category_sizes(self) -> tuple[int, ...]:
        """Ids of each category feature, the unknown token included."""
        return tuple(1 + len(texts) for texts in self.categories.values())

    @property
    def outputs(self) -> int:
        """Numbers that a network returns for a row: one per class of three or more, else one."""
        return len(self.classes) if len(self.classes) > 2 else 1

    @property
    def feature_schema(self) -> RowSchema:
        """The schema of rows to predict: the columns that are read for them."""
        chosen = [item for item in self.table_schema.columns if item.name in self.columns]
        return self.table_schema.model_copy(update={"columns": tuple(chosen)})

    @property
    def target_indices(self) -> Int[np.ndarray, " targets"]:
        """Positions of the targets among the inputs: a row does not contain its target."""
        return np.arange(self.outputs)

    @property
    def target_units(self) -> Float[np.ndarray, " targets"]:
        """Data units per unit of the outputs in which the gate measures: 1 for probabilities."""
        return np.full(self.outputs, 1.0 if self.classes else self.label.scale)

    @cached_property
    def _ids(self) -> dict[str, dict[str | None, int]]:
        return {
            name: {text: number for number, text in enumerate(texts, start=1)}
            for name, texts in self.categories.items()
        }

    def inputs(self, features: Features) -> RowInputs:
        """Inputs of rows whose features have the names of `features`."""
        shape = (len(next(iter((*features.numbers.values(), *features.categories.values())))), 0)
        raw = [as_float32(features.numbers[name]) for name in self.numbers]
        columns = np.column_stack(raw) if raw else np.empty(shape, np.float32)
        scores = [
            transform.apply(columns[:, index].astype(np.float64))
            for index, transform in enumerate(self.transforms.values())
        ]
        missing = np.isnan(columns)
        numbers = np.column_stack(scores) if scores else np.empty(shape)
        ids = [
            np.array([known.get(text, UNKNOWN) for text in features.categories[name]], np.int32)
            for name, known in self._ids.items()
        ]
        categories = np.column_stack(ids) if ids else np.empty(shape, np.int32)
        filled = np.where(missing, 0.0, numbers).astype(np.float32)
        return RowInputs(columns, filled, missing, categories)

    def table_inputs(self, table: RowTable) -> RowInputs:
        """Inputs of the rows of a table that has `columns`."""
        return self.inputs(features_of(table, self.table_schema, self.columns))

    def unseen(self, inputs: RowInputs) -> dict[str, int]:
        """Category feature -> rows with the unknown token; only those with any."""
        counts = (inputs.categories == UNKNOWN).sum(axis=0).tolist()
        return {name: count for name, count in zip(self.categories, counts, strict=True) if count}

    def to_json(self) -> dict[str, Any]:
        """Content of preprocessor.json."""
        return {
            "run_id": self.run_id,
            "task": TASK,
            "schema": self.table_schema.model_dump(mode="json", by_alias=True),
            "kind": self.kind,
            "target": self.target,
            "above": self.above,
            "columns": list(self.columns),
            "numbers": {name: item.to_json() for name, item in self.transforms.items()},
            "categories": {name: list(texts) for name, texts in self.categories.items()},
            "classes": list(self.classes),
            "label": self.label.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Undo `to_json`."""
        return cls(
            RowSchema.model_validate(content["schema"], strict=False),
            content["kind"],
            content["target"],
            content["above"],
            tuple(content["columns"]),
            {name: NumberTransform.from_json(item) for name, item in content["numbers"].items()},
            {name: tuple(texts) for name, texts in content["categories"].items()},
            tuple(content["classes"]),
            NumberTransform.from_json(content["label"]),
            content["run_id"],
        )

    def save(self, path: Path) -> None:
        """Write preprocessor.json."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read preprocessor.json.

        Raises
        ------
        ArtifactError
            The file is missing or damaged, was changed, or is that of another task.
        """
        content = read_preprocessor(path)
        if content.get("task") != TASK:
            raise ArtifactError(
                f"{path} is not of the task tabular; name the folder of a tabular pipeline"
            )
        return cls.from_json(content)


def load_row_preprocessor(path: Path) -> RowPreprocessor:
    """Read preprocessor.json; errors as in `RowPreprocessor.load`."""
    return RowPreprocessor.load(path)


def as_float32(values: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """Numbers as models read them; those beyond float32 become its largest ones."""
    return np.clip(values, -LARGEST, LARGEST).astype(np.float32)


def _without_id(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != "run_id"}
