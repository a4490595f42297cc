"""The types of model: one entry each, without JAX.

A new type of network touches two files: its entry in `MODEL_TYPES` and the module with its network.
A network of the user's own touches none: `model.type` names its class, ``module:Class``.
Everything else reads the entry: params and catalog check names against it, plots take its colour,
tuning its gates, and the export tells whether it can compute it.

params.yaml is read in `core`, which cannot import from here, and stages before the training must
not depend on this folder: otherwise a new type would change their inputs. So `core.params` accepts
any name in `model.type` and `compare.models`, and `check_types` refuses unknown ones as soon as
something uses them: when a network is configured, and in the commands check and compare.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from spline_lstm.core.errors import ParamsError, shorten
from spline_lstm.core.params import ModelParams, Params
from spline_lstm.core.params_errors import check_name
from spline_lstm.core.section import OWN_CLASS


@dataclass(frozen=True)
class Cell:
    """A recurrent cell.

    Attributes
    ----------
    gates : weight blocks of one layer
    operator : name of the layer in ONNX
    recurrent_bias : whether a layer has a second bias, inside the reset
    """

    gates: int
    operator: str
    recurrent_bias: bool = False


# Gates i, f, g, o of the LSTM; r, z, n of the GRU.
LSTM = Cell(gates=4, operator="LSTM")
GRU = Cell(gates=3, operator="GRU", recurrent_bias=True)


@dataclass(frozen=True)
class RowSizes:
    """Size of a network of rows where the params leave it open: that of its paper.

    Attributes
    ----------
    blocks, width : of the network
    dropout : share of hidden units dropped while training
    """

    blocks: int
    width: int
    dropout: float = 0.1


# Tasks whose networks read the rows of a table, and not windows.
ROW_TASKS = ("tabular",)


@dataclass(frozen=True)
class ModelType:
    """A type of model.

    Attributes
    ----------
    network : str
        ``module:Class``; loaded when a network is built from a `ModelConfig` and a key. See
        `spline_lstm.models.build.Network`. Of a type in closed form: the class of its forecasts.
    defaults : ModelParams
        The section `model` of params.yaml to start from.
    colour : str
        In plots, as a hex triplet.
    cell : Cell or None
        None for a network without recurrence.
    attention : bool
        Whether the head also sees a weighted mean of all states.
    exported : bool
        Whether `spline_lstm.export` computes it; otherwise the export ends with an error.
    allowed : mapping
        Option -> its allowed values, for options of which not every value goes with the type.
    fixed : mapping
        Key of params.yaml -> the only value that goes with the type, for other settings.
    closed_form : bool
        It has no network: regressions on raw targets are solved, and forecasts are computed in data
        units. See `spline_lstm.models.linear_targets`.
    rows : RowSizes or None
        Of a network of rows, built from a `RowConfig`; None: its inputs are windows.
    """

    network: str
    defaults: ModelParams
    colour: str
    cell: Cell | None = None
    attention: bool = False
    exported: bool = False
    allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    closed_form: bool = False
    rows: RowSizes | None = None

    @property
    def gates(self) -> int:
        """Weight blocks of one recurrent layer; 0 without recurrence."""
        return self.cell.gates if self.cell else 0

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """Allowed values of the options that are a choice."""
        return _choices() | dict(self.allowed)


def _choices() -> dict[str, tuple[Any, ...]]:
    kinds = {name: item.annotation for name, item in ModelParams.model_fields.items()}
    words = {name: get_args(kind) for name, kind in kinds.items() if get_origin(kind) is Literal}
    return words | {name: (False, True) for name, kind in kinds.items() if kind is bool}


def is_own_class(name: str) -> bool:
    """Whether a type of model is the class of a network of the user's own.

    >>> is_own_class("mymodule:MyNetwork"), is_own_class("lstm")
    (True, False)
    """
    return re.fullmatch(OWN_CLASS, name) is not None


class ModelTypes(dict[str, ModelType]):
    """The entries by name; the entry of a ``module:Class`` follows from its name alone.

    Such a network may read windows or rows: it fits any task, and has no exported form.
    """

    def __missing__(self, name: str) -> ModelType:
        """The entry of a network of the user's own."""
        if not is_own_class(name):
            raise KeyError(name)
        return ModelType(
            network=name,
            defaults=ModelParams(type=name),
            colour="#882255",
            rows=RowSizes(blocks=2, width=128),
        )


