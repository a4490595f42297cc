"""Names and shapes of the weights of recurrent networks, for saved and exported models.

No JAX here.
"""

from spline_lstm.models.config import CHANNEL_DIM, SKIP_UNITS, ModelConfig
from spline_lstm.models.types import MODEL_TYPES

Shapes = dict[str, tuple[int, ...]]


def weight_shapes(config: ModelConfig) -> Shapes:
    """Name and shape of every weight of a recurrent network.

    The weights of an ensemble have a leading member axis.

    Raises
    ------
    ValueError
        The type of the model has no recurrent cell.
    """
    shapes = _input_weights(config) | _recurrent_weights(config) | _decoder_weights(config)
    if config.ensemble_size > 1:
        return {name: (config.ensemble_size, *shape) for name, shape in shapes.items()}
    return shapes


def _input_weights(config: ModelConfig) -> Shapes:
    shapes: Shapes = {}
    if config.segment > 1:
        shapes["embedding.kernel"] = (config.segment * config.row_width, config.step_width)
        shapes["embedding.bias"] = (config.step_width,)
    if config.is_independent:
        shapes["channel.table"] = (len(config.targets), CHANNEL_DIM)
    for kind, sizes, dims in (
        ("static", config.static_sizes, config.static_dims),
        ("category", config.category_sizes, config.category_dims),
    ):
        tables = zip(sizes, dims, strict=True)
        shapes |= {f"{kind}.{index}.table": size for index, size in enumerate(tables)}
    return shapes


def _recurrent_weights(config: ModelConfig) -> Shapes:
    cell = MODEL_TYPES[config.model_type].cell
    if cell is None:
        raise ValueError(f"the model type {config.model_type} has no recurrent cell")
    shapes: Shapes = {}
    width = config.step_width + config.static_width
    for index, units in enumerate(config.hidden):
        blocks = cell.gates * units
        for side in ("rnn", "reverse")[: config.directions]:
            shapes[f"{side}.{index}.input_kernel"] = (width, blocks)
            shapes[f"{side}.{index}.recurrent_kernel"] = (units, blocks)
            shapes[f"{side}.{index}.bias"] = (blocks,)
            if cell.recurrent_bias:
                shapes[f"{side}.{index}.recurrent_bias"] = (units,)
        width = units * config.directions
        if config.layer_norm:
            shapes |= {f"norm.{index}.scale": (width,), f"norm.{index}.bias": (width,)}
    return shapes


def _decoder_weights(config: ModelConfig) -> Shapes:
    shapes: Shapes = {}
    context = top = config.hidden[-1] * config.directions
    if MODEL_TYPES[config.model_type].attention:
        shapes |= {"attention.key_kernel": (top, top), "attention.key_bias": (top,)}
        shapes |= {"attention.query_kernel": (top, top), "attention.score_kernel": (top,)}
        context = 2 * top
    rows, future = config.rows_decoded, config.width(config.future_features)
    if config.decoder == "segments":
        width = config.step_width
        shapes["position"] = (config.horizon // rows, width)
        if future:
            shapes |= {"future.kernel": (rows * future, width), "future.bias": (width,)}
    else:
        context += rows * future
    if config.seasonal_skip:
        shapes["skips.kernel"] = (context + config.skip_width, SKIP_UNITS)
        shapes["skips.bias"] = (SKIP_UNITS,)
        context += SKIP_UNITS
    if config.head_units:
        shapes["last_layer.kernel"] = (context, config.head_units)
        shapes["last_layer.bias"] = (config.head_units,)
        context = config.head_units
    if config.linear_skip == "trained":
        shapes["correction.kernel"] = (config.targets_seen, config.lookback, config.horizon)
    outputs = rows * config.targets_seen * config.levels
    return shapes | {"head.kernel": (context, outputs), "head.bias": (outputs,)}
