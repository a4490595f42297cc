"""The search space: from the catalog's ranges to what the sampler draws, and from there to params and their price."""

import math
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from spline_lstm.core.params import Params
from spline_lstm.models.config import ModelConfig
from spline_lstm.tuning.catalog import DROPOUT_STEP, UNITS_STEP, Choice, Ranges

GATES = {"lstm": 4, "gru": 3, "attention_lstm": 4}


def distributions(ranges: Ranges) -> dict[str, BaseDistribution]:
    """What the sampler draws; the units of layers that a draw does not have are drawn all the same."""
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
    }


def choice_of(draw: dict[str, Any]) -> Choice:
    """The values of the knobs out of a draw; numbers as a person would write them."""
    return Choice(
        hidden=tuple(draw[f"units_{layer}"] for layer in range(1, draw["layers"] + 1)),
        dropout=round(draw["dropout"], 2),
        learning_rate=float(f"{draw['learning_rate']:.3g}"),
        segment=draw["segment"],
        normalization=draw["normalization"],
        bidirectional=draw["bidirectional"],
    )


def nearest_draw(choice: Choice, ranges: Ranges) -> dict[str, Any]:
    """The draw that comes nearest to values from elsewhere, which may lie outside the ranges."""
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
    }


def choice_in(params: Params) -> Choice:
    """The values that params.yaml holds now."""
    model = params.model
    return Choice(
        hidden=model.hidden,
        dropout=model.dropout,
        learning_rate=params.train.learning_rate,
        segment=model.segment,
        normalization=model.normalization,
        bidirectional=model.bidirectional,
    )


def params_with(params: Params, choice: Choice) -> Params | None:
    """The params with other values; None where they do not fit together (such as decoder and segment)."""
    content = params.model_dump()
    for key, value in choice.values.items():
        section, name = key.split(".")
        content[section][name] = value
    try:
        return Params.model_validate(content)
    except ValidationError:
        return None


def fitting(ranges: Ranges, params: Params) -> Ranges:
    """The ranges without choices that do not fit the other params; where none fits, the present value alone.

    So does the decoder of segments want segments that divide the horizon.
    """
    present = choice_in(params)

    def kept(knob: str) -> tuple[Any, ...]:
        options = getattr(ranges, knob)
        fit = [
            value
            for value in options
            if params_with(params, present.model_copy(update={knob: value})) is not None
        ]
        return tuple(fit) or (getattr(present, knob),)

    return ranges.model_copy(
        update={knob: kept(knob) for knob in ("segment", "normalization", "bidirectional")}
    )


def cost(config: ModelConfig) -> int:
    """Multiplications of the recurrent layers for one window, about: what the time of an epoch grows with."""
    steps = -(-config.lookback // config.segment)
    directions = 2 if config.bidirectional else 1
    total, width = 0, config.hidden[0] if config.segment > 1 else len(config.features)
    for units in config.hidden:
        total += GATES[config.model_type] * directions * (width * units + units * units)
        width = directions * units
    return steps * total
