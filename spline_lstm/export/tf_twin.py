"""The twin: the model again, in TensorFlow, in data units. Exported files compute this function.

::

    history --normalize--> network of each member --mean--> denormalize --> forecast, quantiles
    future  --scale------>
    static  ------------->
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spline_lstm.export.formats import FORECAST, FUTURE, HISTORY, INPUT_TYPES, QUANTILES, STATIC
from spline_lstm.export.spec import EdgeSpec, input_shapes
from spline_lstm.export.tf_linear import linear_function
from spline_lstm.export.tf_network import network
from spline_lstm.export.tf_recurrence import Tensor, prepared
from spline_lstm.export.tf_scaling import TargetLevels, denormalize, normalize, scale_future
from spline_lstm.models.types import MODEL_TYPES


def build_twin(tf: Any, spec: EdgeSpec, *, unroll: bool) -> Any:
    """The model as a TensorFlow module.

    Parameters
    ----------
    tf : the module tensorflow
    spec : EdgeSpec
    unroll : True for TFLite, False for ONNX

    Returns
    -------
    ``tf.Module`` with the ``tf.function`` `forecast`: the inputs of `shapes.input_shapes` to a
    dict of the outputs of `shapes.output_shapes`, data units
    """
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
    names = tuple(input_shapes(spec.config))
    members = [dict(member) for member in module.members]
    return _finished(tf, module, spec, _forecast(tf, spec, members, names, unroll))


def _finished(
    tf: Any, module: Any, spec: EdgeSpec, function: Callable[..., dict[str, Tensor]]
) -> Any:
    signature = [
        tf.TensorSpec([None, *shape], INPUT_TYPES[name], name=name)
        for name, shape in input_shapes(spec.config).items()
    ]
    module.forecast = tf.function(function, input_signature=signature, autograph=False)
    return module


def _forecast(
    tf: Any,
    spec: EdgeSpec,
    members: Sequence[Mapping[str, Any]],
    names: tuple[str, ...],
    unroll: bool,
) -> Callable[..., dict[str, Tensor]]:
    config = spec.config

    def forecast(*inputs: Tensor) -> dict[str, Tensor]:
        given = dict(zip(names, inputs, strict=True))
        z, levels = normalize(tf, spec, given[HISTORY])
        future = scale_future(spec, given[FUTURE]) if FUTURE in given else None
        outputs = []
        for member in members:
            # Read before the loop: tf2onnx finds the weights of a GRU only as inputs of the loop.
            weights = {name: tf.convert_to_tensor(value) for name, value in member.items()}
            output = network(tf, config, weights, z, future, given.get(STATIC), unroll=unroll)
            outputs.append(tf.sigmoid(output) if config.output == "probability" else output)
        mean = outputs[0] if len(outputs) == 1 else tf.add_n(outputs) * (1 / len(outputs))
        return _in_data_units(tf, spec, mean, levels)

    return forecast


def _in_data_units(
    tf: Any, spec: EdgeSpec, outputs: Tensor, levels: TargetLevels
) -> dict[str, Tensor]:
    """The point forecast and, of a quantile network, all quantiles, sorted."""
    config = spec.config
    if not config.quantiles:
        return {
            FORECAST: denormalize(
                tf.reshape(outputs, [-1, config.horizon, len(config.targets)]), levels
            )
        }
    # Descending order of the negative values: TFLite and ONNX have TopK, but no sort.
    rising = -tf.math.top_k(-outputs, k=config.levels).values
    return {
        FORECAST: denormalize(outputs[..., config.median], levels),
        QUANTILES: denormalize(rising, levels.for_quantiles()),
    }
