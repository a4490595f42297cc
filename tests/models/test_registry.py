"""The registry beside the other places that name the types of model."""

from pathlib import Path
from typing import get_args

import pytest

import spline_lstm
from spline_lstm.core.params import ModelParams, load_params
from spline_lstm.models.network import RecurrentNetwork
from spline_lstm.models.registry import MODEL_TYPES
from spline_lstm.tuning.catalog import load_catalog

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = Path(spline_lstm.__file__).parent / "inference"


def test_params_accept_exactly_the_registered_types():
    assert set(get_args(ModelParams.model_fields["type"].annotation)) == set(MODEL_TYPES)


@pytest.mark.parametrize("folder", [ROOT, PACKAGED], ids=["pipeline", "Forecaster"])
def test_defaults_are_those_of_params_yaml(folder):
    shipped = load_params(folder).model
    assert MODEL_TYPES[shipped.type].defaults == shipped


@pytest.mark.parametrize("name", sorted(MODEL_TYPES))
def test_entry_has_its_network_params_defaults_and_options(name):
    entry = MODEL_TYPES[name]
    assert issubclass(entry.network, RecurrentNetwork)
    assert entry.network is not RecurrentNetwork
    assert entry.defaults.type == name
    assert entry.params.model_validate(entry.defaults.model_dump()) == entry.defaults
    assert set(entry.options) == {
        "normalization",
        "decoder",
        "channels",
        "bidirectional",
        "layer_norm",
    }
    assert entry.options["normalization"] == ("none", "last", "revin")
    # What tuning starts from goes with the type.
    start = load_catalog(ROOT).entry(name).defaults.values
    values = {
        key.removeprefix("model."): value
        for key, value in start.items()
        if key.startswith("model.")
    }
    assert entry.params(**(entry.defaults.model_dump() | values)).type == name
