import pytest

from spline_lstm.scaffold import model_choices as mc
from spline_lstm.scaffold.model_choices import Extents


def extents(**changes):
    values = {"training": 12_000, "series": 1, "seasons": (24, 168), "horizon": 24, "absent": 0.0}
    return Extents(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "lookback"),
    [
        ({}, 4 * 168 + 24),
        ({"training": 1200}, 3 * 168 + 24),
        ({"seasons": (12,), "training": 100, "horizon": 6}, 4 * 12),
        ({"seasons": (7,), "training": 900, "horizon": 7}, 16 * 7 + 7),
        ({"seasons": (7,), "training": 350, "horizon": 7}, 12 * 7),
        ({"seasons": (24,)}, 16 * 24 + 24),
        # A panel: a window of four seasons, 35 rows, fits into 110 rows and one of sixteen hardly.
        ({"seasons": (7,), "training": 630, "horizon": 7, "lengths": (900, 900, 110)}, 4 * 7 + 7),
        ({"seasons": (7,), "training": 630, "horizon": 7, "lengths": (900, 900, 480)}, 12 * 7),
        ({"seasons": (7,), "training": 630, "horizon": 7, "lengths": (900, 900, 40)}, 16 * 7 + 7),
        ({"seasons": (), "horizon": 12}, 48),
        ({"seasons": (2016,), "horizon": 12}, 48),
        ({"seasons": (), "training": 40, "horizon": 12}, 20),
    ],
)
def test_the_lookback_is_the_longest_multiple_of_a_season_that_the_rows_allow(changes, lookback):
    assert mc.choose_lookback(extents(**changes)) == lookback


def test_the_network_reads_a_season_and_a_horizon_of_it():
    assert mc.choose_network_lookback(extents(), 696) == 168 + 24
    assert mc.choose_network_lookback(extents(seasons=(48, 336), horizon=12), 684) == 348
    assert mc.choose_network_lookback(extents(seasons=(2016,), horizon=12), 48) == 48
    assert mc.choose_network_lookback(extents(), 30) == 30


@pytest.mark.parametrize(
    ("network", "season", "segment"),
    [(192, 24, 8), (348, 48, 16), (48, 1, 4), (30, 12, 4), (3, 1, 3)],
)
def test_a_segment_divides_the_season_and_gives_few_steps(network, season, segment):
    assert mc.choose_segment(network, season) == segment
    assert network <= segment * mc.MOST_SEGMENTS


@pytest.mark.parametrize(
    ("training", "series", "steps"),
    [(100, 1, 1500), (8000, 1, 2280), (60_000, 1, 3000), (600, 40, 3000)],
)
def test_the_steps_go_with_the_windows_within_bounds(training, series, steps):
    values = {
        choice.key: choice.value
        for choice in mc.choose_model(extents(training=training, series=series))
    }
    assert values["train.max_steps"] == pytest.approx(steps, abs=30)
    assert values["train.max_steps"] == mc.EVALUATIONS * values["train.eval_steps"]
    assert values["train.max_epochs"] is None


def test_windows_cross_gaps_only_where_there_are_some():
    plain = {choice.key for choice in mc.choose_model(extents())}
    other = {choice.key: choice.value for choice in mc.choose_model(extents(series=9, absent=0.1))}
    assert "window.max_missing_inputs" not in plain
    assert 0 < other["window.max_missing_inputs"] < 1
    assert "preprocess.fill" not in plain
    assert other["preprocess.fill"] == "seasonal"


def test_the_console_names_choices_with_reasons():
    said = mc.describe(mc.choose_model(extents()))
    assert said["window.lookback"] == "696 (4 seasons of 168 rows and a horizon)"
    assert "train.huber_delta" not in said
