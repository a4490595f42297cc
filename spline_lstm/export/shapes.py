"""What can be exported, and the shapes of its inputs, outputs and weights, from the config alone."""

from dataclasses import fields

from spline_lstm.core.errors import ExportError
from spline_lstm.export.formats import FORECAST, FUTURE, HISTORY, QUANTILES, STATIC
from spline_lstm.models.config import ModelConfig

# Weight blocks of one recurrent layer: i, f, g, o of an LSTM; r, z, n of a GRU.
GATES = {"lstm": 4, "gru": 3, "attention_lstm": 4}
# As in spline_lstm.models.network, which imports JAX.
CHANNEL_DIM = 16
# Fields of a ModelConfig that the twin computes, and the values it knows where they are words.
WORDS = {
    "model_type": tuple(GATES),
    "normalization": ("none", "last", "revin"),
    "decoder": ("dense", "segments"),
    "channels": ("mixed", "independent"),
    "output": ("value", "probability"),
}
COMPUTED = {
    *WORDS, "hidden", "dropout", "lookback", "horizon", "features", "targets", "target_indices", "segment",
    "bidirectional", "layer_norm", "quantiles", "ensemble_size", "future_features", "static_sizes", "static_dims",
    "categories", "category_sizes", "category_dims",
}  # fmt: skip


def check_exportable(config: ModelConfig) -> None:
    """Raise ExportError where the config has an option, or a value of one, that the twin does not compute."""
    for item in fields(config):
        value = getattr(config, item.name)
        if item.name not in COMPUTED and value != item.default:
            raise ExportError(
                f"the option {item.name} {value} of the model has no exported form; train without it"
            )
        if item.name in WORDS and value not in WORDS[item.name]:
            key = {"model_type": "type"}.get(item.name, item.name)
            raise ExportError(
                f"model.{key} {value} has no exported form; use one of {', '.join(WORDS[item.name])}"
            )
    if config.output == "probability" and config.normalization != "none":
        raise ExportError(
            f"a probability (train.loss bce) with model.normalization {config.normalization} has no exported form; "
            "set model.normalization to none"
        )
    if config.bidirectional and config.decoder == "segments":
        raise ExportError(
            "model.bidirectional true with model.decoder segments has no exported form; use dense"
        )


def input_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shape of one window of each input, in their order; the batch axis comes before it.

    history [lookback, F_total], future [horizon, F_future], static [n_static].
    """
    shapes: dict[str, tuple[int, ...]] = {HISTORY: (config.lookback, len(config.features))}
    if config.future_features:
        shapes[FUTURE] = (config.horizon, len(config.future_features))
    if config.static_sizes:
        shapes[STATIC] = (len(config.static_sizes),)
    return shapes


def output_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """As `input_shapes`: forecast [horizon, F_target], quantiles [horizon, F_target, levels]."""
    point = (config.horizon, len(config.targets))
    return {FORECAST: point} | ({QUANTILES: (*point, config.levels)} if config.quantiles else {})


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a forecaster; those of an ensemble have a leading member axis.

    Raises
    ------
    ExportError
        The config has no exported form.
    """
    check_exportable(config)
    shapes = _input_weights(config) | _recurrent_weights(config) | _decoder_weights(config)
    if config.ensemble_size > 1:
        return {name: (config.ensemble_size, *shape) for name, shape in shapes.items()}
    return shapes


def _input_weights(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    if config.segment > 1:
        width = _step_width(config)
        shapes |= {
            "embedding.kernel": (config.segment * _channel_features(config), width),
            "embedding.bias": (width,),
        }
    if config.channels == "independent":
        shapes["channel.table"] = (len(config.targets), CHANNEL_DIM)
    for kind, sizes, dims in (
        ("static", config.static_sizes, config.static_dims),
        ("category", config.category_sizes, config.category_dims),
    ):
        tables = zip(sizes, dims, strict=True)
        shapes |= {f"{kind}.{index}.table": size for index, size in enumerate(tables)}
    return shapes


def _recurrent_weights(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    sides = ("rnn", "reverse") if config.bidirectional else ("rnn",)
    width = _step_width(config) + sum(config.static_dims)
    width += CHANNEL_DIM if config.channels == "independent" else 0
    for index, units in enumerate(config.hidden):
        blocks = GATES[config.model_type] * units
        for side in sides:
            shapes[f"{side}.{index}.input_kernel"] = (width, blocks)
            shapes[f"{side}.{index}.recurrent_kernel"] = (units, blocks)
            shapes[f"{side}.{index}.bias"] = (blocks,)
            if config.model_type == "gru":
                shapes[f"{side}.{index}.recurrent_bias"] = (units,)
        width = units * len(sides)
        if config.layer_norm:
            shapes |= {f"norm.{index}.scale": (width,), f"norm.{index}.bias": (width,)}
    return shapes


def _decoder_weights(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    top = config.hidden[-1] * (2 if config.bidirectional else 1)
    context = top
    if config.model_type == "attention_lstm":
        shapes |= {"attention.key_kernel": (top, top), "attention.key_bias": (top,)}
        shapes |= {"attention.query_kernel": (top, top), "attention.score_kernel": (top,)}
        context = 2 * top
    rows, future = config.horizon, config.width(config.future_features)
    if config.decoder == "segments":
        rows, width = config.segment, _step_width(config)
        shapes["position"] = (config.horizon // rows, width)
        if future:
            shapes |= {"future.kernel": (rows * future, width), "future.bias": (width,)}
    else:
        context += rows * future
    targets = 1 if config.channels == "independent" else len(config.targets)
    outputs = rows * targets * config.levels
    return shapes | {"head.kernel": (context, outputs), "head.bias": (outputs,)}


def _channel_features(config: ModelConfig) -> int:
    """Numbers per row that a network sees at once: of one target only where channels are independent."""
    return config.width(config.features) - (
        len(config.targets) - 1 if config.channels == "independent" else 0
    )


def _step_width(config: ModelConfig) -> int:
    return _channel_features(config) if config.segment == 1 else config.hidden[0]
