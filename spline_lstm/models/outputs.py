"""`Outputs`: what a model computes for windows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Values = Float[np.ndarray, "windows horizon targets"]
Quantiles = Float[np.ndarray, "windows horizon targets quantiles"]


@dataclass(frozen=True)
class Outputs:
    """Outputs of a model, in z-scores or in data units.

    Attributes
    ----------
    point : [windows, horizon, targets]
        The median of a quantile network, the mean of an ensemble.
    quantiles : [windows, horizon, targets, quantiles]
        Increasing, in the order of `config.quantiles`; None without quantiles.
    ensemble_std : [windows, horizon, targets]
        Standard deviation of the members' point forecasts; None for a single network.
    """

    point: Values
    quantiles: Quantiles | None = None
    ensemble_std: Values | None = None
