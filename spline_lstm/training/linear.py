"""Fit the linear forecaster of each target on the windows of the pipeline: no steps, no seed.

A forecast reads only the lookback of a window. So the designs are those of
`linear_designs.candidates` whose rows lie inside it, and the seasons those that fit into it.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.models.linear import LinearForecaster
from spline_lstm.models.linear_designs import Design, candidates, long_candidates
from spline_lstm.models.linear_fit import fit_linear
from spline_lstm.models.linear_moments import Fills, Series, fit_scale
from spline_lstm.models.linear_targets import forecast_targets, to_arrays
from spline_lstm.models.seasons import find_seasons
from spline_lstm.models.stack import ENOUGH_BLOCKS
from spline_lstm.models.time_blocks import Extent
from spline_lstm.training.loop import Evaluation, Trained, check_finite
from spline_lstm.windows.windows import SPLITS, Windows

WINDOWS_PER_BATCH = 8192


def train_linear(
    windows: Windows, on_evaluation: Callable[[Evaluation], None], *, shared: bool = False
) -> Trained:
    """Fit all targets; the history has one evaluation, of the fitted model, after no step.

    Parameters
    ----------
    windows : Windows
    shared : bool
        See `fit_targets`.
    on_evaluation : callable
        Called once.

    Raises
    ------
    TooLittleDataError
        A target has no observed label in the windows of the training or of the validation split.
    """
    forecasters = fit_targets(windows, shared=shared)
    losses = (mean_squared_error(forecasters, windows, name) for name in ("train", "validation"))
    evaluation = Evaluation(0, 0.0, *losses, gradient_norm=0.0)
    on_evaluation(evaluation)
    check_finite(evaluation)
    arrays = to_arrays(forecasters)
    members = member_details(forecasters, windows.target_names)
    return Trained(arrays, arrays, [evaluation], 1, {"members": members})


def member_details(
    forecasters: Sequence[LinearForecaster], targets: Sequence[str]
) -> list[dict[str, object]]:
    """What was averaged for each target, for metrics/train.json; equal names are numbered."""
    return [
        {"target": target, "member": name, "weight": weight}
        for target, forecaster in zip(targets, forecasters, strict=True)
        for name, (_, weight) in zip(
            numbered([name for name, _ in forecaster.members]), forecaster.members, strict=True
        )
    ]


def numbered(names: Sequence[str]) -> list[str]:
    """The names, in which the second and each later occurrence has its number.

    >>> numbered(["naive", "direct", "naive"])
    ['naive', 'direct', 'naive (2)']
    """
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def fit_targets(windows: Windows, *, shared: bool) -> list[LinearForecaster]:
    """The linear forecaster of each target.

    Parameters
    ----------
    shared : bool
        All targets have the same weights of their z-scores, fitted on the windows of all: more of
        them, if the targets are alike. Only center and scale are each target's own.
    """
    count = len(windows.target_names)
    if not shared or count == 1:
        return [fit_target(windows, index) for index in range(count)]
    targets = [series_of(windows, index) for index in range(count)]
    origins = [_labelled_origins(each, windows, index) for index, each in enumerate(targets)]
    starts = np.arange(count) * len(windows.arrays.timestamps)
    train, validation = (
        np.concatenate([own + start for own, start in zip(parts, starts, strict=True)])
        for parts in zip(*origins, strict=True)
    )
    fitted = _fit(Series.join(targets), train, validation, windows)
    return [_of_target(fitted, targets, index) for index in range(count)]


def _of_target(fitted: LinearForecaster, targets: Sequence[Series], index: int) -> LinearForecaster:
    """The forecaster of joined targets, with the constants of one of them."""
    scales = tuple(fit_scale(targets[index], scale.log) for scale in fitted.scales)
    return replace(fitted, scales=scales)


def fit_target(windows: Windows, index: int) -> LinearForecaster:
    """The linear forecaster of one target, its kernel on exactly the rows of the lookback.

    Each series has its own center and scale if the preprocessing scales per series.
    """
    series = series_of(windows, index)
    return _fit(series, *_labelled_origins(series, windows, index), windows)


def _labelled_origins(
    series: Series, windows: Windows, index: int
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
    """Origins of training and validation windows with a label."""
    train, validation = (_labelled(series, windows, name, index) for name in SPLITS[:2])
    early = early_origins(series, train, windows.horizon)
    return np.sort(np.concatenate([early, train])), validation


def _fit(
    series: Series,
    train: Int[np.ndarray, " n"],
    validation: Int[np.ndarray, " m"],
    windows: Windows,
) -> LinearForecaster:
    lookback, horizon = windows.lookback, windows.horizon
    seasons = seasons_within(series, windows)
    enough = Extent.of(series.times(validation), horizon).blocks >= ENOUGH_BLOCKS
    fitted = fit_linear(
        series,
        train,
        validation,
        horizon=horizon,
        lookback=lookback,
        seasons=seasons,
        designs=_designs(series, seasons, horizon, lookback, enough),
    )
    return replace(fitted, kernel=_of_rows(fitted.kernel, lookback))


def early_origins(
    series: Series, train: Int[np.ndarray, " n"], horizon: int
) -> Int[np.ndarray, " early"]:
    """Training origins before the first full window of each series, with a label.

    A regression that reads fewer rows than the lookback can be fitted on them. Few rows leave few
    full windows.
    """
    found = []
    for rows in _rows_of(series):
        own = train[(train >= rows.start) & (train < rows.stop)]
        last = rows.start + int(series.training[rows].sum()) - horizon
        found.append(np.arange(rows.start + 2, min([last + 1, *own[:1]])))
    origins = np.concatenate(found)
    return origins[~np.isnan(series.labels(origins, horizon)).all(axis=1)]


def _designs(
    series: Series, seasons: Sequence[int], horizon: int, lookback: int, enough: bool
) -> list[Design]:
    """Regressions that read at most the lookback, from four horizons of rows on.

    With `enough` validation windows to tell more of them apart, from half a horizon of rows on.
    """
    longest = max(int(series.training[rows].sum()) for rows in _rows_of(series))
    base = min(lookback, 4 * horizon)
    tried = candidates(horizon, base, seasons, longest)
    # More inputs than half of the windows are not tried.
    if lookback <= longest // 3 and Design(lookback) not in tried:
        tried += [Design(lookback)]
    if enough:
        short = (Design(max(2, rows)) for rows in (horizon // 2, horizon, 2 * horizon))
        tried += [design for design in dict.fromkeys(short) if design not in tried]
    tried += [d for d in long_candidates(horizon, seasons, longest) if d not in tried]
    return [design for design in tried if design.depth(horizon) <= lookback]


def series_of(windows: Windows, index: int) -> Series:
    """Observations of a target that count, data units, and what windows read between them."""
    arrays = windows.arrays
    fills = Fills(
        arrays.filled_target[:, index],
        arrays.causal_target[:, index],
        arrays.known_at[:, arrays.target_indices[index]],
    )
    return Series(
        arrays.counted_target[:, index],
        arrays.series_offsets,
        arrays.timestamps < arrays.split_instants[0],
        pooled=not windows.scaler.per_series,
        clock_rows=windows.clock_rows(np.arange(len(arrays.timestamps))),
        fills=fills,
    )


def seasons_within(series: Series, windows: Windows) -> tuple[int, ...]:
    """Natural seasons of the clock that the series follow and the lookback covers, rows."""
    natural = windows.clock.seasons().values()
    training = [series.values[rows][series.training[rows]] for rows in _rows_of(series)]
    return find_seasons(training, [season for season in natural if season <= windows.lookback])


def mean_squared_error(
    forecasters: Sequence[LinearForecaster], windows: Windows, split: str
) -> float:
    """Over the observed labels of a split, z-scores."""
    total, count = 0.0, 0
    for batch in windows.batches(split, WINDOWS_PER_BATCH):
        forecast = forecast_targets(forecasters, windows.history(batch), batch.series)
        scores = windows.target_scaler.transform(forecast, batch.series).reshape(batch.y.shape)
        total += float(np.sum((scores - batch.y) ** 2, where=batch.mask))
        count += int(batch.mask.sum())
    return total / max(count, 1)


def _rows_of(series: Series) -> list[slice]:
    return list(itertools.starmap(slice, itertools.pairwise(series.offsets.tolist())))


def _labelled(
    series: Series, windows: Windows, split: str, index: int
) -> Int[np.ndarray, " origins"]:
    origins = windows.splits[split]
    seen = ~np.isnan(series.labels(origins, windows.horizon)).all(axis=1)
    if not seen.any():
        raise TooLittleDataError(
            f"target {windows.target_names[index]} has no observed label in the {split} split; "
            "bring more data, or leave the target out"
        )
    return origins[seen]


def _of_rows(kernel: np.ndarray, lookback: int) -> np.ndarray:
    """The kernel on `lookback` rows: what is missing is 0, and what is cut off was 0."""
    missing = max(0, lookback - kernel.shape[1])
    return np.pad(kernel, ((0, 0), (missing, 0), (0, 0)))[:, -lookback:]
