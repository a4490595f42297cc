import dataclasses

import optuna
import pytest

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import load_params
from spline_lstm.models.config import model_config
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.tuning.catalog import PATH, load_catalog
from spline_lstm.tuning.space import (
    choice_in,
    choice_of,
    cost,
    distributions,
    fitting,
    nearest_draw,
    params_with,
)
from tests.builders import ROOT, make_all_windows, make_arrays, make_preprocessor

CATALOG, PARAMS = load_catalog(ROOT), load_params(ROOT)
TYPES = sorted(name for name, entry in MODEL_TYPES.items() if not entry.closed_form)


@pytest.mark.parametrize("model_type", TYPES)
def test_the_shipped_ranges_are_those_agreed_on_and_hold_their_defaults(model_type):
    entry = CATALOG.entry(model_type)
    ranges = entry.ranges
    assert (ranges.units, ranges.layers, ranges.dropout) == ((32, 256), (1, 4), (0.0, 0.5))
    assert ranges.learning_rate == (1e-4, 1e-2)
    draw = nearest_draw(entry.defaults, ranges)
    assert choice_of(draw) == entry.defaults
    for name, distribution in distributions(ranges).items():
        assert distribution._contains(distribution.to_internal_repr(draw[name])), name


@pytest.mark.parametrize("model_type", TYPES)
def test_every_draw_gives_params_that_are_valid(model_type):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        choice = choice_of(study.ask(distributions(CATALOG.entry(model_type).ranges)).params)
        found = params_with(PARAMS, choice)
        assert found is not None
        assert choice_in(found) == choice


def test_values_outside_the_ranges_go_to_the_nearest_draw():
    far = CATALOG.entry("lstm").defaults.model_copy(
        update={"hidden": (4, 999), "learning_rate": 1.0, "segment": 7}
    )
    near = choice_of(nearest_draw(far, CATALOG.entry("lstm").ranges))
    assert (near.hidden, near.learning_rate, near.segment) == ((32, 256), 1e-2, 8)


def test_params_that_do_not_fit_together_are_no_choice():
    model = PARAMS.model.model_copy(update={"decoder": "segments", "segment": 3})
    segments = PARAMS.model_copy(update={"model": model})
    choice = choice_in(segments)
    assert params_with(segments, choice) is not None
    assert params_with(segments, choice.model_copy(update={"segment": 4})) is None


def test_choices_that_do_not_fit_the_other_params_are_left_out():
    def segments(horizon, segment):
        model = PARAMS.model.model_copy(update={"decoder": "segments", "segment": segment})
        window = PARAMS.window.model_copy(update={"horizon": horizon})
        return fitting(
            CATALOG.entry("lstm").ranges,
            PARAMS.model_copy(update={"model": model, "window": window}),
        )

    assert fitting(CATALOG.entry("lstm").ranges, PARAMS) == CATALOG.entry("lstm").ranges
    assert (segments(6, 3).segment, segments(6, 3).bidirectional) == ((2, 3, 6), (False,))
    # No choice of the catalog divides 7: the present value stays.
    assert segments(7, 7).segment == (7,)


def test_cost_is_that_of_the_matrices_times_the_steps():
    windows = make_all_windows(make_arrays(40, features=3), lookback=6)
    preprocessor = make_preprocessor()

    def price(**model):
        update = {"hidden": (8, 4), "segment": 1, "bidirectional": False, "type": "lstm", **model}
        params = PARAMS.model_copy(update={"model": PARAMS.model.model_copy(update=update)})
        return cost(model_config(params, windows, preprocessor))

    assert price() == 6 * 4 * (3 * 8 + 8 * 8 + 8 * 4 + 4 * 4)
    assert price(type="gru") == 6 * 3 * (3 * 8 + 8 * 8 + 8 * 4 + 4 * 4)
    assert price(segment=3) == 2 * 4 * (8 * 8 + 8 * 8 + 8 * 4 + 4 * 4)
    assert price(bidirectional=True) == 6 * 4 * 2 * (3 * 8 + 8 * 8 + 16 * 4 + 4 * 4)


def entry_text(name: str) -> str:
    """The shared section of the shipped catalog as the section of one type, with other units."""
    body = (ROOT / PATH).read_text().split("every_type:\n")[1].split("\n# sections")[0]
    return f"types:\n  {name}:\n" + "".join(
        f"  {line}\n" for line in body.replace("[32, 256]", "[16, 32]").splitlines()
    )


def test_a_type_may_have_a_section_of_its_own_if_it_exists(tmp_path):
    (tmp_path / PATH).parent.mkdir()
    text = (ROOT / PATH).read_text()
    (tmp_path / PATH).write_text(text.replace("types: {}", entry_text("gru")))
    catalog = load_catalog(tmp_path)
    assert catalog.entry("gru").ranges.units == (16, 32)
    assert catalog.entry("lstm") == CATALOG.entry("lstm")
    (tmp_path / PATH).write_text(text.replace("types: {}", entry_text("rnn")))
    with pytest.raises(ParamsError, match=r"types.*rnn: unknown type; use one of lstm, gru"):
        load_catalog(tmp_path)


def test_choices_that_the_type_does_not_allow_are_left_out(monkeypatch):
    narrow = dataclasses.replace(MODEL_TYPES["lstm"], allowed={"bidirectional": (False,)})
    monkeypatch.setitem(MODEL_TYPES, "lstm", narrow)
    ranges = CATALOG.entry("lstm").ranges
    assert fitting(ranges, PARAMS) == ranges.model_copy(update={"bidirectional": (False,)})


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("units: [32, 256]", "units: [256, 32]", "units"),
        ("units: [32, 256]", "units: [32, 250]", "16"),
        ("normalization: last", "normalization: first", "normalization"),
        ("types: {}", "types: {rnn: {}}", "types.rnn"),
        ("every_type:", "lstm:", "every_type"),
        ("layers: [1, 4]", "layers: [1, 4", "YAML"),
    ],
)
def test_a_broken_catalog_is_refused_in_one_line(tmp_path, old, new, named):
    (tmp_path / PATH).parent.mkdir()
    text = (ROOT / PATH).read_text()
    assert old in text
    (tmp_path / PATH).write_text(text.replace(old, new))
    with pytest.raises(ParamsError, match=named) as caught:
        load_catalog(tmp_path)
    assert "\n" not in str(caught.value)
