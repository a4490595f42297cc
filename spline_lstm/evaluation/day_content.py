"""What probabilities of daily rows are worth: the content of metrics/evaluate.json.

The question is not whether the ensemble orders rows better than chance, which the volatility of
the last weeks does as well: large moves follow large moves, up and down. It is what the ensemble
knows beyond that, so the increment over the volatility has an interval of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.formatting import fixed
from spline_lstm.core.log_loss import log_loss
from spline_lstm.core.params_trees import ProbabilityParams
from spline_lstm.core.time_zones import local_times
from spline_lstm.evaluation.day_scores import (
    DayBlocks,
    auc_difference,
    auc_interval,
    daily_scores,
    day_blocks,
    top_scores,
)
from spline_lstm.evaluation.probability_metrics import (
    auc,
    brier,
    calibration_error,
    reliability,
)
from spline_lstm.evaluation.probability_scores import judged

ENSEMBLE = "ensemble"
# The baseline that an ensemble must add something to.
VOLATILITY = "volatility"
FORM = ".3f"
# Where NumPy counts years from.
EPOCH = 1970

Rows = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class DayForecasts:
    """Labels and probabilities of rows, one per symbol and day.

    Attributes
    ----------
    labels : [rows] 0 or 1
    returns : [rows] of the horizon, as shares; NaN if not known
    days : [rows] int64, instants
    forecasts : name -> [rows] probabilities: `ENSEMBLE`, its members and the baselines
    members, baselines : names of those among the forecasts
    zone : time zone of the calendar years, None: UTC
    """

    labels: Rows
    returns: Rows
    days: Int[np.ndarray, " rows"]
    forecasts: Mapping[str, Rows]
    members: Sequence[str]
    baselines: Sequence[str]
    zone: str | None = None

    @property
    def years(self) -> Int[np.ndarray, " rows"]:
        """Calendar year of each day in the time zone."""
        return years_of(self.days, self.zone)

    def only(self, kept: Bool[np.ndarray, " rows"]) -> "DayForecasts":
        """Some of the rows."""
        return DayForecasts(
            self.labels[kept],
            self.returns[kept],
            self.days[kept],
            {name: p[kept] for name, p in self.forecasts.items()},
            self.members,
            self.baselines,
            self.zone,
        )


def years_of(days: Int[np.ndarray, " days"], zone: str | None = None) -> Int[np.ndarray, " days"]:
    """Calendar year of each instant in a time zone, by default UTC.

    >>> years_of(np.array([0, -1])).tolist(), years_of(np.array([-1]), "Asia/Tokyo").tolist()
    ([1970, 1969], [1970])
    """
    walls = local_times(days, zone).view("datetime64[ns]")
    return walls.astype("datetime64[Y]").astype(np.int64) + EPOCH


def day_content(
    test: DayForecasts, aucs: Mapping[str, float], params: ProbabilityParams
) -> dict[str, Any]:
    """Everything that is measured on the test split; NaN where nothing counts.

    Parameters
    ----------
    test : DayForecasts
    aucs : mapping
        AUC of the ensemble in the splits ``train`` and ``validation``.
    params : ProbabilityParams

    Returns
    -------
    dict
        The scores of the ensemble (see `_scores`), `skill`, `best_baseline`, `beats_baselines` and
        `loses_to` by the Brier score, `increment` over the volatility with its interval,
        `overfitting_gap` and `overfitting_warning`, `suspicious`, the table `calibration` with
        `calibration_error`, and by name `members`, `baselines` and `years`.
    """
    blocks = _blocks(test, params)
    scores = {name: _scores(test, name, blocks, params) for name in test.forecasts}
    ensemble = scores[ENSEMBLE]
    baselines = {name: scores[name] for name in test.baselines}
    table = reliability(test.labels, test.forecasts[ENSEMBLE])
    gap = aucs["train"] - aucs["validation"]
    return {
        **ensemble,
        "positive_share": _mean(test.labels),
        "n_windows": len(test.labels),
        "n_days": blocks.counts.shape[1],
        **judged(ensemble, baselines),
        "increment": increment(test, blocks),
        "train_auc": aucs["train"],
        "validation_auc": aucs["validation"],
        "overfitting_gap": gap,
        "overfitting_warning": bool(gap > params.overfitting_gap),
        "suspicious": bool(ensemble["auc"] > params.suspicious_auc),
        "calibration_error": calibration_error(table),
        "calibration": [asdict(row) for row in table],
        "members": {name: scores[name] for name in test.members},
        "baselines": baselines,
        "years": by_year(test, params),
    }


def _blocks(test: DayForecasts, params: ProbabilityParams) -> DayBlocks:
    return day_blocks(test.days, params.block, params.repetitions, params.bootstrap_seed)


def increment(test: DayForecasts, blocks: DayBlocks) -> dict[str, Any]:
    """AUC of the ensemble minus that of the volatility, on the same resamples."""
    found = auc_difference(
        test.labels, test.forecasts[ENSEMBLE], test.forecasts[VOLATILITY], blocks
    )
    return {"over": VOLATILITY, "auc": found.difference, "low": found.low, "high": found.high}


def by_year(test: DayForecasts, params: ProbabilityParams) -> dict[str, dict[str, Any]]:
    """Of each calendar year the AUC of every forecast, and the interval of the ensemble's."""
    found = {}
    for year in np.unique(test.years).tolist():
        rows = test.only(test.years == year)
        blocks = _blocks(rows, params)
        area = auc_interval(rows.labels, rows.forecasts[ENSEMBLE], blocks)
        added = increment(rows, blocks)
        found[str(year)] = {
            "n_windows": len(rows.labels),
            "positive_share": _mean(rows.labels),
            "auc": area.difference,
            "auc_low": area.low,
            "auc_high": area.high,
            "increment": added["auc"],
            "increment_low": added["low"],
            "increment_high": added["high"],
            **{
                f"auc_{name}": auc(rows.labels, p)
                for name, p in rows.forecasts.items()
                if name != ENSEMBLE
            },
        }
    return found


