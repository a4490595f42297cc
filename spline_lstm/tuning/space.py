"""The search space: catalog ranges to draws of the sampler, and draws to params and their cost."""

import math
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.types import MODEL_TYPES, check_types
from spline_lstm.tuning.catalog import DROPOUT_STEP, UNITS_STEP, Choice, Ranges


def distributions(ranges: Ranges) -> dict[str, BaseDistribution]:
    """What the sampler draws; units are drawn even for layers that a draw does not have."""
    units = {
        f"units_{layer}": IntDistribution(*ranges.units, step=UNITS_STEP)
        for layer in range(1, ranges.layers[1] + 1)
    }
    return {
        "layers": IntDistribution(*ranges.layers),
        **units,
        "dropout": FloatDistribution(*ranges.dropout, step=DROPOUT_STEP),
        "learning_rate": FloatDistribution(*ranges.learning_rate, log=True),
        "segment": CategoricalDistribution(ranges.segment),
        "normalization": CategoricalDistribution(ranges.normalization),
        "bidirectional": CategoricalDistribution(ranges.bidirectional),
        "batch_size": CategoricalDistribution(ranges.batch_size),
    }


def choice_of(draw: dict[str, Any]) -> Choice:
    """The settings of a draw; numbers as a person would write them."""
    return Choice(
        hidden=tuple(draw[f"units_{layer}"] for layer in range(1, draw["layers"] + 1)),
        dropout=round(draw["dropout"], 2),
        learning_rate=float(f"{draw['learning_rate']:.3g}"),
        segment=draw["segment"],
        normalization=draw["normalization"],
        bidirectional=draw["bidirectional"],
        batch_size=draw["batch_size"],
    )


def nearest_draw(choice: Choice, ranges: Ranges) -> dict[str, Any]:
    """The draw nearest to given values, which may lie outside the ranges."""
    low, high = ranges.units
    layers = min(max(len(choice.hidden), ranges.layers[0]), ranges.layers[1])
    units = {
        f"units_{layer}": low + UNITS_STEP * round((min(max(wanted, low), high) - low) / UNITS_STEP)
        for layer in range(1, ranges.layers[1] + 1)
        for wanted in [choice.hidden[min(layer, len(choice.hidden)) - 1]]
    }
    dropout = min(max(choice.dropout, ranges.dropout[0]), ranges.dropout[1])
    return {
        "layers": layers,
        **units,
        "dropout": ranges.dropout[0]
        + DROPOUT_STEP * round((dropout - ranges.dropout[0]) / DROPOUT_STEP),
        "learning_rate": min(
            max(choice.learning_rate, ranges.learning_rate[0]), ranges.learning_rate[1]
        ),
        "segment": min(ranges.segment, key=lambda segment: abs(math.log(segment / choice.segment))),
        "normalization": choice.normalization
        if choice.normalization in ranges.normalization
        else ranges.normalization[0],
        "bidirectional": choice.bidirectional
        if choice.bidirectional in ranges.bidirectional
        else ranges.bidirectional[0],
        "batch_size": min(
            ranges.batch_size, key=lambda size: abs(math.log(size / choice.batch_size))
        ),
    }


def choice_in(params: Params) -> Choice:
    """The present values of params.yaml."""
    model = params.model
    return Choice(
        hidden=model.hidden,
        dropout=model.dropout,
        learning_rate=params.train.learning_rate,
        segment=model.segment,
        normalization=model.normalization,
        bidirectional=model.bidirectional,
        batch_size=params.train.batch_size,
    )


def random_draw(ranges: Ranges, rng: np.random.Generator) -> dict[str, Any]:
    """A draw in which every value of a setting is as likely as any other."""
    draw: dict[str, Any] = {}
    for name, distribution in distributions(ranges).items():
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
    content = params.model_dump()
    for key, value in choice.values.items():
        section, name = key.split(".")
        content[section][name] = value
    try:
        changed = Params.model_validate(content)
        check_types(changed)
    except (ValidationError, ParamsError):
        return None
    return changed


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
        update={name: kept(name) for name in ("segment", "normalization", "bidirectional")}
    )


def cost(config: ModelConfig) -> int:
    """Multiplications of the recurrent layers for one window, which the time of an epoch follows.

    0 for a type without recurrence.
    """
    steps = -(-config.lookback // config.segment)
    gates, directions = MODEL_TYPES[config.model_type].gates, config.directions
    total, width = 0, config.hidden[0] if config.segment > 1 else len(config.features)
    for units in config.hidden:
        total += gates * directions * (width * units + units * units)
        width = directions * units
    return steps * total
