"""The section `models` of configs/catalog.yaml, and its listing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from spline_lstm.__main__ import main
from spline_lstm.core.errors import ParamsError
from spline_lstm.models.types import MODEL_TYPES, ROW_TASKS
from spline_lstm.tuning.catalog import PATH, load_catalog
from spline_lstm.tuning.listed_models import TREES, ListedModel, Range, listing
from tests.builders import ROOT

CATALOG = load_catalog(ROOT)
OWN = """
  mine:
    class: tests.models.own:OwnNetwork
    description: one linear layer
    tasks: [tabular]
    ranges:
      train.learning_rate: {low: 0.001, high: 0.1, log: true}
"""


def written(folder, more: str = "", old: str = "", new: str = ""):
    """A folder with a catalog whose text differs from the one here."""
    (folder / PATH).parent.mkdir()
    text = (ROOT / PATH).read_text(encoding="utf-8")
    assert old in text
    (folder / PATH).write_text(text.replace(old, new, 1) + more, encoding="utf-8")
    return folder


def test_every_model_is_listed_and_rows_have_ranges():
    assert set(CATALOG.models) == {*MODEL_TYPES, *TREES}
    assert TREES == ("lightgbm", "xgboost")
    for name, model in CATALOG.models.items():
        entry = MODEL_TYPES.get(name)
        reads_rows = entry is None or entry.rows is not None
        assert bool(model.ranges) == reads_rows
        assert bool(set(ROW_TASKS) & set(model.tasks)) == reads_rows


def test_a_model_of_a_users_own_module_is_listed(tmp_path):
    catalog = load_catalog(written(tmp_path, OWN))
    assert catalog.listed("mine") is catalog.listed("tests.models.own:OwnNetwork")
    assert "mine: one linear layer\n  model.type: tests.models.own:OwnNetwork; tasks tabular" in (
        listing(catalog.models, "tabular")
    )
    assert CATALOG.listed("tests.models.own:OwnNetwork") is None


def test_the_listing_is_of_one_task():
    shown = listing(CATALOG.models, "direction")
    assert "trees.members: [lightgbm]; tasks direction, tabular; trains on the CPU" in shown
    assert "lstm: recurrent" in shown
    assert "tabm" not in shown
    assert "ft_transformer" in listing(CATALOG.models)


@pytest.mark.parametrize("folder", ["", "pipelines/tabular"])
def test_the_command_lists_the_models_of_the_task(folder, capsys):
    assert main(["tune", *([folder] if folder else []), "--list"]) == 0
    out = capsys.readouterr().out
    assert ("tabm:" in out) == bool(folder)
    assert ("lstm:" in out) == (not folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"old": "  tabm:\n", "new": "  tabn:\n"},
            "models: .*tabn: unknown model; use one of lstm",
        ),
        ({"more": OWN.replace("  mine:", "  tabm2:").replace(":OwnN", ".OwnN")}, "class"),
        ({"old": "tasks: [forecast]", "new": "tasks: [rows]"}, "rows: unknown task"),
        ({"old": "model.rows.heads: 8", "new": "model.rows.head: 8"}, r"model\.rows\.head"),
        ({"old": "model.rows.heads: 8", "new": "model.rows.heads: 0"}, r"model\.rows\.heads"),
        ({"old": "{low: 1, high: 4}", "new": "{low: 0, high: 4}"}, r"model\.rows\.blocks"),
        ({"old": "{low: 1, high: 4}", "new": "{low: 5, high: 4}"}, "the lowest first"),
        ({"old": "{low: 1, high: 4}", "new": "{low: 1}"}, "low and high"),
        ({"old": "high: 256, step: 64", "new": "high: 250, step: 64"}, "a multiple of step"),
        ({"old": "low: 3.0e-5, high", "new": "low: 0.0, high"}, "log needs low above 0"),
        ({"old": "{choices: [8,", "new": "{low: 1, choices: [8,"}, "choices, or low and high"),
        ({"old": "model.rows.heads: 8", "new": "model.rows.blocks: 8"}, "either fixed, or in"),
    ],
)
def test_a_broken_entry_is_refused_in_one_line(tmp_path, change, message):
    folder = written(tmp_path, **change)
    with pytest.raises(ParamsError, match=message) as caught:
        load_catalog(folder)
    assert "\n" not in str(caught.value)


def test_a_model_here_has_its_class_already(tmp_path):
    class_of = "  tabm:\n    class: tests.models.own:OwnNetwork\n"
    with pytest.raises(ParamsError, match="tabm: this model has its class; give yours another"):
        load_catalog(written(tmp_path, old="  tabm:\n", new=class_of))


def test_what_the_sampler_draws_from():
    assert Range(low=1, high=4).distribution == IntDistribution(1, 4)
    assert Range(low=64, high=256, step=64).distribution == IntDistribution(64, 256, step=64)
    assert Range(low=0.1, high=1.0, log=True).distribution == FloatDistribution(0.1, 1.0, log=True)
    assert Range(choices=(8, 16)).distribution == CategoricalDistribution((8, 16))


@given(st.floats(-1e3, 1e3))
def test_the_nearest_value_is_of_the_range(value):
    limits = Range(low=0.0, high=0.5, step=0.1)
    found = limits.nearest(value)
    assert 0.0 <= found <= 0.5 + 1e-12
    assert abs(found - min(max(value, 0.0), 0.5)) <= 0.05 + 1e-12
    assert Range(choices=(8, 16)).nearest(value) in (8, 16)


def test_an_entry_needs_a_description_and_tasks():
    for key, content in (
        ("description", {"description": "", "tasks": ["tabular"]}),
        ("tasks", {"description": "x", "tasks": []}),
    ):
        with pytest.raises(ValueError, match=key):
            ListedModel.model_validate(content)
