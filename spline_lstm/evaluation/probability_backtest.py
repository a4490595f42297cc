"""The backtest of a model that forecasts probabilities: the folds of `backtest`, by Brier score."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spline_lstm.core.params import Params
from spline_lstm.core.schema import Schema
from spline_lstm.evaluation.backtest import (
    BacktestSummary,
    FoldResult,
    backtest,
    backtest_content,
    backtest_table,
    fold_scores,
    pooled_scores,
)
from spline_lstm.evaluation.error_sums import ScoreSums
from spline_lstm.evaluation.probability_metrics import NAMES
from spline_lstm.evaluation.probability_scores import judged
from spline_lstm.series.preprocess_partitions import Panel
from spline_lstm.tables.raw_table import RawTable

MEASURE = "root_brier"


def probability_backtest(
    source: RawTable | Panel, schema: Schema, params: Params, cache: Path
) -> BacktestSummary:
    """Run and summarise all folds; arguments and errors as in `backtest.backtest`."""
    results, targets = backtest(source, schema, params, cache), schema.target_cols
    return BacktestSummary(
        backtest_content(results, params, targets, brier_scores),
        backtest_table(results),
        pooled_scores(results, targets, brier_scores),
        (MEASURE, NAMES[MEASURE]),
    )


def brier_scores(sums: ScoreSums, result: FoldResult, targets: Sequence[str]) -> dict[str, Any]:
    """Brier scores of sums, which have no ranks and no logarithms: so neither AUC nor log loss."""
    errors = fold_scores(sums, result, targets)
    model = _brier(errors)
    baselines = {name: _brier(row) for name, row in errors["baselines"].items()}
    judgement = judged(model, baselines)
    return model | judgement | {"n_windows": errors["n_windows"], "baselines": baselines}


def _brier(errors: Mapping[str, float]) -> dict[str, float]:
    """The squared error of a probability is its Brier score."""
    return {"brier": errors["mse"], "root_brier": errors["rmse"]}
