"""What a forecaster is built from: architecture, shapes and names. No JAX here."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

MEDIAN = 0.5


@dataclass(frozen=True)
class ModelConfig:
    """Architecture and shapes of a forecaster; stored in model.json.

    Attributes
    ----------
    model_type : lstm, gru or attention_lstm
    hidden : units of each layer, bottom to top
    dropout : share of units dropped between layers and before the head while training
    normalization : none, last or revin
    lookback, horizon : rows
    features : names of the features of X, in order
    targets : names of the targets, in order
    target_indices : positions of the targets among the features
    segment : rows of the lookback that enter the cell in one step
    decoder : dense (one head for the whole horizon) or segments (one cell step per segment of it)
    channels : mixed (one network sees all targets) or independent (it sees one target at a time)
    bidirectional : a second cell reads the lookback backwards
    layer_norm : normalise the hidden states of each layer
    output : value, or probability (the sigmoid of the network's output)
    quantiles : levels of the forecast, increasing, with 0.5 among them; none: a point forecast
    ensemble_size : members, whose mean is the forecast; their weights lie along a leading axis where above 1
    future_features : names of the features of X_future, in order
    static_sizes : rows of each static embedding, the unknown token (row 0) included
    static_dims : width of each static embedding
    categories : names of the features that hold category ids and enter through an embedding
    category_sizes, category_dims : rows (the unknown token included) and width of each of these embeddings
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
    segment: int = 1
    decoder: str = "dense"
    channels: str = "mixed"
    bidirectional: bool = False
    layer_norm: bool = False
    output: str = "value"
    quantiles: tuple[float, ...] = ()
    ensemble_size: int = 1
    future_features: tuple[str, ...] = ()
    static_sizes: tuple[int, ...] = ()
    static_dims: tuple[int, ...] = ()
    categories: tuple[str, ...] = ()
    category_sizes: tuple[int, ...] = ()
    category_dims: tuple[int, ...] = ()

    def width(self, names: tuple[str, ...]) -> int:
        """Numbers that the features `names` enter as: one each, or the width of an embedding."""
        dims = dict(zip(self.categories, self.category_dims, strict=True))
        return sum(dims.get(name, 1) for name in names)

    @property
    def outputs(self) -> int:
        """Numbers per window that the network gives: horizon * F_target * levels, the level fastest."""
        return self.horizon * len(self.targets) * self.levels

    @property
    def levels(self) -> int:
        """Numbers per step and target: one, or one per quantile."""
        return max(1, len(self.quantiles))

    @property
    def median(self) -> int:
        """Position of the point forecast among the levels."""
        return self.quantiles.index(MEDIAN) if self.quantiles else 0

    def to_json(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ModelConfig":
        """The config out of the content of model.json.

        Keys that are no part of it are skipped; options younger than the file take their defaults.
        """
        values: dict[str, Any] = {
            field.name: content[field.name]
            for field in fields(cls)
            if field.name in content or field.default is MISSING
        }
        for key, value in values.items():
            values[key] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


def check_shapes(
    config: ModelConfig,
    x: tuple[int, ...],
    future: tuple[int, ...] | None = None,
    static: tuple[int, ...] | None = None,
) -> None:
    """Raise ValueError unless the shapes of X, X_future and X_static are those of the config."""
    _check("X", x, "lookback, features", (config.lookback, len(config.features)), config.features)
    if config.future_features or future is not None:
        expected = (config.horizon, len(config.future_features))
        _check("X_future", future, "horizon, features", expected, config.future_features)
    if config.static_sizes or static is not None:
        _check("X_static", static, "covariates", (len(config.static_sizes),), ())


def _check(
    name: str,
    shape: tuple[int, ...] | None,
    axes: str,
    expected: tuple[int, ...],
    features: tuple[str, ...],
) -> None:
    if shape is not None and len(shape) == len(expected) + 1 and shape[1:] == expected:
        return
    given = "is missing" if shape is None else f"has {list(shape)}"
    order = f"; features in order: {', '.join(features)}" if features else ""
    raise ValueError(
        f"{name} must have the shape [batch, {axes}] = [any, {', '.join(map(str, expected))}], but {given}{order}"
    )
