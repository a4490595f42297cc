"""What members forecast of daily rows, put together: ensemble, baselines, and scores of training.

The stage evaluate and each year of the backtest do the same with other members.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spline_lstm.core.params_trees import EnsembleParams
from spline_lstm.evaluation.day_baselines import fit_day_baselines
from spline_lstm.evaluation.day_content import ENSEMBLE, DayForecasts
from spline_lstm.evaluation.ensemble_fit import EnsembleFit, fit_ensemble
from spline_lstm.evaluation.probability_metrics import auc
from spline_lstm.market.day_rows import DayRows, day_rows
from spline_lstm.market.windows import DirectionWindows
from spline_lstm.trees.trees import TreeRows
from spline_lstm.windows.windows import SPLITS

Probabilities = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class DayFit:
    """An ensemble, and what it forecasts.

    Attributes
    ----------
    fit : EnsembleFit
    forecasts : DayForecasts
        Of the test split.
    aucs : mapping
        AUC of the ensemble in the splits ``train`` and ``validation``.
    """

    fit: EnsembleFit
    forecasts: DayForecasts
    aucs: Mapping[str, float]


def rows_of_splits(windows: DirectionWindows) -> dict[str, DayRows]:
    """The rows of each split by its name."""
    return {name: day_rows(windows, name) for name in SPLITS}


def tree_rows(rows: DayRows) -> TreeRows:
    """Rows as trees learn from them: the features of the last day."""
    return TreeRows(rows.last, rows.labels)


def fit_days(
    windows: DirectionWindows,
    rows: Mapping[str, DayRows],
    predicted: Mapping[str, Mapping[str, Probabilities]],
    params: EnsembleParams,
) -> DayFit:
    """Fit the ensemble on validation and the baselines on training rows, and forecast the test.

    Parameters
    ----------
    windows : DirectionWindows
    rows : mapping
        Split -> its rows, as `rows_of_splits` gives them.
    predicted : mapping
        Split -> member -> its probabilities, in the same order in every split.
    params : EnsembleParams
    """
    fit = fit_ensemble(predicted["validation"], rows["validation"].labels, params)
    combined = {name: fit.ensemble.combine(each)[0] for name, each in predicted.items()}
    train, test = rows["train"], rows["test"]
    baselines = fit_day_baselines(train.last, train.labels, windows.feature_names)
    forecasts = DayForecasts(
        test.labels,
        test.returns,
        test.days,
        {
            ENSEMBLE: combined["test"],
            **predicted["test"],
            **{name: predict(test.last) for name, predict in baselines.items()},
        },
        tuple(predicted["test"]),
        tuple(baselines),
        windows.clock.zone,
    )
    aucs = {name: auc(rows[name].labels, combined[name]) for name in ("train", "validation")}
    return DayFit(fit, forecasts, aucs)
