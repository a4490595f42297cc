"""Task forecast with the loss bce: the probability of targets that are 0 or 1."""

from dataclasses import replace

from spline_lstm.tasks.forecast import FORECAST

EVENT = replace(
    FORECAST,
    scores="spline_lstm.evaluation.probability_scores:score_probabilities",
    verdict="spline_lstm.evaluation.probability_scores:probability_verdict",
    backtest="spline_lstm.evaluation.probability_backtest:probability_backtest",
    report="spline_lstm.evaluation.probability_report:probability_report",
)
