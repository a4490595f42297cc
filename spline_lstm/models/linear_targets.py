"""The linear forecasters of all targets as named arrays, as models/rnn stores them.

Target k has the arrays ``k.kernel``, ``k.intercept``, ``k.share``, ``k.center``, ``k.scale``,
``k.floor`` (see `LinearForecaster` and `Scale`, float64) and ``k.log`` (uint8, 1: the scale of
logarithms). Everything is in data units: no scaler of the preprocessing is needed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.models.config import ModelConfig
from spline_lstm.models.linear import LinearForecaster
from spline_lstm.models.weight_shapes import Shapes


def to_arrays(forecasters: Sequence[LinearForecaster]) -> dict[str, np.ndarray]:
    """Named arrays of the forecaster of each target, in the order of the targets."""
    arrays: dict[str, np.ndarray] = {}
    for index, forecaster in enumerate(forecasters):
        arrays |= {f"{index}.{name}": value for name, value in forecaster.arrays().items()}
        arrays[f"{index}.log"] = np.array([s.log for s in forecaster.scales], dtype=np.uint8)
    return {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}


def from_arrays(arrays: Mapping[str, np.ndarray], targets: int) -> list[LinearForecaster]:
    """Read what `to_arrays` gave."""
    forecasters = []
    for index in range(targets):
        start = f"{index}."
        own = {
            name.removeprefix(start): value
            for name, value in arrays.items()
            if name.startswith(start)
        }
        config = {"log": own["log"].tolist(), "members": []}
        forecasters.append(LinearForecaster.load(own, config))
    return forecasters


def array_shapes(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> Shapes:
    """Shapes that the arrays of a model must have, given how many scales and series they have."""
    shapes: Shapes = {}
    for index in range(len(config.targets)):
        log, center = arrays.get(f"{index}.log"), arrays.get(f"{index}.center")
        scales = 1 if log is None else log.size
        bounds = center.shape[-1] if center is not None and center.ndim else 2
        own = {
            "kernel": (scales, config.lookback, config.horizon),
            "intercept": (scales, config.horizon),
            "share": (scales,),
            "center": (scales, bounds),
            "scale": (scales, bounds),
            "floor": (scales, bounds),
            "log": (scales,),
        }
        shapes |= {f"{index}.{name}": shape for name, shape in own.items()}
    return shapes


def forecast_targets(
    forecasters: Sequence[LinearForecaster],
    history: Float[np.ndarray, "windows lookback targets"],
    series: Int[np.ndarray, " windows"],
) -> Float[np.ndarray, "windows horizon targets"]:
    """Forecast every target from its own rows, data units, float64.

    Parameters
    ----------
    forecasters : of each target
    history : [windows, lookback, F_target] data units
    series : [windows] int
        Position in preprocessor.json of the series of each window, -1: training did not see it.
    """
    columns = np.moveaxis(history, 2, 0)
    each = [
        forecaster.predict(windows, series)
        for forecaster, windows in zip(forecasters, columns, strict=True)
    ]
    return np.stack(each, axis=2)
