"""How long a training lasts, in steps: whatever form the params have, and how often to evaluate.

A step is one update of the weights, with one batch. An epoch is one pass over the training windows.
An evaluation measures the validation loss; between two of them lies an interval of steps.
"""

import math
from dataclasses import dataclass

from spline_lstm.core.params import TrainParams

# Most evaluations of a training whose budget is in steps, and whose interval is not set.
EVALUATIONS = 40
# Part of such a training that warms up, if the params do not say.
WARM_UP_PART = 20


@dataclass(frozen=True)
class Budget:
    """Length and intervals of a training.

    Attributes
    ----------
    steps_per_epoch : steps of one pass over the training windows
    max_steps : steps after which the training ends
    min_steps : steps before which it does not end
    interval : steps between two evaluations; the last interval may be shorter
    patience : evaluations without improvement after which it ends; None: never
    warmup_steps : steps over which the step size rises to the learning rate
    """

    steps_per_epoch: int
    max_steps: int
    min_steps: int
    interval: int
    patience: int | None
    warmup_steps: int

    def epochs(self, step: int) -> float:
        """Passes over the training windows after so many steps."""
        return step / self.steps_per_epoch

    def next_interval(self, step: int) -> int:
        """Steps from `step` to the next evaluation; 0 at the end of the training."""
        return min(self.interval, self.max_steps - step)


def budget_of(params: TrainParams, windows: int) -> Budget:
    """The budget of a training on so many windows; everything in epochs is converted to steps.

    >>> params = TrainParams(max_epochs=6, patience=3, batch_size=32, schedule="constant")
    >>> budget_of(params, 100)
    Budget(steps_per_epoch=4, max_steps=24, min_steps=0, interval=4, patience=3, warmup_steps=0)
    """
    per_epoch = -(-windows // params.batch_size)
    min_steps = params.min_steps or 0
    max_steps = params.max_steps or max(per_epoch * (params.max_epochs or 0), min_steps)
    interval = min(_interval(params, per_epoch), max_steps)
    return Budget(
        steps_per_epoch=per_epoch,
        max_steps=max_steps,
        min_steps=min_steps,
        interval=interval,
        patience=_patience(params, per_epoch, interval),
        warmup_steps=_warmup_steps(params, per_epoch, max_steps),
    )


def _interval(params: TrainParams, per_epoch: int) -> int:
    if params.eval_steps is not None:
        return params.eval_steps
    if params.max_steps is not None:
        least = -(-params.max_steps // EVALUATIONS)
        # A last interval of another length would be compiled for itself, which takes seconds.
        divisors = (size for size in range(least, 2 * least) if params.max_steps % size == 0)
        return next(divisors, least)
    # A floor makes many epochs of a few windows: not every one needs an evaluation.
    return max(per_epoch, (params.min_steps or 0) // EVALUATIONS)


def _patience(params: TrainParams, per_epoch: int, interval: int) -> int | None:
    if params.patience is None:
        return params.patience_evaluations
    return math.ceil(params.patience * per_epoch / interval)


def _warmup_steps(params: TrainParams, per_epoch: int, max_steps: int) -> int:
    if params.warmup_steps is not None:
        return params.warmup_steps
    if params.schedule in {"constant", "plateau"}:
        return 0
    steps = per_epoch if params.max_steps is None else params.max_steps // WARM_UP_PART
    return min(steps, max_steps // 2)
