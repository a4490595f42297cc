"""The section `models` of configs/catalog.yaml: what a model is for, what a search varies."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, get_args

import pydantic
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Field

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.params_trees import TreesParams
from spline_lstm.core.section import OWN_CLASS, Section
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.tasks.parts import TASKS

# Libraries of boosted trees, which the stage train-trees fits beside a network.
TREES: tuple[str, ...] = get_args(get_args(TreesParams.model_fields["members"].annotation)[0])

Value = int | float | bool | str


class Range(Section):
    """The range of one setting: lowest and highest, or choices.

    Whole numbers in `low` and `high` give whole numbers. With `log` a number is drawn by its
    logarithm, with `step` in steps from the lowest.
    """

    low: int | float | None = None
    high: int | float | None = None
    step: Annotated[int | float, Field(gt=0)] | None = None
    log: bool = False
    choices: tuple[Value | None, ...] = ()

    @pydantic.model_validator(mode="after")
    def _one_form(self) -> "Range":
        limits = (self.low, self.high)
        if self.choices:
            if limits != (None, None) or self.step is not None or self.log:
                raise ValueError("a range has choices, or low and high")
            return self
        if self.low is None or self.high is None or self.low > self.high:
            raise ValueError("a range needs low and high, the lowest first, or choices")
        if self.log and (self.step is not None or self.low <= 0):
            raise ValueError("log needs low above 0 and no step")
        if self.step is not None and not _is_whole((self.high - self.low) / self.step):
            raise ValueError("the highest must be the lowest and a multiple of step")
        return self

    @property
    def ends(self) -> tuple[Value | None, ...]:
        """The values that say whether all of the range goes with a key of params.yaml."""
        return self.choices or (self.low, self.high)

    @property
    def distribution(self) -> BaseDistribution:
        """What the sampler draws from."""
        if self.choices:
            return CategoricalDistribution(self.choices)
        assert self.low is not None
        assert self.high is not None
        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def nearest(self, value: Any) -> Any:
        """The value of the range that is nearest to one that may lie outside."""
        if self.choices:
            return value if value in self.choices else self.choices[0]
        assert self.low is not None
        assert self.high is not None
        inside = min(max(value, self.low), self.high)
        if self.step is not None:
            inside = self.low + self.step * round((inside - self.low) / self.step)
        return inside

    @property
    def text(self) -> str:
        """As a person would write it.

        >>> Range(low=1, high=4).text, Range(choices=(True, None)).text
        ('1 to 4', 'true | null')
        """
        if self.choices:
            return " | ".join(_word(value) for value in self.choices)
        how = ", by its logarithm" if self.log else ""
        return f"{self.low} to {self.high}" + (f" by {self.step}" if self.step else how)


class ListedModel(Section):
    """What the catalog says about a model.

    Attributes
    ----------
    own : str or None
        Key `class`: ``module:Class`` of a network of the user's own.
    description : str
        One sentence.
    tasks : tuple of str
        Tasks that it is for.
    accelerator : bool
        Whether a training on a table of usual size takes minutes on the CPU.
    fixed : mapping
        Key of params.yaml -> the value that a search sets and keeps.
    ranges : mapping
        Key of params.yaml -> what a search draws. Of a model of windows empty: a search takes the
        section `every_type`, or that in `types`.
    """

    own: Annotated[str, Field(pattern=f"^{OWN_CLASS}$")] | None = Field(None, alias="class")
    description: Annotated[str, Field(min_length=1)]
    tasks: Annotated[tuple[str, ...], Field(min_length=1)]
    accelerator: bool = False
    fixed: Mapping[str, Value | None] = {}
    ranges: Mapping[str, Range] = {}

    @pydantic.field_validator("tasks")
    @classmethod
    def _known_tasks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(TASKS)):
            raise ValueError(f"{', '.join(unknown)}: unknown task; use one of {', '.join(TASKS)}")
        return value

    @pydantic.model_validator(mode="after")
    def _keys_of_params(self) -> "ListedModel":
        if both := sorted(self.fixed.keys() & self.ranges.keys()):
            raise ValueError(f"{', '.join(both)}: either fixed, or in ranges")
        ends = [(key, end) for key, limits in self.ranges.items() for end in limits.ends]
        for key, value in [*self.fixed.items(), *ends]:
            try:
                with_values(Params(), {key: value}, "the model")
            except ParamsError as error:
                raise ValueError(str(error)) from None
        return self


def check_names(models: Mapping[str, ListedModel]) -> None:
    """Raise ValueError for a name that is not of a model here, without a class of its own.

    A class of the user's own is not imported: only a training of it needs it.
    """
    known = (*MODEL_TYPES, *TREES)
    for name, model in models.items():
        if model.own is None and name not in known:
            raise ValueError(
                f"{name}: unknown model; use one of {', '.join(known)}, or give its class, such as "
                "mymodule:MyNetwork"
            )
        if model.own is not None and name in known:
            raise ValueError(f"{name}: this model has its class; give yours another name")


def listing(models: Mapping[str, ListedModel], task: str | None = None) -> str:
    """What a person chooses a model by: a block of lines for each, of one task or of all."""
    shown = [_block(name, model) for name, model in models.items() if task in (None, *model.tasks)]
    return "\n".join(shown)


def _block(name: str, model: ListedModel) -> str:
    written = (
        f"model.type: {model.own or name}" if name not in TREES else f"trees.members: [{name}]"
    )
    where = "wants an accelerator" if model.accelerator else "trains on the CPU"
    lines = [
        f"{name}: {model.description}",
        f"  {written}; tasks {', '.join(model.tasks)}; {where}",
        *(f"  {key} = {_word(value)}" for key, value in model.fixed.items()),
        *(f"  {key}: {limits.text}" for key, limits in model.ranges.items()),
    ]
    return "\n".join(lines)


def _is_whole(number: float) -> bool:
    return math.isclose(number, round(number), abs_tol=1e-9)


def _word(value: Value | None) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
