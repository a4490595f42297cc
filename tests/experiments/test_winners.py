import math

import numpy as np
import pytest

from spline_lstm.core.params import load_params
from spline_lstm.evaluation.blocks import Interval
from spline_lstm.experiments.latency import Latency
from spline_lstm.experiments.winners import best_candidate, candidates_of, decide, edge_scores
from tests.builders import ROOT
from tests.experiments.examples import RIDGE, make_latencies, make_record

PARAMS = load_params(ROOT).compare.model_copy(update={"p95_weight": 0.5, "size_weight": 0.5})


def judge(records, *, noise=1.0, params=PARAMS, latencies=None):
    """The verdict where the noise of the test windows is a constant."""

    def difference(one, other):
        value = one.rmse - other.rmse
        return Interval(value, value - noise, value + noise)

    latencies = make_latencies(records) if latencies is None else latencies
    return decide(records, latencies, params, difference)


def test_lowest_rmse_wins_accuracy_and_the_lightest_model_wins_the_edge():
    records = [
        make_record("lstm", rmse=15.0, p95=0.4, size=0.4),
        make_record("gru", rmse=15.2, p95=0.1, size=0.1),
    ]
    verdict = judge(records)
    assert (verdict.accuracy, verdict.edge, verdict.recommended) == (
        records[0],
        records[1],
        records[1],
    )
    assert verdict.reason == (
        "gru-univariate-s42, because it is the cheapest on the edge, and its RMSE minus that of "
        "lstm-univariate-s42, the most accurate run, is +0.2 [-0.8, +1.2]: no more than the noise "
        "of the test windows."
    )


def test_a_lighter_model_that_is_worse_beyond_noise_is_not_recommended():
    records = [make_record("lstm", rmse=15.0, p95=0.12), make_record("gru", rmse=15.9, p95=0.1)]
    verdict = judge(records, noise=0.5)
    assert (verdict.edge, verdict.recommended) == (records[1], records[0])
    assert verdict.reason == (
        "lstm-univariate-s42, because the RMSE of gru-univariate-s42, the cheapest on the edge, "
        "is above its own by +0.9 [+0.4, +1.4], more than the noise of the test windows, and "
        "counts for more than latency and size (score 1.020 against 1.048)."
    )


def test_the_edge_winner_has_the_lowest_score_that_a_reader_computes_from_the_table():
    # The seeds of one model differ in p95 by the noise of the clock: the row of the table counts,
    # not their mean.
    records = [
        make_record("lstm", seed=1, rmse=15.0, p95=0.1, size=0.2),
        make_record("lstm", seed=2, rmse=14.9, p95=0.5, size=0.2),
        make_record("gru", seed=1, rmse=15.1, p95=0.3, size=0.1),
        make_record("gru", seed=2, rmse=RIDGE, p95=0.05, size=0.1),
    ]
    verdict = judge(records)
    assert verdict.scores == pytest.approx(
        {"lstm-univariate-s1": 1.5, "lstm-univariate-s2": 3.5, "gru-univariate-s1": 2.0}
    )
    assert verdict.edge is records[0]


def test_weights_shift_the_choice_between_the_fast_and_the_small():
    fast, small = make_record("lstm", p95=0.1, size=0.3), make_record("gru", p95=0.4, size=0.1)
    scores = edge_scores([fast, small], make_latencies([fast, small]), PARAMS)
    assert {name: np.median(values) for name, values in scores.items()} == pytest.approx(
        {"lstm-univariate-s42": 2.0, "gru-univariate-s42": 2.5}
    )
    by_size = PARAMS.model_copy(update={"p95_weight": 0.1, "size_weight": 0.3})
    assert judge([fast, small], params=by_size).edge is small


