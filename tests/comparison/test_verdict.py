import math

from spline_lstm.comparison.verdict import best_cell, cells_of, decide, edge_scores
from spline_lstm.params import load_params
from tests.comparison.examples import RIDGE, intervals, make_record
from tests.conftest import ROOT

PARAMS = load_params(ROOT).compare.model_copy(update={"p95_weight": 0.5, "size_weight": 0.5})


def judge(records, **low):
    return decide(cells_of(records), intervals(**low), PARAMS)


def test_lowest_rmse_wins_accuracy_and_the_lightest_model_wins_the_edge():
    records = [
        make_record("lstm", rmse=15.0, p95=0.4, size=0.4),
        make_record("gru", rmse=15.2, p95=0.1, size=0.1),
    ]
    verdict = judge(records, lstm_univariate=-1.0, gru_univariate=-0.5)
    assert (verdict.accuracy, verdict.edge) == (records[0], records[1])
    # The interval of the gru holds zero: as accurate as can be told, and lighter.
    assert verdict.recommended is records[1]
    assert verdict.reason.startswith("gru-univariate-s42, because")
    assert verdict.reason.count(".s") == 0
    assert verdict.reason.endswith(".")


def test_a_lighter_model_that_is_worse_beyond_noise_is_not_recommended():
    records = [make_record("lstm", rmse=15.0, p95=0.4), make_record("gru", rmse=15.9, p95=0.1)]
    verdict = judge(records, lstm_univariate=-1.0, gru_univariate=0.1)
    assert verdict.edge is records[1]
    assert verdict.recommended is records[0]


def test_a_run_that_loses_to_a_baseline_wins_nothing_however_light():
    light_loser = make_record("gru", rmse=RIDGE, p95=0.001, size=0.001)
    winner = make_record("lstm", rmse=15.5)
    verdict = judge([light_loser, winner], lstm_univariate=-1.0, gru_univariate=0.1)
    assert (verdict.accuracy, verdict.edge, verdict.recommended) == (winner, winner, winner)


def test_where_every_run_loses_nothing_is_recommended():
    verdict = judge([make_record(rmse=17.0), make_record(rmse=math.nan, seed=1)], lstm_univariate=-1.0)
    assert (verdict.accuracy, verdict.edge, verdict.recommended) == (None, None, None)
    assert "baseline" in verdict.reason


def test_latency_of_the_edge_choice_is_the_mean_over_the_seeds():
    cells = cells_of(
        [
            make_record("lstm", seed=1, p95=0.1, size=0.3),
            make_record("lstm", seed=2, p95=0.3, size=0.3),
            make_record("gru", seed=1, p95=0.4, size=0.1),
        ]
    )
    scores = edge_scores(cells, PARAMS)
    assert {name: round(score, 9) for name, score in scores.items()} == {
        "lstm univariate": 2.0,
        "gru univariate": 1.5,
    }


def test_the_best_cell_is_that_with_the_lowest_mean_not_the_luckiest_seed():
    cells = cells_of(
        [
            make_record("lstm", seed=1, rmse=14.0),
            make_record("lstm", seed=2, rmse=16.0),
            make_record("gru", seed=1, rmse=14.5),
            make_record("gru", seed=2, rmse=14.7),
        ]
    )
    assert best_cell(cells).name == "gru univariate"
    assert not cells[1].rmse.below(cells[0].rmse)
