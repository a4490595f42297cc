"""configs/catalog.yaml: defaults of the types of model, and the ranges that tuning searches."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Section
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.tuning.listed_models import ListedModel, check_names

PATH = Path("configs/catalog.yaml")
UNITS_STEP, DROPOUT_STEP = 16, 0.05
# Settings outside the section model.
ELSEWHERE = {
    "learning_rate": "train.learning_rate",
    "batch_size": "train.batch_size",
    "lookback": "window.lookback",
    "transform": "target.transform",
    "smoothing_strength": "preprocess.smoothing.strength",
}
Combination = Literal["none", "linear", "seasonal", "stack", "beside"]
# What is added to a network, by name: keys of the section model.
COMBINATIONS: Mapping[Combination, Mapping[str, Any]] = {
    "none": {"linear_skip": "none", "seasonal_skip": False, "stack": "none"},
    "linear": {"linear_skip": "frozen", "seasonal_skip": False, "stack": "none"},
    "seasonal": {"linear_skip": "frozen", "seasonal_skip": True, "stack": "none"},
    "stack": {"linear_skip": "frozen", "seasonal_skip": True, "stack": "shrunk"},
    "beside": {"linear_skip": "beside", "seasonal_skip": False, "stack": "shrunk"},
}

Layers = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
Normalization = Literal["none", "last", "revin", "robust"]
Transform = Literal["none", "log", "box-cox"]


class Choice(Section):
    """Values of all settings that tuning searches.

    None leaves the params as they are. So a catalog need not know what fits every series, and
    params may have a combination without a name.
    """

    hidden: Layers
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    learning_rate: Annotated[float, Field(gt=0.0)]
    segment: Annotated[int, Field(ge=1)]
    normalization: Normalization
    bidirectional: bool
    batch_size: Annotated[int, Field(ge=1)]
    lookback: Annotated[int, Field(ge=1)] | None = None
    transform: Transform | None = None
    combination: Combination | None = None
    smoothing_strength: Annotated[float, Field(gt=0.0)] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Dotted keys of params.yaml and their values."""
        content = {key: value for key, value in self.model_dump().items() if value is not None}
        parts = COMBINATIONS[content.pop("combination")] if self.combination else {}
        return {ELSEWHERE.get(key, f"model.{key}"): value for key, value in content.items()} | {
            f"model.{key}": value for key, value in parts.items()
        }


class Ranges(Section):
    """Range of each setting: lowest and highest, or the choices.

    Lookbacks are multiples of the present one. The range of smoothing counts only where the params
    smooth.
    """

    units: tuple[Annotated[int, Field(ge=1)], int]
    layers: tuple[Annotated[int, Field(ge=1)], int]
    dropout: tuple[Annotated[float, Field(ge=0.0)], Annotated[float, Field(lt=1.0)]]
    learning_rate: tuple[Annotated[float, Field(gt=0.0)], float]
    segment: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    normalization: Annotated[tuple[Normalization, ...], Field(min_length=1)]
    bidirectional: Annotated[tuple[bool, ...], Field(min_length=1)]
    batch_size: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    lookback: tuple[Annotated[float, Field(gt=0.0)], ...]
    transform: Annotated[tuple[Transform, ...], Field(min_length=1)]
    combination: Annotated[tuple[Combination, ...], Field(min_length=1)]
    smoothing_strength: tuple[Annotated[float, Field(gt=0.0)], float]

    @pydantic.field_validator("units", "layers", "dropout", "learning_rate", "smoothing_strength")
    @classmethod
    def _lowest_first(cls, value: tuple[Any, Any]) -> tuple[Any, Any]:
        if value[0] > value[1]:
            raise ValueError("a range is [lowest, highest]")
        return value

    @pydantic.field_validator("units")
    @classmethod
    def _whole_steps(cls, value: tuple[int, int]) -> tuple[int, int]:
        if (value[1] - value[0]) % UNITS_STEP:
            raise ValueError(f"the highest must be the lowest and a multiple of {UNITS_STEP}")
        return value


class Entry(Section):
    """Defaults and ranges of a type of model."""

    defaults: Choice
    ranges: Ranges


class Catalog(Section):
    """The whole file.

    Attributes
    ----------
    every_type : Entry
        Of the types of model without an entry in `types`.
    types : mapping
        Name of a type -> its own entry.
    models : mapping
        Name of a model -> what it is, what it is for, and what a search of rows varies.
    """

    every_type: Entry
    types: dict[str, Entry]
    models: dict[str, ListedModel]

    @pydantic.field_validator("types")
    @classmethod
    def _known_types(cls, value: dict[str, Entry]) -> dict[str, Entry]:
        unknown = ", ".join(sorted(value.keys() - MODEL_TYPES.keys()))
        if unknown:
            raise ValueError(f"{unknown}: unknown type; use one of {', '.join(MODEL_TYPES)}")
        return value

    @pydantic.field_validator("models")
    @classmethod
    def _known_models(cls, value: dict[str, ListedModel]) -> dict[str, ListedModel]:
        check_names(value)
        return value

    def listed(self, model: str) -> ListedModel | None:
        """The model of a name, or of the class that params name; None if it is not listed."""
        by_class = {entry.own: entry for entry in self.models.values() if entry.own}
        return self.models.get(model, by_class.get(model))

    def entry(self, model_type: str) -> Entry:
        """The entry of a type of model."""
        return self.types.get(model_type, self.every_type)


def load_catalog(root: Path) -> Catalog:
    """Read and validate `root`/configs/catalog.yaml.

    Raises
    ------
    ParamsError
        The file is missing or not YAML, or a key or value breaks its rule.
    """
    path = root / PATH
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        return Catalog.model_validate_json(json.dumps(content))
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}; restore it from git") from None
    except (YAMLError, TypeError) as error:
        raise ParamsError(
            f"{path}: invalid YAML ({' '.join(str(error).split())}); fix the file"
        ) from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ParamsError(f"{path}: {key}: {first['msg']}; fix the value") from None
