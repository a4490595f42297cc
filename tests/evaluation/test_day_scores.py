"""Scores over days, against scikit-learn, SciPy and resamples that are written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from spline_lstm.evaluation.day_plots import lift
from spline_lstm.evaluation.day_scores import (
    auc_difference,
    auc_interval,
    daily_scores,
    day_blocks,
    rank_correlation,
    resampled_auc,
    top_scores,
)


def make_rows(days=60, symbols=4, skill=0.5, seed=0):
    """Days, labels, probabilities (rounded, so that some are equal) and returns."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days) * 86_400, symbols)
    returns = rng.normal(size=days * symbols)
    p = 1 / (1 + np.exp(-(skill * returns + rng.normal(size=len(returns)))))
    return day, (returns > 0.3).astype(float), np.round(p, 2), returns


@given(st.integers(12, 60), st.integers(1, 30))
def test_every_resample_has_as_many_days_as_there_are(days, block):
    blocks = day_blocks(np.arange(days) * 7, block, 10, seed=3)
    assert blocks.counts.shape == (10, days)
    assert (blocks.counts.sum(axis=1) == days).all()


def test_the_auc_of_a_resample_is_that_of_its_rows_repeated():
    day, labels, p, _ = make_rows()
    blocks = day_blocks(day, 5, 150, seed=1)
    found = resampled_auc(labels, p, blocks)
    for number in (0, 77, 149):
        rows = np.repeat(np.arange(len(day)), blocks.counts[number][blocks.day])
        assert found[number] == pytest.approx(roc_auc_score(labels[rows], p[rows]))


def test_a_resample_with_one_label_does_not_count():
    day, labels = np.arange(20), np.zeros(20)
    labels[3] = 1.0
    blocks = day_blocks(day, 1, 200, seed=1)
    found = resampled_auc(labels, np.linspace(0, 1, 20), blocks)
    without = blocks.counts[:, 3] == 0
    assert np.isnan(found[without]).all()
    assert not np.isnan(found[~without & (blocks.counts[:, 3] < 20)]).any()
    interval = auc_interval(labels, np.linspace(0, 1, 20), blocks)
    assert interval.low <= interval.difference <= interval.high
    nothing = auc_interval(np.zeros(20), np.linspace(0, 1, 20), blocks)
    assert np.isnan([nothing.difference, nothing.low, nothing.high]).all()


def test_the_interval_covers_the_auc_as_often_as_it_says():
    truth = roc_auc_score(*make_rows(days=20_000, seed=99)[1:3])
    covered = 0
    for seed in range(60):
        day, labels, p, _ = make_rows(days=150, seed=seed)
        interval = auc_interval(labels, p, day_blocks(day, 1, 300, seed=0))
        covered += interval.low <= truth <= interval.high
    assert 52 <= covered <= 60


def test_a_paired_difference_is_narrower_than_its_parts():
    day, labels, p, _ = make_rows(days=200)
    blocks = day_blocks(day, 5, 400, seed=0)
    nearly = np.clip(p + np.where(np.arange(len(p)) % 50 == 0, 0.05, 0.0), 0, 1)
    alone, paired = auc_interval(labels, p, blocks), auc_difference(labels, nearly, p, blocks)
    assert paired.high - paired.low < 0.2 * (alone.high - alone.low)
    same = auc_difference(labels, p, p, blocks)
    assert (same.difference, same.low, same.high) == (0.0, 0.0, 0.0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12))
def test_rank_correlation_is_that_of_scipy(pairs):
    one, other = np.array(pairs, dtype=float).T
    found = rank_correlation(one, other)
    if len(set(one)) < 2 or len(set(other)) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(one, other).statistic)


def test_daily_scores_are_means_over_days():
    day, labels, p, returns = make_rows(days=30)
    order = np.random.default_rng(2).permutation(len(day))
    returns[5] = np.nan
    found = daily_scores(labels[order], p[order], returns[order], day[order])
    areas, coefficients = [], []
    for each in np.unique(day):
        rows = (day == each) & ~np.isnan(returns)
        if 0 < labels[day == each].sum() < 4:
            areas.append(roc_auc_score(labels[day == each], p[day == each]))
        coefficients.append(spearmanr(p[rows], returns[rows]).statistic)
    assert found.auc == pytest.approx(np.mean(areas))
    assert found.auc_days == len(areas)
    assert found.rank_ic == pytest.approx(np.mean(coefficients))
    assert found.icir == pytest.approx(np.mean(coefficients) / np.std(coefficients, ddof=1))
    assert found.ic_days == 30


def test_one_symbol_a_day_has_no_daily_scores():
    day, labels, p, returns = make_rows(days=30, symbols=1)
    found = daily_scores(labels, p, returns, day)
    assert (found.auc_days, found.ic_days) == (0, 0)
    assert np.isnan([found.auc, found.rank_ic, found.icir]).all()


def test_the_top_decile_earns_what_its_rows_earned():
    p = np.linspace(0, 1, 40)
    returns = np.linspace(-0.2, 0.2, 40)
    labels = (returns > 0.03).astype(float)
    found = top_scores(labels, p, returns, share=0.1, cost=0.002)
    assert found["n"] == 4
    assert found["precision"] == 1.0
    assert found["mean_return"] == pytest.approx(returns[-4:].mean())
    assert found["mean_return_after_cost"] == pytest.approx(returns[-4:].mean() - 0.002)
    assert found["mean_return_of_all"] == pytest.approx(0.0)


@given(st.integers(0, 10_000))
def test_of_equal_probabilities_none_is_preferred_by_its_place(seed):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 3, size=12) / 4
    labels, returns = rng.integers(0, 2, size=12).astype(float), rng.normal(size=12)
    found = top_scores(labels, p, returns, share=0.3, cost=0.0)
    # Each row of the edge has the same chance to be among the four highest.
    edge = np.sort(p)[-4]
    above, at = p > edge, p == edge
    weight = above + at * (4 - above.sum()) / at.sum()
    assert found["precision"] == pytest.approx((weight * labels).sum() / 4)
    assert found["mean_return"] == pytest.approx((weight * returns).sum() / 4)
    assert lift(labels, np.full(12, 0.2))[0] == pytest.approx(
        1.0 if labels.any() else np.nan, nan_ok=True
    )
