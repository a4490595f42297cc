"""Step size and updates: clipping, AdamW, and what the validation losses decide."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import optax

from spline_lstm.core.params import TrainParams
from spline_lstm.training.budget import Budget

# Share of the learning rate at which a warm-up starts, and the schedules cosine and stable end.
FINAL_SHARE = 0.01
# Part of the steps in which the schedule stable goes down.
DECAY_PART = 5

# Operations that are not joined round as they do in programs of their own.
ONE_BY_ONE = {
    "xla_disable_hlo_passes": "fusion,algsimp,constant_folding",
    "xla_cpu_use_fusion_emitters": False,
}


def make_optimizer(
    params: TrainParams, budget: Budget, undecayed: Sequence[str] = ()
) -> optax.GradientTransformation:
    """AdamW (Loshchilov & Hutter, ICLR 2019) after clipping by the global norm.

    Clipping follows Pascanu et al. (ICML 2013). Weights do not decay whose names contain one of
    `undecayed`.
    """

    def decays(path: Any, _: Any) -> bool:
        name = jax.tree_util.keystr(path)
        return not any(part in name for part in undecayed)

    def mask(weights: Any) -> Any:
        return jax.tree.map_with_path(decays, weights)

    return optax.chain(
        optax.clip_by_global_norm(params.clip_norm),
        optax.adamw(
            learning_rate(params, budget),
            weight_decay=params.weight_decay,
            mask=mask if undecayed else None,
        ),
    )


def learning_rate(params: TrainParams, budget: Budget) -> optax.ScalarOrSchedule:
    """Step size by step, after a warm-up: constant, a cosine, or constant with a linear end.

    The cosine follows Loshchilov & Hutter (ICLR 2017), the linear end Zhai et al. (CVPR 2022).
    """
    return _schedule(params.learning_rate, params.schedule, budget)


def _schedule(peak: float, schedule: str, budget: Budget) -> optax.ScalarOrSchedule:
    warmup, total = budget.warmup_steps, budget.max_steps
    low = peak * FINAL_SHARE
    if schedule == "cosine":
        return optax.schedules.warmup_cosine_decay_schedule(
            init_value=low,
            peak_value=peak,
            warmup_steps=warmup,
            decay_steps=total,
            end_value=low,
        )
    rise = optax.schedules.linear_schedule(low, peak, warmup)
    if schedule == "stable":
        decay = min(total // DECAY_PART, total - warmup)
        fall = optax.schedules.linear_schedule(peak, low, decay)
        return optax.schedules.join_schedules(
            [rise, optax.schedules.constant_schedule(peak), fall], [warmup, total - decay]
        )
    return rise if warmup else peak


def rate_at(step: int, params: TrainParams, budget: Budget) -> float:
    """Step size of a step, numbered from 0, before the factor of the schedule plateau."""
    rate = _compiled(params.learning_rate, params.schedule, budget)
    return float(np.asarray(rate(step) if callable(rate) else rate).item())


@functools.lru_cache(maxsize=16)
def _compiled(peak: float, schedule: str, budget: Budget) -> optax.ScalarOrSchedule:
    """Step size of a step, in one program instead of one for each of its dozen operations."""
    rate = _schedule(peak, schedule, budget)
    if not callable(rate) or jax.default_backend() != "cpu":
        return rate
    return jax.jit(rate, compiler_options=ONE_BY_ONE)


def best_evaluation(
    losses: Sequence[float], min_delta: float = 0.0, start: float = math.inf
) -> int:
    """Last one, from 1, that lowered the best loss so far by more than `min_delta`; else 0.

    `start` is the loss before the first evaluation, if it counts.

    >>> best_evaluation([5.0, 3.0, 2.9, 4.0], min_delta=0.5)
    2
    """
    best, found = start, 0
    for number, loss in enumerate(losses, start=1):
        if loss < best - min_delta:
            best, found = loss, number
    return found


def rate_factor(losses: Sequence[float], params: TrainParams) -> float:
    """Factor on the updates until the next evaluation.

    With the schedule ``plateau`` it falls by `plateau_factor` after each `plateau_patience`
    evaluations without improvement; AdamW's updates, its decay included, are proportional to the
    step size.
    """
    if params.schedule != "plateau":
        return 1.0
    falls, waited = 0, 0
    for number in range(1, len(losses) + 1):
        improved = best_evaluation(losses[:number], params.min_delta) == number
        waited = 0 if improved else waited + 1
        if waited == params.plateau_patience:
            falls, waited = falls + 1, 0
    return params.plateau_factor**falls
