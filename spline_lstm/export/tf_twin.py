"""The twin: the model again, in TensorFlow, in data units. Exported files compute this function.

::

    history --normalize--> network of each member --mean--> denormalize, clip --> forecast,
                                                                                  quantiles
    future  --scale------>
    static  ------------->

Beside a linear part, `tf_combined` takes the place of the mean and what follows. All functions take
the module ``tensorflow``, or a `Recorder` in its place.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from spline_lstm.export.formats import FORECAST, INPUT_TYPES, QUANTILES, STATIC
from spline_lstm.export.recorder import Graph, Recorder, Unrecorded, Value
from spline_lstm.export.row_spec import RowSpec
from spline_lstm.export.spec import AnySpec, EdgeSpec
from spline_lstm.export.tf_combined import addition, combined, read_skips
from spline_lstm.export.tf_linear import linear_function
from spline_lstm.export.tf_network import network
from spline_lstm.export.tf_power import backward, power_bounds
from spline_lstm.export.tf_recurrence import Tensor, prepared
from spline_lstm.export.tf_rows import row_twin
from spline_lstm.export.tf_scaling import (
    TargetLevels,
    clipped,
    denormalize,
    normalize,
    scale_future,
)
from spline_lstm.models.types import MODEL_TYPES


def build_twin(tf: Any, spec: AnySpec, *, unroll: bool) -> Any:
    """The model as a TensorFlow module.

    Parameters
    ----------
    tf : the module tensorflow
    spec : EdgeSpec or RowSpec
    unroll : True for TFLite, False for ONNX

    Returns
    -------
    ``tf.Module`` with the ``tf.function`` `forecast`: the inputs of `EdgeSpec.inputs` to a dict of
    the outputs of `spec.outputs`
    """
    if isinstance(spec, RowSpec):
        return row_twin(tf, spec)
    module = tf.Module()
    if MODEL_TYPES[spec.config.model_type].closed_form:
        return _finished(tf, module, spec, linear_function(tf, spec))
    # Variables, because tf2onnx turns captured constants into required inputs; the module keeps
    # them alive.
    module.members = [
        {
            name: tf.Variable(value, trainable=False)
            for name, value in prepared(member, spec.config).items()
        }
        for member in spec.members()
    ]
    members = [dict(member) for member in module.members]
    return _finished(tf, module, spec, _forecast(tf, spec, members, unroll))


def record_twin(spec: AnySpec, *, unroll: bool) -> Graph:
    """The graph of the model without TensorFlow; parameters as `build_twin`.

    Raises
    ------
    Unrecorded
        The model has an option whose recorded files have not been compared with converted ones.
    """
    if isinstance(spec, RowSpec) or not _is_compared(spec):
        raise Unrecorded("an option of the model")
    members = [prepared(member, spec.config) for member in spec.members()]
    if not _are_ordinary(members):
        raise Unrecorded("weights that converters rewrite or merge")
    recorder = Recorder()
    given = {name: Value(recorder, (None, *shape)) for name, shape in spec.inputs.items()}
    found = _forecast(recorder, spec, members, unroll)(given)
    outputs = {name: clipped(recorder, spec, found[name], given) for name in spec.outputs}
    return recorder.graph(given, outputs)


def _is_compared(spec: EdgeSpec) -> bool:
    """Whether tests compare files of such a model (tests/export/test_recorded.py)."""
    config = spec.config
    others = (
        spec.fed, spec.power, config.bidirectional, config.layer_norm, config.quantiles,
        config.static_sizes, config.categories, config.mask_indices, config.future_features,
    )  # fmt: skip
    words = (config.normalization, config.decoder, config.channels, config.output)
    return (
        MODEL_TYPES[config.model_type].cell is not None
        and not any(others)
        and config.linear_skip != "beside"
        # Products with a scale of 1 are left out by one converter, here and there.
        and not np.all(spec.target_scale.astype(np.float32) == 1)
        # Of one row converters leave out some reshapes.
        and config.horizon > 1
        and words in {("none", "dense", "mixed", "value"), ("last", "dense", "mixed", "value")}
    )


def _are_ordinary(members: Sequence[Mapping[str, np.ndarray]]) -> bool:
    """Whether converters keep each of the weights as it is, and apart from those of other members.

    They write -0 as 0, infinity as the largest number, leave out biases of numbers below the
    smallest normal one, and join products with equal weights, each in cases of its own.
    """
    seen: set[tuple[str, bytes]] = set()
    for member in members:
        for name, weight in member.items():
            key, small = (name, weight.tobytes()), np.abs(weight) < np.finfo(np.float32).tiny
            rewritten = ~np.isfinite(weight) | small & ((weight != 0) | np.signbit(weight))
            if key in seen or rewritten.any():
                return False
            seen.add(key)
    return True


def _finished(
    tf: Any,
    module: Any,
    spec: EdgeSpec,
    function: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
) -> Any:
    names = tuple(spec.inputs)

    def forecast(*inputs: Tensor) -> dict[str, Tensor]:
        given = dict(zip(names, inputs, strict=True))
        return {name: clipped(tf, spec, value, given) for name, value in function(given).items()}

    signature = [
        tf.TensorSpec([None, *shape], INPUT_TYPES[name], name=name)
        for name, shape in spec.inputs.items()
    ]
    module.forecast = tf.function(forecast, input_signature=signature, autograph=False)
    return module


def _forecast(
    tf: Any,
    spec: EdgeSpec,
    members: Sequence[Mapping[str, Any]],
    unroll: bool,
) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    config = spec.config

    def forecast(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        z, levels = normalize(tf, spec, given)
        skips = read_skips(tf, spec, given) if config.is_combined or config.seasonal_skip else None
        future = scale_future(tf, spec, given)
        outputs = []
        for member in members:
            # Read before the loop: tf2onnx finds the weights of a GRU only as inputs of the loop.
            weights = {name: tf.convert_to_tensor(value) for name, value in member.items()}
            output = network(
                tf,
                config,
                weights,
                z,
                future,
                given.get(STATIC),
                skips and skips.head,
                unroll=unroll,
            )
            if skips is not None and config.is_combined:
                output = addition(tf, spec, skips, weights, output, levels)
            outputs.append(tf.sigmoid(output) if config.output == "probability" else output)
        if skips is not None and config.is_combined:
            return combined(tf, spec, skips, outputs)
        mean = outputs[0] if len(outputs) == 1 else tf.add_n(outputs) * (1 / len(outputs))
        return _in_data_units(tf, spec, mean, levels, power_bounds(spec, given))

    return forecast


def _in_data_units(
    tf: Any,
    spec: EdgeSpec,
    outputs: Tensor,
    levels: TargetLevels,
    bounds: tuple[Tensor, Tensor] | None,
) -> dict[str, Tensor]:
    """The point forecast and, of a quantile network, all quantiles, sorted."""
    config = spec.config

    def data_units(values: Tensor, levels: TargetLevels) -> Tensor:
        forecast = denormalize(values, levels)
        power = spec.target_power
        if power is None or bounds is None:
            return forecast
        return backward(tf, power, forecast, bounds)

    if not config.quantiles:
        outputs = tf.reshape(outputs, [-1, config.horizon, len(config.targets)])
        return {FORECAST: data_units(outputs, levels)}
    # Descending order of the negative values: TFLite and ONNX have TopK, but no sort.
    rising = -tf.math.top_k(-outputs, k=config.levels).values
    return {
        FORECAST: data_units(outputs[..., config.median], levels),
        QUANTILES: data_units(rising, levels.for_quantiles()),
    }