def _scores(
    test: DayForecasts, name: str, blocks: DayBlocks, params: ProbabilityParams
) -> dict[str, Any]:
    """Scores of one forecast."""
    labels, p = test.labels, test.forecasts[name]
    area = auc_interval(labels, p, blocks)
    score = brier(labels, p)
    daily = daily_scores(labels, p, test.returns, test.days)
    said = p >= 0.5
    return {
        "auc": area.difference,
        "auc_low": area.low,
        "auc_high": area.high,
        "log_loss": log_loss(labels, p),
        "brier": score,
        "root_brier": math.sqrt(score),
        "accuracy": _mean((said == (labels == 1)).astype(np.float64)),
        "precision": _mean(labels[said]),
        "said_yes": _mean(said.astype(np.float64)),
        "daily_auc": daily.auc,
        "daily_auc_days": daily.auc_days,
        "rank_ic": daily.rank_ic,
        "icir": daily.icir,
        "top": top_scores(labels, p, test.returns, params.top_share, params.cost),
    }


def day_verdict(content: Mapping[str, Any]) -> str:
    """Whether the ensemble adds anything beyond the volatility, in one clause."""
    if not content["n_windows"]:
        return "nothing was scored: no label of the test split is known"
    added = content["increment"]
    baseline = content["baselines"][VOLATILITY]["auc"]
    low, high = (fixed_sign(added[key]) for key in ("low", "high"))
    figures = (
        f"AUC {fixed(content['auc'], FORM)} against {fixed(baseline, FORM)} of the volatility "
        f"only, difference {fixed_sign(added['auc'])} [{low}, {high}]"
    )
    if added["low"] > 0.0:
        return f"the ensemble adds something beyond volatility: {figures}"
    if added["high"] < 0.0:
        return f"the ensemble is WORSE than volatility only: {figures}"
    return f"the ensemble adds nothing certain beyond volatility: {figures}"


def adds_something(content: Mapping[str, Any]) -> bool:
    """Whether the interval of the increment is above 0."""
    return bool((content["increment"]["low"] or 0.0) > 0.0)


def day_warnings(content: Mapping[str, Any]) -> list[str]:
    """What speaks against trusting the scores."""
    found = []
    if content["suspicious"]:
        found.append(
            f"An AUC of {fixed(content['auc'], FORM)} on daily bars is more than careful studies "
            "find: it is a leak until `python -m spline_lstm audit-leakage` passes."
        )
    if content["overfitting_warning"]:
        found.append(
            f"The ensemble overfits: AUC {fixed(content['train_auc'], FORM)} in training, "
            f"{fixed(content['validation_auc'], FORM)} in validation."
        )
    if not adds_something(content):
        found.append("The interval of the increment over volatility contains 0 or is below it.")
    return found


def fixed_sign(value: float | None) -> str:
    """A difference with its sign.

    >>> fixed_sign(0.0123), fixed_sign(-0.2), fixed_sign(None)
    ('+0.012', '-0.200', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{value:+.3f}"


def interval_text(value: float | None, low: float | None, high: float | None) -> str:
    """A score with its interval.

    >>> interval_text(0.553, 0.52, 0.581)
    '0.553 [0.520, 0.581]'
    """
    numbers = ["-" if each is None else fixed(each, FORM) or "-" for each in (value, low, high)]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


def _mean(values: Rows) -> float:
    return float(values.mean()) if len(values) else math.nan
