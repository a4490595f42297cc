"""What a reader of a forecast must know about its history: fills, odd values, drift."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.formatting import plural
from spline_lstm.inference.forecast import ModelInputs
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.preprocessor import Preprocessor

# Deviations from the training mean beyond which a value of a scaler without a range is remarkable.
FAR = 6.0
# Observed values that a statistic of drift needs.
FEWEST = 30


def remarks(
    table: RawTable,
    inputs: ModelInputs,
    preprocessor: Preprocessor,
    lookback: int,
    names: Sequence[str],
) -> list[str]:
    """One line per series and kind.

    Parameters
    ----------
    table : RawTable
        The history as it was given.
    inputs : ModelInputs
        Of all or some of its series.
    preprocessor : Preprocessor
    lookback : int
    names : [windows] what each window is called; "": nothing, it is the only one
    """
    found: list[str] = []
    # Series without a forecast have no window; otherwise windows are in the order of the series.
    whole = len(inputs.series) == len(table.series_names)
    position = {name: index for index, name in enumerate(table.series_names)}
    targets = preprocessor.targets
    clock = preprocessor.clock.extended(table.timestamps)
    origins = clock.locate(inputs.timestamps[:, 0])[0]
    for window, name in enumerate(names):
        index = window if whole else position[inputs.series[window]]
        rows = slice(*table.series_offsets[index : index + 2])
        values = table.values[rows, : len(targets)]
        number = int(inputs.scaler_rows[window])
        prefix = f"series {name!r}: " if name else ""
        nearest = clock.nearest(table.timestamps[rows])
        texts = [
            *_fills(values, nearest - origins[window], lookback),
            *_far(values, number, preprocessor),
        ]
        found += [prefix + text for text in texts]
    return found


def _fills(
    values: Float[np.ndarray, "rows targets"], ahead: Int[np.ndarray, " rows"], lookback: int
) -> Iterator[str]:
    """Cells of the lookback that were not observed; `ahead` counts rows from the origin on."""
    inside = (ahead < 0) & (ahead >= -lookback)
    if len(values) >= lookback and inside.sum() == lookback and not np.isnan(values[inside]).any():
        return
    observed = sum(len(np.unique(ahead[inside & ~np.isnan(column)])) for column in values.T)
    missing = lookback * values.shape[1] - observed
    if missing > 0:
        yield (
            f"{plural(missing, 'value')} of the {lookback} rows before the forecast "
            f"{'was' if missing == 1 else 'were'} missing and filled"
        )


def _far(
    values: Float[np.ndarray, "rows targets"], number: int, preprocessor: Preprocessor
) -> Iterator[str]:
    """Values outside of the training range, and a mean or deviation beyond the limits of drift."""
    scaler = preprocessor.target_scaler
    if scaler.kind == "none":
        return
    series = np.array([number], dtype=np.int64) if scaler.per_series else None
    scores = scaler.transform(values[None], series)[0]
    is_range = scaler.kind == "minmax"
    low, high = (0.0, 1.0) if is_range else (-FAR, FAR)
    for name, column in zip(preprocessor.targets, scores.T, strict=True):
        known = column[~np.isnan(column)]
        outside = int(((known < low) | (known > high)).sum())
        if outside:
            beyond = (
                "outside of the training range"
                if is_range
                else (f"more than {FAR:g} scales away from the training center")
            )
            yield f"{plural(outside, 'value')} of {name!r} {beyond}"
        if scaler.kind == "standard" and len(known) >= FEWEST:
            yield from _drift(known, name, preprocessor)


def _drift(
    scores: Float[np.ndarray, " values"], name: str, preprocessor: Preprocessor
) -> Iterator[str]:
    limits = preprocessor.params.drift
    mean, ratio = float(scores.mean()), float(scores.std())
    if abs(mean) > limits.mean_shift:
        yield (
            f"drift: the mean of {name!r} is {mean:.3g} training deviations from that of the "
            f"training, which exceeds the limit {limits.mean_shift:g}"
        )
    if ratio > limits.std_ratio:
        yield (
            f"drift: the deviation of {name!r} is {ratio:.3g} times that of the training, which "
            f"exceeds the limit {limits.std_ratio:g}"
        )