def test_the_weight_of_the_rmse_decides_how_much_latency_an_error_is_worth():
    accurate, fast = make_record("lstm", p95=0.4), make_record("gru", rmse=15.9, p95=0.1)
    verdict = judge([accurate, fast], noise=0.5)
    # (4 * 15.9 / 15 + 1) / 5 against (4 + (4 + 1) / 2) / 5.
    assert verdict.totals == pytest.approx(
        {"lstm-univariate-s42": 1.3, "gru-univariate-s42": 1.048}
    )
    assert verdict.recommended is fast
    assert verdict.reason == (
        "gru-univariate-s42, because it is the best of RMSE, latency and size together (score "
        "1.048 against 1.300); its RMSE is above that of lstm-univariate-s42, the most accurate "
        "run, by +0.9 [+0.4, +1.4]."
    )
    strict = PARAMS.model_copy(update={"rmse_weight": 100.0})
    assert judge([accurate, fast], noise=0.5, params=strict).recommended is accurate


def test_the_clock_decides_only_beyond_its_own_noise():
    slow, fast = make_record("lstm", rmse=15.0, p95=0.102), make_record("gru", rmse=15.2, p95=0.1)
    records = [slow, fast]
    noisy = {name: shuffled(each) for name, each in make_latencies(records, spread=0.3).items()}
    assert judge(records).edge is fast
    assert judge(records, latencies=noisy).edge is slow
    # Rounds that are slow for both at once do not blur the difference.
    assert judge(records, latencies=make_latencies(records, spread=0.3)).edge is fast


def shuffled(latency):
    rng = np.random.default_rng(round(latency.p95_ms[0] * 1e6))
    return Latency(rng.permutation(latency.p50_ms), rng.permutation(latency.p95_ms))


def test_of_equally_accurate_runs_the_smaller_wins_what_the_clock_cannot_tell():
    large = make_record("lstm", rmse=15.0, p95=0.1, size=0.2)
    small = make_record("gru", rmse=15.0, p95=0.102, size=0.19)
    records = [large, small]
    noisy = {name: shuffled(each) for name, each in make_latencies(records, spread=0.3).items()}
    for order in (records, records[::-1]):
        verdict = judge(order, latencies=noisy)
        assert (verdict.accuracy, verdict.edge, verdict.recommended) == (small, small, small)
    # Beyond its noise the clock still decides, and with it the weights.
    fast = make_record("gru", rmse=15.0, p95=0.15, size=0.19)
    verdict = judge([fast, large])
    assert (verdict.accuracy, verdict.edge, verdict.recommended) == (large, large, large)


def test_without_exported_files_the_most_accurate_run_is_recommended():
    records = [make_record("lstm", rmse=15.0), make_record("gru", rmse=15.2)]
    verdict = judge(records, latencies={})
    assert (verdict.accuracy, verdict.edge, verdict.recommended) == (records[0], None, records[0])
    assert verdict.reason == (
        "lstm-univariate-s42, because it is the most accurate run; no run has the file "
        "model.onnx, so latency and size do not count."
    )


def test_a_run_that_loses_to_a_baseline_wins_nothing_however_light():
    light_loser = make_record("gru", rmse=RIDGE, p95=0.001, size=0.001)
    winner = make_record("lstm", rmse=15.5)
    verdict = judge([light_loser, winner])
    assert (verdict.accuracy, verdict.edge, verdict.recommended) == (winner, winner, winner)
    assert verdict.reason.startswith("lstm-univariate-s42, because it is the most accurate run")


def test_where_every_run_loses_nothing_is_recommended():
    verdict = judge([make_record(rmse=17.0), make_record(rmse=math.nan, seed=1)])
    assert (verdict.accuracy, verdict.edge, verdict.recommended) == (None, None, None)
    assert "baseline" in verdict.reason


def test_the_best_candidate_is_that_with_the_lowest_mean_not_the_luckiest_seed():
    cells = candidates_of(
        [
            make_record("lstm", seed=1, rmse=14.0),
            make_record("lstm", seed=2, rmse=16.0),
            make_record("gru", seed=1, rmse=14.5),
            make_record("gru", seed=2, rmse=14.7),
        ]
    )
    assert best_candidate(cells).name == "gru univariate"
    assert not cells[1].rmse.below(cells[0].rmse)
