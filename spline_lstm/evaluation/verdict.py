"""What is read first: whether the model beats the baselines, by how much, and what to beware of."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from spline_lstm.core.formatting import listed, number, plain
from spline_lstm.evaluation.scores import RMSE_NAMES, deciding

# Percentage points that the coverage may differ from the level of the interval.
COVERAGE_TOLERANCE = 2.0
# What chance does 19 times of 20 is not worth a warning either: probability of each side. Beyond so
# many windows two points are more than chance does.
CHANCE, MANY_WINDOWS = 0.025, 1000
# A count of windows from a share with five figures is this near to it.
ROUNDING = 0.01
# The same for one step or series, if it has at least so many values.
GROUP_TOLERANCE, GROUP_VALUES = 10.0, 100
# Bias, as a share of the RMSE, from which on it is worth a warning.
BIAS_SHARE = 0.25
# Detail of the scores -> what one of its groups is called, and several.
GROUPS = {
    "horizon": ("step", "steps"),
    "targets": ("target", "targets"),
    "series": ("series", "series"),
    "hours": ("hour", "hours of the day"),
}


def verdict(scores: Mapping[str, Any]) -> str:
    """One clause on the model and the baselines; `scores` as returned by `scores.finish`."""
    key = deciding(len(scores.get("targets", {})) > 1)
    name, rmse, best = RMSE_NAMES[key], number(scores[key]), scores["best_baseline"]
    if best is None:
        return "nothing was scored: no value of the test split was observed"
    best_rmse = number(scores["baselines"][best][key])
    if not scores["beats_baselines"]:
        losers = listed([plain(name) for name in scores["loses_to"]])
        if scores[key] == scores["baselines"][best][key]:
            return (
                f"the model is NO BETTER THAN {losers}: {name} {rmse}, the same as that of the "
                f"best baseline, {plain(best)}"
            )
        return (
            f"the model LOSES TO {losers}: {name} {rmse} against {best_rmse} of the best baseline, "
            f"{plain(best)}"
        )
    skill = f"{100 * scores['skill']:.1f}"
    return (
        f"the model beats all {len(scores['baselines'])} baselines: {name} {rmse}, {skill} % "
        f"below that of the best, {plain(best)} ({best_rmse})"
    )


def warnings_of(
    scores: Mapping[str, Any], train: Mapping[str, Any], quality: Mapping[str, Any]
) -> list[str]:
    """What speaks against trusting the model, most important first.

    Parameters
    ----------
    scores : mapping
        Content of metrics/evaluate.json, details as mappings (`scores.from_records`).
    train, quality : mapping
        Contents of metrics/train.json and metrics/data.json.
    """
    return [
        *_lost(scores),
        *overfitting(train),
        *(text for key, words in GROUPS.items() for text in _lost_groups(scores, key, *words)),
        *_coverage(scores.get("intervals", []), scores.get("n_windows", 0)),
        *_bias(scores),
        *(f"Data: {text}" for text in quality.get("warning_summary", [])),
    ]


def _lost(scores: Mapping[str, Any]) -> list[str]:
    if scores.get("beats_baselines") is not False or not scores["loses_to"]:
        return []
    names = listed([plain(name) for name in scores["loses_to"]])
    return [
        f"The model does not beat {names} on the test split. Do not use it unless the backtest, "
        "which has more forecasts, says otherwise: the baseline is cheaper and not worse."
    ]


def overfitting(train: Mapping[str, Any]) -> list[str]:
    """What metrics/train.json says about it: at the best step, and after it.

    What comes after the best step does not touch the model, which has the weights of that step, but
    it says that there was nothing more to learn from these windows. Nothing is said of a network
    that has no part in the forecast, which is that of the linear part.
    """
    if (train.get("network") or {}).get("gain") == 0.0:
        return []
    best = number(train.get("best_step"))
    before, after = (
        [number(train.get(key)) for key in (name, f"last_{name}")]
        for name in ("train_loss", "validation_loss")
    )
    texts = []
    if train.get("overfitted_at_best"):
        texts.append(
            f"The model is overfitted: validation loss {after[0]} against training loss "
            f"{before[0]} at the best step ({best})."
        )
    if train.get("overfitted_after_best"):
        texts.append(
            f"The training overfitted after the best step ({best}), whose weights are used: from "
            f"there on the training loss fell from {before[0]} to {before[1]}, but the validation "
            f"loss rose from {after[0]} to {after[1]}. More steps or a larger network will not "
            "help; more data, dropout or weight decay can."
        )
    return texts


def _lost_groups(scores: Mapping[str, Any], key: str, one: str, many: str) -> list[str]:
    """Steps, targets, series or hours in which a baseline is at least as good, if several."""
    rows: Mapping[str, Mapping[str, Any]] = scores.get(key, {})
    scored = {name: row for name, row in rows.items() if row["best_baseline"] is not None}
    lost = {
        name: row["best_baseline"]
        for name, row in scored.items()
        if not (row.get("skill") or 0.0) > 0
    }
    if len(scored) < 2 or not lost:
        return []
    if len(lost) == len(scored):
        # Of a model that loses as a whole it goes without saying.
        text = f"In each of the {len(scored)} {many} a baseline is at least as good."
        return [text] if scores["beats_baselines"] else []
    names = listed([f"{name} ({plain(best)})" for name, best in lost.items()])
    start = f"In {len(lost)} of {len(scored)} {many}"
    return [f"{start} a baseline is at least as good: {one} {names}."]


def is_off(coverage: float, level: float, windows: int) -> bool:
    """Whether a coverage (%) of test windows is off its level, beyond the tolerance and chance.

    Chance is that of a binomial count of so many windows, two-sided at 95 %.

    >>> is_off(72.7, 80.0, windows=11), is_off(72.7, 80.0, windows=200)
    (False, True)
    """
    if abs(coverage - level) <= COVERAGE_TOLERANCE:
        return False
    if windows > MANY_WINDOWS:
        return True
    covered, share = coverage / 100 * windows, level / 100
    # A mean over steps is seldom whole. Towards the level, so that rounding makes no warning.
    tail = range(math.floor(covered + ROUNDING), windows + 1)
    if coverage < level:
        tail = range(math.ceil(covered - ROUNDING) + 1)
    chances = (
        math.comb(windows, count) * share**count * (1 - share) ** (windows - count)
        for count in tail
    )
    return sum(chances) < CHANCE


def _coverage(intervals: Sequence[Mapping[str, Any]], windows: int) -> list[str]:
    texts = []
    for row in intervals:
        level, coverage = float(row["interval"]), row["coverage"]
        if coverage is not None and row["width"] is None:
            texts.append(
                f"Some {row['interval']} % intervals have no bounds, because the validation split "
                "has too few windows for them. Make it longer (preprocess.split.validation), or "
                "lower the level (evaluate.interval_levels)."
            )
        elif coverage is not None and not _exact(row) and is_off(coverage, level, windows):
            side = "narrow" if coverage < level else "wide"
            texts.append(
                f"The {row['interval']} % intervals are too {side} for the test split: they cover "
                f"{number(coverage)} % of its values."
            )
        texts += [text for key in ("steps", "terciles", "series") for text in _uncovered(row, key)]
    return texts


def _exact(row: Mapping[str, Any]) -> bool:
    """Whether intervals of width 0 cover all: of an exact forecast none could be narrower."""
    return row.get("width") == 0 and row["coverage"] == 100


def _uncovered(row: Mapping[str, Any], key: str) -> list[str]:
    """Steps, terciles or series whose coverage is far off the level of an interval, if several."""
    one = {"steps": "step", "terciles": "tercile", "series": "series"}[key]
    many = "terciles of recent change" if key == "terciles" else key
    level = float(row["interval"])
    rows = [item for item in row.get(key, []) if item["n"] >= GROUP_VALUES]
    off = [
        item
        for item in rows
        if abs(item["coverage"] - level) > GROUP_TOLERANCE and not _exact(item)
    ]
    if len(rows) < 2 or not off:
        return []
    names = listed([f"{item[one]} ({number(item['coverage'])} %)" for item in off])
    return [
        f"In {len(off)} of {len(rows)} {many} the coverage of the {row['interval']} % intervals is "
        f"more than {GROUP_TOLERANCE:g} points off: {one} {names}."
    ]


def _bias(scores: Mapping[str, Any]) -> list[str]:
    targets = scores.get("targets", {})
    # A mean over several targets would mix their units.
    rows = {f" of {name}": row for name, row in targets.items()} if len(targets) > 1 else {}
    return [
        f"The forecasts{of} are too {'high' if row['bias'] > 0 else 'low'} on average: "
        f"bias {number(row['bias'])}."
        for of, row in (rows or {"": scores}).items()
        if row.get("bias") and row.get("rmse") and abs(row["bias"]) >= BIAS_SHARE * row["rmse"]
    ]
