"""Scores without the test labels that were outliers and replaced (outliers.method replace).

A replaced label is one that nothing was learned from. Whether the forecast should have met it is
for the reader to say, so there are scores with it, the main ones, and without it, these.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from spline_lstm.core.formatting import number, plain, plural
from spline_lstm.evaluation.error_sums import PerTarget, ScoreSums
from spline_lstm.evaluation.scores import RMSE_NAMES, Scales, deciding, finish

KEYS = ("mae", "rmse", "mase", "scaled_rmse", "skill", "best_baseline", "beats_baselines")


def clean_content(
    clean: ScoreSums | None,
    sums: ScoreSums,
    scores: Mapping[str, Any],
    *,
    targets: Sequence[str],
    scale: Scales,
    training_std: PerTarget,
) -> dict[str, Any]:
    """Key `without_outliers` of metrics/evaluate.json; nothing if no label can be replaced.

    Parameters
    ----------
    clean : ScoreSums
        Over the labels that were not replaced; None if none can be.
    sums : ScoreSums
        Over all observed labels.
    scores : mapping
        `scores.finish` of `sums`.
    targets, scale, training_std
        As `scores.finish` takes them.

    Returns
    -------
    dict
        Counts `labels` (observed) and `replaced`, some metrics of `scores.finish`, the deciding
        RMSE of the `baselines`, and a `sentence`.
    """
    if clean is None:
        return {}
    without = finish(clean, targets=targets, scale=scale, training_std=training_std)
    labels = int(sums.truth.step.count.sum())
    replaced = labels - int(clean.truth.step.count.sum())
    key = deciding(len(targets) > 1)
    return {
        "without_outliers": {
            "labels": labels,
            "replaced": replaced,
            **{name: without[name] for name in KEYS},
            "baselines": {name: row[key] for name, row in without["baselines"].items()},
            "sentence": _sentence(replaced, labels, scores, without, key),
        }
    }


def _sentence(
    replaced: int, labels: int, scores: Mapping[str, Any], clean: Mapping[str, Any], key: str
) -> str:
    if not replaced:
        return f"none of the {plural(labels, 'test label')} is an outlier that was replaced"
    start = (
        f"{replaced} of {plural(labels, 'test label')} are outliers that were replaced: with them "
        f"the {RMSE_NAMES[key]} is {number(scores[key])}, without them {number(clean[key])}"
    )
    best = clean["best_baseline"]
    if best is None:
        return start
    word = "beats" if clean["beats_baselines"] else "LOSES TO"
    return (
        f"{start}, and there the model {word} the best baseline, {plain(best)} "
        f"({number(clean['baselines'][best][key])})"
    )
