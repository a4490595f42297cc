"""Scaling of features, of all series together or of each, fitted on the training split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from spline_lstm.core.params import PreprocessParams
from spline_lstm.series.features import Feature
from spline_lstm.series.training_split import TrainingSplit, training_groups
from spline_lstm.windows.scaling import Scaler, center_and_scale, lend_scales


@dataclass(frozen=True)
class Scaling:
    """Constants of one feature; center and scale: one, or one per series and one of all series."""

    center: Float[np.ndarray, " groups"]
    scale: Float[np.ndarray, " groups"]
    neutral: float


def fit_scaling(
    split: TrainingSplit,
    raw: Float[np.ndarray, " rows"],
    feature: Feature,
    kind: str,
    groups: int,
) -> Scaling:
    """Scaling of a feature from the training observations of its column.

    Parameters
    ----------
    split : TrainingSplit
    raw : [rows] float64
        Observations on the grid, NaN if missing.
    feature : Feature
    kind : str
        Of the scaler; a feature that is not scaled keeps its values.
    groups : int
        1, or the number of series and one more: for all series together, the last group. A series
        without training observations gets that one too.
    """
    kind = kind if feature.scaled else "none"
    seen = split.grid_rows & ~np.isnan(raw)
    values = raw[seen]
    whole = center_and_scale(values, kind)
    center, scale = np.full(groups, whole[0]), np.full(groups, whole[1])
    neutral = 0.0
    if feature.kind == "value" and kind != "standard" and len(values):
        neutral = float((values.mean() - whole[0]) / whole[1])
    if groups > 1 and feature.scaled:
        each = series_scalings(split, raw, kind)
        center, scale = each.with_all(whole)
    return Scaling(center, scale, neutral)


@dataclass(frozen=True)
class SeriesScalings:
    """Scalings of the series of a column.

    Attributes
    ----------
    center, scale : [series]
    constant, own : [series] bool, the training observations are equal, and there are any
    """

    center: Float[np.ndarray, " series"]
    scale: Float[np.ndarray, " series"]
    constant: Bool[np.ndarray, " series"]
    own: Bool[np.ndarray, " series"]

    @classmethod
    def of_all(cls, parts: Sequence["SeriesScalings"]) -> "SeriesScalings":
        """Of the series of all partitions."""
        return cls(
            np.concatenate([part.center for part in parts]),
            np.concatenate([part.scale for part in parts]),
            np.concatenate([part.constant for part in parts]),
            np.concatenate([part.own for part in parts]),
        )

    def with_all(self, whole: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        """Centers and lent scales of the series and, last, of all of them together."""
        center = np.append(np.where(self.own, self.center, whole[0]), whole[0])
        scale = np.append(np.where(self.own, self.scale, whole[1]), whole[1])
        return center, lend_scales(
            scale, np.append(self.constant, False), np.append(self.own, False)
        )


def series_scalings(
    split: TrainingSplit, raw: Float[np.ndarray, " rows"], kind: str
) -> SeriesScalings:
    """The scaling of each series by its own training observations."""
    series = len(split.table.series_names)
    center, scale = np.zeros(series), np.ones(series)
    constant, own = np.zeros(series, dtype=bool), np.zeros(series, dtype=bool)
    for index, values in enumerate(training_groups(split, raw, 2)[:-1]):
        if len(values):
            center[index], scale[index] = center_and_scale(values, kind)
            constant[index], own[index] = values.min() == values.max(), True
    return SeriesScalings(center, scale, constant, own)


def difference_of_series(
    split: TrainingSplit, raw: Float[np.ndarray, " rows"], name: str, ratio: float
) -> list[str]:
    """What makes one scaling for all series unfit, in words; nothing if it fits.

    Parameters
    ----------
    split : TrainingSplit
    raw : [rows] float64
        Observations of a target on the grid, NaN if missing.
    name : str
        Of the target.
    ratio : float
        Limit of the ratio of two standard deviations, and of the distance of two means in standard
        deviations of the typical (median) series. A constant series has only a mean.
    """
    return differences(*series_moments(split, raw), name, ratio)


def series_moments(
    split: TrainingSplit, raw: Float[np.ndarray, " rows"]
) -> tuple[list[float], list[float]]:
    """Means of series with two training observations; standard deviations of those that vary."""
    parts = [part for part in training_groups(split, raw, 2)[:-1] if len(part) > 1]
    varying = [part for part in parts if part.min() < part.max()]
    return [part.mean() for part in parts], [part.std() for part in varying]


def differences(
    means: Sequence[float], stds: Sequence[float], name: str, ratio: float
) -> list[str]:
    """As `difference_of_series`, from the result of `series_moments`."""
    if len(means) < 2 or not stds:
        return []
    found = []
    if max(stds) > ratio * min(stds):
        found.append(
            f"the standard deviations of {name!r} differ by a factor of {max(stds) / min(stds):.3g}"
        )
    if (apart := np.ptp(means) / np.median(stds)) > ratio:
        found.append(f"the means of {name!r} lie {apart:.3g} typical standard deviations apart")
    return found


def scaler_of(
    params: PreprocessParams, scalings: Sequence[Scaling], reasons: Sequence[str]
) -> Scaler:
    """The scaler of the scope of `params`; with ``auto`` one per series if there are `reasons`."""
    center = np.stack([item.center for item in scalings], axis=-1)
    scale = np.stack([item.scale for item in scalings], axis=-1)
    scope, limit, reason = params.scaler_scope, f"{params.scaler_scope_ratio:g}", ""
    if scope == "auto":
        scope = "per_series" if reasons else "global"
        found = f"{', '.join(reasons)} (the limit is {limit})"
        reason = found if reasons else f"no two series differ by more than the limit {limit}"
    if scope == "per_series":
        return Scaler(params.scaler, center, scale, reason)
    return Scaler(params.scaler, center[-1], scale[-1], reason)
