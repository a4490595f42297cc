"""A network of a user's own, which params.yaml names as module:Class."""

import dataclasses

import jax
import numpy as np
import pytest

from spline_lstm import TabularModel
from spline_lstm.core.errors import ExportError, ParamsError
from spline_lstm.core.params import Params, with_values
from spline_lstm.export.spec import check_exportable
from spline_lstm.models.build import build
from spline_lstm.models.types import MODEL_TYPES, check_types
from tests.builders import make_config
from tests.models.own import OwnNetwork
from tests.models.rows import make_row_config
from tests.models.toy import ToyNetwork

OWN, TOY = "tests.models.own:OwnNetwork", "tests.models.toy:ToyNetwork"


@pytest.mark.parametrize(
    ("config", "network"), [(make_config(), ToyNetwork), (make_row_config("mlp"), OwnNetwork)]
)
def test_it_is_built_for_windows_and_for_rows(config, network):
    name = f"{network.__module__}:{network.__name__}"
    config = dataclasses.replace(config, model_type=name)
    assert isinstance(build(config, key=jax.random.key(0)), network)


def test_it_learns_the_rows_of_a_table():
    x = np.random.default_rng(0).normal(size=(300, 2))
    model = TabularModel("regression", params={"model.type": OWN, "train.learning_rate": 0.05})
    assert model.fit(x, x @ [1.0, -2.0]).score(x, x @ [1.0, -2.0]) > 0.8


@pytest.mark.parametrize("task", ["forecast", "direction", "tabular"])
def test_every_task_accepts_its_name(task):
    check_types(with_values(Params(), {"model.type": OWN, "task": task}, "here"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Net", "No module named 'no_such_module'; put the module at the root"),
        ("tests.models.own:Absent", "has no attribute 'Absent'; put"),
        ("tests.models.own:NO_NETWORK", "it is not a class of flax.nnx.Module"),
    ],
)
def test_what_cannot_be_built_is_refused(name, message):
    config = dataclasses.replace(make_row_config("mlp"), model_type=name)
    with pytest.raises(ParamsError, match=message) as caught:
        build(config, key=jax.random.key(0))
    assert str(caught.value).startswith(f"model.type = {name}: ")


@pytest.mark.parametrize("name", ["mymodule:", ":Net", "my module:Net", "a:b:c", "Lstm"])
def test_other_names_break_the_rule_of_the_key(name):
    with pytest.raises(ParamsError, match=r"model\.type"):
        with_values(Params(), {"model.type": name}, "here")


def test_names_without_an_entry_stay_unknown():
    assert OWN not in MODEL_TYPES
    with pytest.raises(KeyError):
        MODEL_TYPES["lstmm"]


def test_it_has_no_exported_form():
    with pytest.raises(ExportError, match="has no exported form; use one of lstm"):
        check_exportable(dataclasses.replace(make_config(), model_type=TOY))
