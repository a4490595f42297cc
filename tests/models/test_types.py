"""The entries of the types of model, and the other places that name a type."""

import dataclasses
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from spline_lstm.cli import check, compare
from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import ModelParams, load_params
from spline_lstm.inference.arguments import params_of
from spline_lstm.models.config import ModelConfig, model_config
from spline_lstm.models.types import MODEL_TYPES, check_types
from spline_lstm.tuning.catalog import load_catalog
from tests.builders import ROOT, make_all_windows, make_arrays, make_preprocessor

PARAMS = load_params(ROOT)


def with_model(**changes):
    return PARAMS.model_copy(update={"model": PARAMS.model.model_copy(update=changes)})


@pytest.mark.parametrize("shipped", [PARAMS, params_of(None, {})], ids=["pipeline", "Forecaster"])
def test_defaults_are_those_of_params_yaml(shipped):
    check_types(shipped)
    assert MODEL_TYPES[shipped.model.type].defaults == shipped.model


@pytest.mark.parametrize("name", sorted(MODEL_TYPES))
def test_entry_has_its_defaults_options_and_colour(name):
    entry = MODEL_TYPES[name]
    assert entry.defaults.type == name
    assert ModelParams.model_validate(entry.defaults.model_dump()) == entry.defaults
    choices = {"normalization", "decoder", "channels", "bidirectional", "layer_norm"}
    choices |= {"linear_skip", "seasonal_skip", "stack"}
    assert set(entry.options) == choices
    assert entry.options["normalization"] == ("none", "last", "revin", "robust")
    assert entry.allowed.keys() <= choices
    assert re.fullmatch("#[0-9a-f]{6}", entry.colour)
    # What tuning starts from goes with the type.
    start = load_catalog(ROOT).entry(name).defaults.values
    values = {
        key.removeprefix("model."): value
        for key, value in start.items()
        if key.startswith("model.")
    }
    params = with_model(**(entry.defaults.model_dump() | values))
    check_types(params.model_copy(update={"task": "tabular"}) if entry.rows else params)


def test_colours_of_types_differ():
    assert len({entry.colour for entry in MODEL_TYPES.values()}) == len(MODEL_TYPES)


def test_unknown_type_is_refused_with_the_nearest_known_one():
    with pytest.raises(
        ParamsError, match=r"model\.type = 'gruu': must be one of lstm, gru.*did you mean gru\?"
    ) as error:
        model_config(with_model(type="gruu"), make_all_windows(make_arrays()), make_preprocessor())
    assert error.value.exit_code == 10
    models = PARAMS.compare.model_copy(update={"models": ("lstm", "tree")})
    with pytest.raises(ParamsError, match=r"compare\.models\.1 = 'tree': must be one of lstm"):
        check_types(PARAMS.model_copy(update={"compare": models}))


@pytest.mark.parametrize(
    ("task", "name", "needed"), [("forecast", "tabm", "lstm, gru"), ("tabular", "gru", "ft_tr")]
)
def test_a_type_for_another_kind_of_input_is_refused(task, name, needed):
    params = with_model(type=name).model_copy(update={"task": task})
    message = rf"model\.type = {name}: with task {task} it must be one of {needed}"
    with pytest.raises(ParamsError, match=message):
        check_types(params)


@pytest.mark.parametrize("command", [check, compare], ids=["check", "compare"])
def test_commands_refuse_an_unknown_type(tmp_path, command, monkeypatch):
    text = (ROOT / "params.yaml").read_text()
    assert "  type: lstm" in text
    (tmp_path / "params.yaml").write_text(text.replace("  type: lstm", "  type: lstmm"))
    monkeypatch.setattr(
        compare, "find_pipeline", lambda folder: SimpleNamespace(folder=folder, name="")
    )
    with pytest.raises(ParamsError, match=r"model\.type = 'lstmm'.*did you mean lstm\?"):
        command.run(SimpleNamespace(folder=tmp_path))


def test_option_that_does_not_go_with_the_type_is_refused(monkeypatch):
    narrow = dataclasses.replace(MODEL_TYPES["gru"], allowed={"bidirectional": (False,)})
    monkeypatch.setitem(MODEL_TYPES, "gru", narrow)
    check_types(with_model(type="gru"))
    check_types(with_model(bidirectional=True))
    with pytest.raises(
        ParamsError, match=r"model\.bidirectional = True: with model\.type gru it must be one of F"
    ):
        check_types(with_model(type="gru", bidirectional=True))


def test_entries_and_configs_need_no_jax():
    code = "import sys, spline_lstm.models.config; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_every_field_of_a_config_comes_from_params_windows_or_preprocessing():
    config = model_config(PARAMS, make_all_windows(make_arrays()), make_preprocessor())
    assert config == ModelConfig.from_json(config.to_json())
    assert (config.lookback, config.horizon, config.targets) == (5, 2, ("f0",))