MODEL_TYPES = ModelTypes(
    {
        "lstm": ModelType(
            network="spline_lstm.models.network:LSTMNetwork",
            defaults=ModelParams(type="lstm"),
            colour="#0072b2",
            cell=LSTM,
            exported=True,
        ),
        "gru": ModelType(
            network="spline_lstm.models.network:GRUNetwork",
            defaults=ModelParams(type="gru"),
            colour="#d55e00",
            cell=GRU,
            exported=True,
        ),
        "attention_lstm": ModelType(
            network="spline_lstm.models.network:AttentionLSTMNetwork",
            defaults=ModelParams(type="attention_lstm"),
            colour="#009e73",
            cell=LSTM,
            attention=True,
            exported=True,
        ),
        "linear": ModelType(
            network="spline_lstm.models.linear:LinearForecaster",
            defaults=ModelParams(type="linear"),
            colour="#cc79a7",
            exported=True,
            allowed={
                "bidirectional": (False,),
                "layer_norm": (False,),
                "decoder": ("dense",),
            },
            fixed={
                "model.quantiles": (),
                "train.loss": "mse",
                "train.ensemble_size": 1,
                "train.precision": "float32",
            },
            closed_form=True,
        ),
        "ft_transformer": ModelType(
            network="spline_lstm.models.ft_transformer:FTTransformer",
            defaults=ModelParams(type="ft_transformer"),
            colour="#e69f00",
            exported=True,
            rows=RowSizes(blocks=3, width=192),
        ),
        "tabm": ModelType(
            network="spline_lstm.models.tabm:TabM",
            defaults=ModelParams(type="tabm"),
            colour="#56b4e9",
            exported=True,
            rows=RowSizes(blocks=2, width=512),
        ),
        "mlp": ModelType(
            network="spline_lstm.models.mlp:MLP",
            defaults=ModelParams(type="mlp"),
            colour="#999999",
            exported=True,
            rows=RowSizes(blocks=3, width=256),
        ),
    }
)


def check_types(params: Params) -> None:
    """Refuse unknown types of model, and a task or options that do not go with the type.

    Raises
    ------
    ParamsError
        The message names the key, its value and the values it may have.
    """
    keys = {f"compare.models.{index}": name for index, name in enumerate(params.compare.models)}
    for key, name in ({"model.type": params.model.type} | keys).items():
        if not is_own_class(name):
            check_name(key, name, MODEL_TYPES)
    entry = MODEL_TYPES[params.model.type]
    _check_task(params)
    for option, values in entry.allowed.items():
        if (value := getattr(params.model, option)) not in values:
            raise ParamsError(
                f"model.{option} = {shorten(value)}: with model.type {params.model.type} it must "
                f"be one of {', '.join(map(shorten, values))}"
            )
    for key, only in entry.fixed.items():
        section, option = key.split(".")
        if (value := getattr(getattr(params, section), option)) != only:
            raise ParamsError(
                f"{key} = {shorten(value)}: with model.type {params.model.type} it must be "
                f"{shorten(only)}"
            )


def _check_task(params: Params) -> None:
    if is_own_class(params.model.type):
        return
    reads_rows = params.task in ROW_TASKS
    fitting = [
        name for name, entry in MODEL_TYPES.items() if (entry.rows is not None) == reads_rows
    ]
    if params.model.type not in fitting:
        raise ParamsError(
            f"model.type = {params.model.type}: with task {params.task} it must be one of "
            f"{', '.join(fitting)}"
        )
