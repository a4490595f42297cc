"""What a forecaster is built from: architecture, shapes and names. No JAX here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class ModelConfig:
    """Architecture and shapes of a forecaster; stored in model.json.

    Attributes
    ----------
    model_type : str
    hidden : units of each layer, bottom to top
    dropout : share of units dropped between layers while training
    normalization : none, last or revin
    lookback, horizon : rows
    features : names of the features of X, in order
    targets : names of the targets, in order
    target_indices : positions of the targets among the features
    """

    model_type: str
    hidden: tuple[int, ...]
    dropout: float
    normalization: str
    lookback: int
    horizon: int
    features: tuple[str, ...]
    targets: tuple[str, ...]
    target_indices: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ModelConfig":
        """The config out of the content of model.json; keys that are no part of it are skipped."""
        values: dict[str, Any] = {field.name: content[field.name] for field in fields(cls)}
        for key, value in values.items():
            values[key] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


def check_shape(shape: tuple[int, ...], config: ModelConfig) -> None:
    """Raise ValueError unless `shape` is [batch, lookback, F_total]."""
    expected = (config.lookback, len(config.features))
    if len(shape) != 3 or shape[1:] != expected:
        raise ValueError(
            f"X must have the shape [batch, lookback, features] = [any, {expected[0]}, {expected[1]}], "
            f"but has {list(shape)}; features in order: {', '.join(config.features)}"
        )
