import dataclasses

import optuna
import pytest

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import load_params, with_values
from spline_lstm.models.config import model_config
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.tuning.catalog import COMBINATIONS, PATH, load_catalog
from spline_lstm.tuning.space import (
    Space,
    choice_in,
    choice_of,
    completed,
    cost,
    distributions,
    fitting,
    lookbacks_of,
    nearest_draw,
    params_with,
    space_of,
)
from tests.builders import ROOT, make_all_windows, make_arrays, make_preprocessor

CATALOG, PARAMS = load_catalog(ROOT), load_params(ROOT)


def make_space(model_type="lstm") -> Space:
    """The shipped ranges, with three lookbacks."""
    return space_of(CATALOG.entry(model_type).ranges, PARAMS, [12, 24, 48], positive=True)


TYPES = sorted(
    name for name, entry in MODEL_TYPES.items() if not entry.closed_form and not entry.rows
)


@pytest.mark.parametrize("model_type", TYPES)
def test_the_shipped_ranges_are_those_agreed_on_and_hold_their_defaults(model_type):
    entry = CATALOG.entry(model_type)
    ranges = entry.ranges
    assert (ranges.units, ranges.layers, ranges.dropout) == ((32, 256), (1, 4), (0.0, 0.5))
    assert ranges.learning_rate == (1e-4, 1e-2)
    space, defaults = make_space(model_type), completed(entry.defaults, PARAMS)
    draw = nearest_draw(defaults, space)
    assert choice_of(draw) == defaults
    for name, distribution in distributions(space).items():
        assert distribution._contains(distribution.to_internal_repr(draw[name])), name


@pytest.mark.parametrize("model_type", TYPES)
def test_every_draw_gives_params_that_are_valid(model_type):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        choice = choice_of(study.ask(distributions(make_space(model_type))).params)
        found = params_with(PARAMS, choice)
        assert found is not None
        assert choice_in(found) == choice


def test_values_outside_the_ranges_go_to_the_nearest_draw():
    far = CATALOG.entry("lstm").defaults.model_copy(
        update={"hidden": (4, 999), "learning_rate": 1.0, "segment": 7, "lookback": 40}
    )
    near = choice_of(nearest_draw(far, make_space()))
    assert (near.hidden, near.learning_rate) == ((32, 256), 1e-2)
    assert (near.segment, near.lookback) == (8, 48)


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


def test_combinations_have_names_and_those_without_one_stay_as_they_are():
    for name, keys in COMBINATIONS.items():
        params = with_values(PARAMS, {f"model.{key}": value for key, value in keys.items()}, "test")
        assert choice_in(params).combination == name
        assert choice_in(params_with(PARAMS, choice_in(params))) == choice_in(params)
    trained = with_values(PARAMS, {"model.linear_skip": "trained"}, "test")
    assert choice_in(trained).combination is None
    assert params_with(trained, choice_in(trained)) == trained


def test_lookbacks_hold_a_horizon_and_what_the_network_reads_and_leave_rows_to_train_on():
    ranges = CATALOG.entry("lstm").ranges.model_copy(update={"lookback": (0.1, 0.5, 1.0, 2.0, 3.0)})
    assert lookbacks_of(ranges, PARAMS, 100) == [12, 48]
    narrow = with_values(PARAMS, {"model.network_lookback": 20}, "test")
    assert lookbacks_of(ranges, narrow, 1000) == [48, 72]


def test_smoothing_is_drawn_only_where_the_params_smooth():
    smooth = with_values(PARAMS, {"preprocess.smoothing.method": "replace"}, "test")
    space = space_of(CATALOG.entry("lstm").ranges, smooth, [24], positive=True)
    draw = nearest_draw(choice_in(smooth), space)
    assert draw["smoothing_strength"] == pytest.approx(10.0)
    assert choice_of(draw | {"smoothing_strength": 1.23456}).smoothing_strength == 1.23
    assert "smoothing_strength" not in distributions(make_space())


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
