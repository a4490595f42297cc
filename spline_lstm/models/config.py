"""What a forecaster is built from: architecture, shapes, names and constants. No JAX here.

Everything that the network and its exported form must agree on has its one definition here.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from spline_lstm.core.params import Params
from spline_lstm.models.seasons import window_seasons
from spline_lstm.models.types import MODEL_TYPES, check_types

if TYPE_CHECKING:
    # Only named: nothing here runs the code of windows.
    from spline_lstm.windows.preprocessor import Preprocessor
    from spline_lstm.windows.windows import Windows

MEDIAN = 0.5
# z-scores beyond which the differences and levels that a head sees do not grow (`models.skips`).
DIFFERENCE_CAP, LEVEL_CAP = 10.0, 5.0
# Units between what the head sees with a seasonal skip and the forecast.
SKIP_UNITS = 32
# Width of the embedding that tells independent channels apart.
CHANNEL_DIM = 16
# Keeps layer normalization finite.
LAYER_NORM_EPSILON = 1e-5
# Keeps the normalization of a constant window finite.
VARIANCE_FLOOR = 1e-5
# Smallest scale of a window under robust normalization, z-scores, and the median absolute deviation
# of a normal distribution in standard deviations.
ROBUST_FLOOR = 0.1
MAD_OF_NORMAL = 0.6744897501960817
# What attention subtracts from the score of a step without an observation.
UNSEEN_PENALTY = 1e4


@dataclass(frozen=True)
class ModelConfig:
    """Architecture and shapes of a forecaster; stored in model.json.

    Attributes
    ----------
    model_type : name of an entry of `MODEL_TYPES`
    hidden : units of each layer, bottom to top
    dropout : share of units dropped between layers and before the head while training
    normalization : none, last, revin or robust
    lookback, horizon : rows
    features : names of the features of X, in order
    targets : names of the targets, in order
    target_indices : positions of the targets among the features; empty if they are labels only
    segment : rows of the lookback that enter the cell in one step
    decoder : dense (one head for the whole horizon) or segments (one cell step per segment of it)
    channels : mixed (one network sees all targets) or independent (it sees one target at a time)
    bidirectional : a second cell reads the lookback backwards
    layer_norm : normalise the hidden states of each layer
    output : value, or probability (the sigmoid of the network's output)
    quantiles : levels of the forecast, increasing, with 0.5 among them; none: a point forecast
    ensemble_size : members, whose mean is the forecast; the weights of several members have a
        leading member axis
    future_features : names of the features of X_future, in order
    static_sizes : rows of each static embedding, the unknown token (row 0) included
    static_dims : width of each static embedding
    categories : names of the features that contain category ids and enter through an embedding
    category_sizes, category_dims : rows (the unknown token included) and width of each of these
        embeddings
    mask_indices : position of the mask of each target among the features (1: observed); none: every
        value counts as observed
    network_lookback : rows, the last ones of the lookback, that the network reads; None: all
    linear_skip : none; frozen or trained: the network is added to a linear forecast of the
        lookback (`models.combined`); beside: it forecasts by itself, and the two are averaged
    seasonal_skip : the head also sees the last values, those of one season ago and the linear
        forecast (`models.skips`)
    seasons : rows of each season that the targets follow, ascending, for seasonal_skip and stack
    stack : none, or shrunk: a weighted mean with naive forecasts
    head_units : units of a layer (ReLU) before the head; 0: none
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
    mask_indices: tuple[int, ...] = ()
    network_lookback: int | None = None
    linear_skip: str = "none"
    seasonal_skip: bool = False
    seasons: tuple[int, ...] = ()
    stack: str = "none"
    head_units: int = 0

    @property
    def title(self) -> str:
        """Type of model and units of its layers: lstm [64, 32], or linear."""
        return f"{self.model_type} {list(self.hidden)}" if self.hidden else self.model_type

    def width(self, names: tuple[str, ...]) -> int:
        """Numbers that the features `names` enter as: one each, or the width of an embedding."""
        dims = dict(zip(self.categories, self.category_dims, strict=True))
        return sum(dims.get(name, 1) for name in names)

    @property
    def outputs(self) -> int:
        """Numbers per window that the network returns: horizon * F_target * levels, levels last."""
        return self.horizon * len(self.targets) * self.levels

    @property
    def levels(self) -> int:
        """Numbers per step and target: one, or one per quantile."""
        return max(1, len(self.quantiles))

    @property
    def median(self) -> int:
        """Position of the point forecast among the levels."""
        return self.quantiles.index(MEDIAN) if self.quantiles else 0

    @property
    def directions(self) -> int:
        """Cells per layer: one, or one for each direction of time."""
        return 2 if self.bidirectional else 1

    @property
    def is_independent(self) -> bool:
        """Whether the network sees one target at a time."""
        return self.channels == "independent"

    @property
    def is_combined(self) -> bool:
        """Whether the forecast is that of the network and of a linear part."""
        return self.linear_skip != "none"

    @property
    def sees_linear(self) -> bool:
        """Whether the network knows the linear forecast, and corrects it."""
        return self.linear_skip in {"frozen", "trained"}

    @property
    def rows_read(self) -> int:
        """Rows of the lookback that the network reads, the last ones."""
        return self.network_lookback or self.lookback

    @property
    def skip_width(self) -> int:
        """Numbers that the head sees beside the context; see `models.skips`."""
        if not self.seasonal_skip:
            return 0
        forecasts = len(self.seasons) + self.sees_linear
        return self.targets_seen * (1 + self.horizon * forecasts)

    @property
    def targets_seen(self) -> int:
        """Targets that the network sees and forecasts at once."""
        return 1 if self.is_independent else len(self.targets)

    @property
    def row_width(self) -> int:
        """Numbers per row of the lookback that the network sees at once."""
        return self.width(self.features) - len(self.targets) + self.targets_seen

    @property
    def step_width(self) -> int:
        """Numbers per step of the first layer, without the static ones: a row, or its segment."""
        return self.row_width if self.segment == 1 else self.hidden[0]

    @property
    def static_width(self) -> int:
        """Numbers that join every step: the static embeddings and that of the channel."""
        return sum(self.static_dims) + (CHANNEL_DIM if self.is_independent else 0)

    @property
    def rows_decoded(self) -> int:
        """Rows of the horizon that the head forecasts at once: all of them, or a segment."""
        return self.segment if self.decoder == "segments" else self.horizon

    def to_json(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ModelConfig":
        """Read the config from the content of model.json.

        Keys that do not belong to it are skipped; options newer than the file get their defaults.
        """
        values: dict[str, Any] = {
            field.name: content[field.name]
            for field in fields(cls)
            if field.name in content or field.default is MISSING
        }
        for key, value in values.items():
            values[key] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


def model_config(params: Params, windows: "Windows", preprocessor: "Preprocessor") -> ModelConfig:
    """Architecture from the params, shapes from the windows, embeddings from preprocessing.

    Parameters
    ----------
    params : Params
    windows : Windows
    preprocessor : Preprocessor

    Raises
    ------
    ParamsError
        The type of model is unknown, or an option does not go with it.
    """
    check_types(params)
    model = params.model
    statics, categories = preprocessor.static_embeddings, preprocessor.feature_embeddings
    config = ModelConfig(
        model_type=model.type,
        hidden=model.hidden,
        dropout=model.dropout,
        normalization=model.normalization,
        lookback=windows.lookback,
        horizon=windows.horizon,
        features=windows.feature_names,
        targets=windows.target_names,
        target_indices=tuple(int(index) for index in windows.arrays.target_indices),
        segment=model.segment,
        decoder=model.decoder,
        channels=model.channels,
        bidirectional=model.bidirectional,
        layer_norm=model.layer_norm,
        output="probability" if params.train.loss == "bce" else "value",
        quantiles=model.quantiles,
        ensemble_size=params.train.ensemble_size,
        future_features=windows.future_names,
        static_sizes=tuple(item.size for item in statics),
        static_dims=tuple(item.dim for item in statics),
        categories=tuple(item.name for item in categories),
        category_sizes=tuple(item.size for item in categories),
        category_dims=tuple(item.dim for item in categories),
        network_lookback=model.network_lookback,
        linear_skip=model.linear_skip,
        seasonal_skip=model.seasonal_skip,
        seasons=window_seasons(windows) if model.seasonal_skip or model.stack != "none" else (),
        stack=model.stack,
        mask_indices=preprocessor.mask_indices,
        head_units=model.head_units or 0,
    )
    return _without_network(config) if MODEL_TYPES[model.type].closed_form else config


def _without_network(config: ModelConfig) -> ModelConfig:
    """Without the options of a network, and without inputs that only a network reads."""
    return replace(
        config,
        hidden=(),
        dropout=0.0,
        normalization="none",
        segment=1,
        future_features=(),
        static_sizes=(),
        static_dims=(),
        categories=(),
        category_sizes=(),
        category_dims=(),
        network_lookback=None,
        linear_skip="none",
        seasonal_skip=False,
        seasons=(),
        stack="none",
        mask_indices=(),
        head_units=0,
    )


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
    numbers = ", ".join(map(str, expected))
    raise ValueError(
        f"{name} must have the shape [batch, {axes}] = [any, {numbers}], but {given}{order}"
    )
