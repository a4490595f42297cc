"""Step size and updates: clipping, AdamW, and what the validation losses decide."""

import math
from collections.abc import Sequence

import optax

from spline_lstm.core.params import TrainParams

# Share of the learning rate at which a cosine schedule starts its warm-up and ends.
FINAL_SHARE = 0.01


def make_optimizer(params: TrainParams, *, steps_per_epoch: int) -> optax.GradientTransformation:
    """AdamW (Loshchilov & Hutter, ICLR 2019) after clipping by the global norm.

    Clipping follows Pascanu et al. (ICML 2013).
    """
    return optax.chain(
        optax.clip_by_global_norm(params.clip_norm),
        optax.adamw(learning_rate(params, steps_per_epoch), weight_decay=params.weight_decay),
    )


def learning_rate(params: TrainParams, steps_per_epoch: int) -> optax.ScalarOrSchedule:
    """Step size by step: constant, or one epoch of warm-up and a cosine.

    The cosine follows Loshchilov & Hutter (ICLR 2017).
    """
    if params.schedule != "cosine":
        return params.learning_rate
    return optax.schedules.warmup_cosine_decay_schedule(
        init_value=params.learning_rate * FINAL_SHARE,
        peak_value=params.learning_rate,
        warmup_steps=min(steps_per_epoch, steps_per_epoch * params.max_epochs // 2),
        decay_steps=steps_per_epoch * params.max_epochs,
        end_value=params.learning_rate * FINAL_SHARE,
    )


def best_epoch(losses: Sequence[float], min_delta: float = 0.0) -> int:
    """Last epoch, from 1, that lowered the best loss so far by more than `min_delta`; else 0.

    >>> best_epoch([5.0, 3.0, 2.9, 4.0], min_delta=0.5)
    2
    """
    best, found = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best - min_delta:
            best, found = loss, epoch
    return found


def rate_factor(losses: Sequence[float], params: TrainParams) -> float:
    """Factor on the updates of the next epoch.

    With the schedule ``plateau`` it falls by `plateau_factor` after each `plateau_patience` epochs
    without improvement; AdamW's updates, its decay included, are proportional to the step size.
    """
    if params.schedule != "plateau":
        return 1.0
    falls, waited = 0, 0
    for epoch in range(1, len(losses) + 1):
        waited = 0 if best_epoch(losses[:epoch], params.min_delta) == epoch else waited + 1
        if waited == params.plateau_patience:
            falls, waited = falls + 1, 0
    return params.plateau_factor**falls
