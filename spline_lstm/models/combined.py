"""A network beside a linear forecast: what the two add up to, in data units.

::

    linear    the linear forecast of the lookback              `models.linear`
    network   linear + scale_z residual_scale mean_i(factor_i f_i)
    beside    linear + scale_z mean_i(factor_i (p_i - linear z-scores))
    stack     linear + sum_m weight_m (member_m - linear)      members: network, naive forecasts

f_i is what member i of the network says, scale_z data units per z-score. A network beside the
linear forecast (`model.linear_skip: beside`) says p_i, a forecast of its own. If a factor or weight
is 0 because validation shows no gain, that part leaves no trace in the forecast.

No JAX here. Beside the weights of the network, models/rnn stores: ``linear.*`` (see
`linear_targets`), ``residual_scale``, ``factor`` and, with a stack, ``stack.weights``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.models import linear_targets
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.linear import LinearForecaster
from spline_lstm.models.seasons import season_rows
from spline_lstm.models.weight_shapes import Shapes, weight_shapes
from spline_lstm.windows.scaling import Scaler

LINEAR, RESIDUAL_SCALE, FACTOR, STACK = "linear.", "residual_scale", "factor", "stack.weights"
REFERENCE, WITH_NETWORK, NAIVE = "linear", "linear + network", "naive"


@dataclass(frozen=True)
class Combination:
    """What a network is combined with.

    Attributes
    ----------
    forecasters : of each target
    residual_scale : [horizon, F_target] float32, z-scores per output of the network: root mean
        square of what the linear forecast misses in training; 1 of a network beside it
    factor : [members] float32 in [0, 1], of each network of an ensemble
    stack : [F_target, members] float64, weights of `stack_members`; None without a stack
    seasons : rows, of the seasonal naive forecasts
    """

    forecasters: tuple[LinearForecaster, ...]
    residual_scale: Float[np.ndarray, "horizon targets"]
    factor: Float[np.ndarray, " members"]
    stack: Float[np.ndarray, "targets members"] | None = None
    seasons: tuple[int, ...] = ()

    def arrays(self) -> dict[str, np.ndarray]:
        """Named arrays for the file of the weights."""
        linear = linear_targets.to_arrays(self.forecasters)
        arrays = {f"{LINEAR}{name}": value for name, value in linear.items()}
        arrays |= {RESIDUAL_SCALE: self.residual_scale, FACTOR: self.factor}
        return arrays | ({} if self.stack is None else {STACK: self.stack})

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], config: ModelConfig) -> "Combination":
        """Read what `arrays` gave."""
        own = {name.removeprefix(LINEAR): a for name, a in arrays.items() if _is_linear(name)}
        return cls(
            tuple(linear_targets.from_arrays(own, len(config.targets))),
            arrays[RESIDUAL_SCALE],
            arrays[FACTOR],
            arrays.get(STACK),
            config.seasons,
        )

    def linear(
        self,
        history: Float[np.ndarray, "windows lookback targets"],
        series: Int[np.ndarray, " windows"],
    ) -> Float[np.ndarray, "windows horizon targets"]:
        """The linear forecast, data units, float64; parameters as `forecast_targets`."""
        return linear_targets.forecast_targets(self.forecasters, history, series)

    def combine(
        self,
        history: Float[np.ndarray, "windows lookback targets"],
        linear: Float[np.ndarray, "windows horizon targets"],
        addition: Float[np.ndarray, "windows horizon targets"],
    ) -> Float[np.ndarray, "windows horizon targets"]:
        """The forecast, data units.

        Parameters
        ----------
        history : data units, float64
        linear : as `linear` gave it
        addition : what the network adds, data units, float64
        """
        if self.stack is None:
            return linear + addition
        members = stack_members(history, linear, addition, self.seasons)
        total = np.zeros_like(linear)
        for weights, member in zip(self.stack.T, members.values(), strict=True):
            # A member that is not finite in a window must not spoil a forecast without it.
            total += np.where(weights > 0, weights * member, 0.0)
        return total

    def network_weight(self) -> Float[np.ndarray, " targets"]:
        """Share of the network's addition in the forecast of each target."""
        if self.stack is None:
            return np.ones(self.residual_scale.shape[1])
        return self.stack[:, 1]


def stack_members(
    history: Float[np.ndarray, "windows lookback targets"],
    linear: Float[np.ndarray, "windows horizon targets"],
    addition: Float[np.ndarray, "windows horizon targets"],
    seasons: tuple[int, ...],
) -> dict[str, Float[np.ndarray, "windows horizon targets"]]:
    """Forecasts by name that a stack weights, the linear one first; parameters as `combine`."""
    horizon = linear.shape[1]
    members = {
        REFERENCE: linear,
        WITH_NETWORK: linear + addition,
        NAIVE: np.broadcast_to(history[:, -1:], linear.shape),
    }
    for season in seasons:
        rows = history.shape[1] + season_rows(season, horizon)
        members[f"seasonal naive {season}"] = history[:, rows]
    return members


def linear_scores(
    linear: Float[np.ndarray, "windows horizon targets"],
    target_scaler: Scaler,
    series: Int[np.ndarray, " windows"],
) -> Float[np.ndarray, "windows values"]:
    """The linear forecast as a network reads it: z-scores, float32, step by step."""
    scores = target_scaler.transform(linear, series).astype(np.float32)
    return scores.reshape(len(scores), -1)


def network_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of the network alone."""
    return {name: value for name, value in arrays.items() if not _is_combined(name)}


def combination_shapes(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> Shapes:
    """Shapes that all arrays of a combined model must have; `arrays` as for `array_shapes`."""
    own = {name.removeprefix(LINEAR): a for name, a in arrays.items() if _is_linear(name)}
    linear = linear_targets.array_shapes(config, own)
    shapes = weight_shapes(config) | {f"{LINEAR}{name}": size for name, size in linear.items()}
    shapes |= {
        RESIDUAL_SCALE: (config.horizon, len(config.targets)),
        FACTOR: (config.ensemble_size,),
    }
    if config.stack != "none":
        shapes[STACK] = (len(config.targets), 3 + len(config.seasons))
    return shapes


def _is_linear(name: str) -> bool:
    return name.startswith(LINEAR)


def _is_combined(name: str) -> bool:
    return _is_linear(name) or name in {RESIDUAL_SCALE, FACTOR, STACK}
