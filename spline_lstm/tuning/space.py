"""The search space: catalog ranges to draws of the sampler, and draws to params and their cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params, with_values
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.types import MODEL_TYPES, check_types
from spline_lstm.tuning.catalog import (
    COMBINATIONS,
    DROPOUT_STEP,
    UNITS_STEP,
    Choice,
    Combination,
    Ranges,
)

# Settings that are drawn from a list of the catalog.
CATEGORIES = (
    "segment",
    "normalization",
    "bidirectional",
    "batch_size",
    "transform",
    "combination",
)


@dataclass(frozen=True)
class Space:
    """What can be drawn: the ranges of the catalog, as far as they go with the params and the data.

    Attributes
    ----------
    ranges : Ranges
        As `fitting` leaves them.
    lookbacks : tuple of int, rows
        The present one among them, ascending.
    smooths : bool
        Whether the params smooth.
    """

    ranges: Ranges
    lookbacks: tuple[int, ...]
    smooths: bool = False


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """What the sampler draws; units are drawn even for layers that a draw does not have."""
    ranges = space.ranges
    units = {
        f"units_{layer}": IntDistribution(*ranges.units, step=UNITS_STEP)
        for layer in range(1, ranges.layers[1] + 1)
    }
    smoothing = {"smoothing_strength": FloatDistribution(*ranges.smoothing_strength, log=True)}
    return {
        "layers": IntDistribution(*ranges.layers),
        **units,
        "dropout": FloatDistribution(*ranges.dropout, step=DROPOUT_STEP),
        "learning_rate": FloatDistribution(*ranges.learning_rate, log=True),
        **{name: CategoricalDistribution(getattr(ranges, name)) for name in CATEGORIES},
        "lookback": CategoricalDistribution(space.lookbacks),
        **(smoothing if space.smooths else {}),
    }


def choice_of(draw: Mapping[str, Any]) -> Choice:
    """The settings of a draw; numbers as a person would write them."""
    strength = draw.get("smoothing_strength")
    return Choice(
        hidden=tuple(draw[f"units_{layer}"] for layer in range(1, draw["layers"] + 1)),
        dropout=round(draw["dropout"], 2),
        learning_rate=float(f"{draw['learning_rate']:.3g}"),
        **{name: draw[name] for name in CATEGORIES},
        lookback=draw["lookback"],
        smoothing_strength=None if strength is None else float(f"{strength:.3g}"),
    )


def nearest_draw(choice: Choice, space: Space) -> dict[str, Any]:
    """The draw nearest to given values, which may lie outside the ranges, or be none."""
    ranges = space.ranges
    low, high = ranges.units
    layers = min(max(len(choice.hidden), ranges.layers[0]), ranges.layers[1])
    units = {
        f"units_{layer}": low + UNITS_STEP * round((min(max(wanted, low), high) - low) / UNITS_STEP)
        for layer in range(1, ranges.layers[1] + 1)
        for wanted in [choice.hidden[min(layer, len(choice.hidden)) - 1]]
    }
    dropout = within(choice.dropout, ranges.dropout)
    middle = math.sqrt(math.prod(ranges.smoothing_strength))
    strength = within(choice.smoothing_strength or middle, ranges.smoothing_strength)
    named = ("normalization", "bidirectional", "transform", "combination")
    return {
        "layers": layers,
        **units,
        "dropout": ranges.dropout[0]
        + DROPOUT_STEP * round((dropout - ranges.dropout[0]) / DROPOUT_STEP),
        "learning_rate": within(choice.learning_rate, ranges.learning_rate),
        "segment": nearest(choice.segment, ranges.segment),
        "batch_size": nearest(choice.batch_size, ranges.batch_size),
        "lookback": nearest(choice.lookback or space.lookbacks[0], space.lookbacks),
        **{name: same_or_first(getattr(choice, name), getattr(ranges, name)) for name in named},
        **({"smoothing_strength": strength} if space.smooths else {}),
    }


def within(value: float, limits: tuple[float, float]) -> float:
    """The value, or the limit that it lies beyond."""
    return min(max(value, limits[0]), limits[1])


def nearest(value: int, options: tuple[int, ...]) -> int:
    """The option nearest to a value, by their ratio."""
    return min(options, key=lambda option: abs(math.log(option / value)))


def same_or_first(value: object, options: tuple[Any, ...]) -> Any:
    """The value if it is an option, else the first option."""
    return value if value in options else options[0]


def choice_in(params: Params) -> Choice:
    """The present values of params.yaml."""
    model = params.model
    names: list[Combination] = [
        name for name, keys in COMBINATIONS.items() if keys.items() <= dict(model).items()
    ]
    return Choice(
        hidden=model.hidden,
        dropout=model.dropout,
        learning_rate=params.train.learning_rate,
        segment=model.segment,
        normalization=model.normalization,
        bidirectional=model.bidirectional,
        batch_size=params.train.batch_size,
        lookback=params.window.lookback,
        transform=params.target.transform,
        combination=names[0] if names else None,
        smoothing_strength=params.preprocess.smoothing.strength,
    )


def completed(choice: Choice, params: Params) -> Choice:
    """With the present values where a choice leaves the params as they are."""
    present = choice_in(params).model_dump()
    return Choice(**{key: present[key] if value is None else value for key, value in choice})


def random_draw(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """A draw in which every value of a setting is as likely as any other."""
    draw: dict[str, Any] = {}
    for name, distribution in distributions(space).items():
        if isinstance(distribution, CategoricalDistribution):
            draw[name] = distribution.choices[rng.integers(len(distribution.choices))]
        elif isinstance(distribution, IntDistribution):
            steps = (distribution.high - distribution.low) // distribution.step
            draw[name] = distribution.low + distribution.step * int(rng.integers(steps + 1))
        else:
            assert isinstance(distribution, FloatDistribution)
            draw[name] = float(rng.uniform(distribution.low, distribution.high))
    return draw


def params_with(params: Params, choice: Choice) -> Params | None:
    """The params with other values; None if these do not go with the other params."""
    try:
        changed = with_values(params, choice.values, "tune")
        check_types(changed)
    except ParamsError:
        return None
    return changed


def lookbacks_of(ranges: Ranges, params: Params, longest: int) -> list[int]:
    """Lookbacks beside the present one, in rows.

    They are at least a horizon and what the network reads, and at most half of `longest`, the
    training rows of the longest series.
    """
    present, shortest = params.window.lookback, params.model.network_lookback or 1
    shortest = max(shortest, params.window.horizon, params.model.segment)
    rows = sorted({round(multiple * present) for multiple in ranges.lookback} - {present})
    return [lookback for lookback in rows if shortest <= lookback <= longest // 2]


def space_of(ranges: Ranges, params: Params, lookbacks: Sequence[int], *, positive: bool) -> Space:
    """What can be drawn beside the present params.

    Parameters
    ----------
    lookbacks : sequence of int, rows
        Those that have windows.
    positive : bool
        Whether all targets are, as a transform needs.
    """
    if not positive:
        ranges = ranges.model_copy(update={"transform": (params.target.transform,)})
    smooths = params.preprocess.smoothing.method != "off"
    return Space(fitting(ranges, params), tuple(sorted({*lookbacks})), smooths)


def fitting(ranges: Ranges, params: Params) -> Ranges:
    """The ranges without choices that do not go with the other params.

    If none does, only the present value is left. For example, with the decoder `segments` the
    segment must divide the horizon.
    """
    present = choice_in(params)

    def kept(setting: str) -> tuple[Any, ...]:
        options = getattr(ranges, setting)
        fit = [
            value
            for value in options
            if params_with(params, present.model_copy(update={setting: value})) is not None
        ]
        return tuple(fit) or (getattr(present, setting),)

    return ranges.model_copy(
        update={name: kept(name) for name in CATEGORIES if name != "batch_size"}
    )


def cost(config: ModelConfig) -> int:
    """Multiplications of the recurrent layers for one window, which the time of an epoch follows.

    0 for a type without recurrence.
    """
    steps = -(-config.rows_read // config.segment)
    gates, directions = MODEL_TYPES[config.model_type].gates, config.directions
    total, width = 0, config.hidden[0] if config.segment > 1 else len(config.features)
    for units in config.hidden:
        total += gates * directions * (width * units + units * units)
        width = directions * units
    return steps * total
