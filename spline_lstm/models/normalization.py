"""Normalisation of each window by its own targets, undone on the forecast.

``last``: subtract the last target value (the N of NLinear; Zeng et al., AAAI 2023).
``revin``: subtract the mean and divide by the standard deviation over the lookback, without learned
affine weights (RevIN; Kim et al., ICLR 2022).
``robust``: subtract the median and divide by the normal-consistent median absolute deviation
(Hampel 1974), at least `ROBUST_FLOOR`: a window whose larger half is constant has none.

Mean, median and deviations are those of the observed entries, if a mask tells which these are; the
last value is an observation or what holds it. A target without an observation in the lookback has
one value there, and all entries count.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from spline_lstm.models.config import MAD_OF_NORMAL, ROBUST_FLOOR, VARIANCE_FLOOR

Targets = Float[Array, "batch lookback targets"]
OfWindow = Float[Array, "batch 1 targets"]


class WindowScale(NamedTuple):
    """Shift and scale of the targets of each window: [batch, 1, F_target], z-scores."""

    shift: OfWindow
    scale: OfWindow


def normalize(
    x: Float[Array, "batch lookback features"],
    target_indices: tuple[int, ...],
    kind: str,
    observed: Targets | None = None,
) -> tuple[Float[Array, "batch lookback features"], WindowScale]:
    """Normalise the target channels of `x`; the others stay.

    Parameters
    ----------
    x : [batch, lookback, F_total] z-scores
    target_indices : positions of the targets among the features
    kind : none, last, revin or robust
    observed : [batch, lookback, F_target] 1 if a target was observed, 0 if not; None: all were
    """
    x, index = jnp.asarray(x), jnp.array(target_indices, dtype=jnp.int32)
    targets = x[:, :, index]
    if kind == "last":
        window = WindowScale(targets[:, -1:], jnp.ones_like(targets[:, -1:]))
    elif kind == "revin":
        mean = _mean(targets, observed)
        variance = _mean(jnp.square(targets - mean), observed)
        window = WindowScale(mean, jnp.sqrt(variance + VARIANCE_FLOOR))
    elif kind == "robust":
        middle = _median(targets, observed)
        deviation = _median(jnp.abs(targets - middle), observed) / MAD_OF_NORMAL
        window = WindowScale(middle, jnp.maximum(deviation, ROBUST_FLOOR))
    else:
        return x, WindowScale(jnp.zeros_like(targets[:, -1:]), jnp.ones_like(targets[:, -1:]))
    return x.at[:, :, index].set((targets - window.shift) / window.scale), window


def denormalize(
    forecast: Float[Array, "batch horizon targets"], window: WindowScale
) -> Float[Array, "batch horizon targets"]:
    """Undo `normalize` on a forecast."""
    return forecast * window.scale + window.shift


def _mean(values: Targets, observed: Targets | None) -> OfWindow:
    if observed is None:
        return values.mean(axis=1, keepdims=True)
    counted = _counted(observed)
    return (values * counted).sum(axis=1, keepdims=True) / counted.sum(axis=1, keepdims=True)


def _median(values: Targets, observed: Targets | None) -> OfWindow:
    if observed is None:
        return jnp.median(values, axis=1, keepdims=True)
    counted = _counted(observed)
    # Entries that do not count come last.
    rising = jnp.sort(jnp.where(counted > 0, values, jnp.inf), axis=1)
    count = counted.sum(axis=1, keepdims=True).astype(jnp.int32)
    lower, upper = (
        jnp.take_along_axis(rising, position, axis=1) for position in ((count - 1) // 2, count // 2)
    )
    return (lower + upper) / 2


def _counted(observed: Targets) -> Targets:
    """The mask; all ones where nothing was observed."""
    return jnp.where(observed.sum(axis=1, keepdims=True) > 0, observed, 1.0)
