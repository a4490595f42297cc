"""The features of all symbols, one after another, as the arrays that windows are gathered from.

A row is a trading day of a symbol. After the last day of each symbol comes one more row, the next
date of the clock, of which nothing is known: it is the origin of the window that ends with the last
day. So an origin is always the row after the day whose close is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.market.bars import Bars
from spline_lstm.market.features import NAMES, daily_features
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.scaling import Scaler

Rows = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class Panel:
    """Features and closes of all symbols.

    Attributes
    ----------
    symbols : tuple of str
    timestamps : [rows] int64, instants
    features : [rows, features] float64, in the order of `features.NAMES`; NaN in the first days of
        a symbol and in its last row
    close : [rows] float64, adjusted; NaN in the last row of a symbol
    offsets : [symbols + 1] int64, first row of each symbol, and the end
    """

    symbols: tuple[str, ...]
    timestamps: Int[np.ndarray, " rows"]
    features: Float[np.ndarray, "rows features"]
    close: Rows
    offsets: Int[np.ndarray, " bounds"]

    @property
    def known(self) -> Bool[np.ndarray, " rows"]:
        """Rows of which all features are known."""
        return np.all(~np.isnan(self.features), axis=1)


def make_panel(bars: Sequence[Bars], clock: Clock) -> Panel:
    """Compute the features of each symbol; `clock` tells the date after its last day."""
    features, close, timestamps = [], [], []
    for each in bars:
        features += [daily_features(each), np.full((1, len(NAMES)), np.nan)]
        close += [each.close, [np.nan]]
        timestamps += [each.timestamps, clock.next(int(each.timestamps[-1]), 1)]
    offsets = np.cumsum([0, *(len(each) + 1 for each in bars)], dtype=np.int64)
    return Panel(
        tuple(each.symbol for each in bars),
        np.concatenate(timestamps).astype(np.int64),
        np.concatenate(features),
        np.concatenate(close),
        offsets,
    )


def to_arrays(
    panel: Panel, scaler: Scaler, split_instants: Int[np.ndarray, " two_or_three"]
) -> AsOfArrays:
    """The panel as arrays of a pipeline; what is not known is 0, the mean of training.

    The target of a row is its adjusted close, from which the windows take their labels; it is not
    among the features.
    """
    scores = scaler.transform(panel.features)
    scaled = np.where(np.isnan(scores), 0.0, scores).astype(np.float32)
    close = panel.close[:, None]
    return AsOfArrays(
        scaled=scaled,
        causal=scaled,
        known_at=np.full(scaled.shape, -1, dtype=np.int32),
        valid=panel.known,
        raw_target=close,
        filled_target=close,
        causal_target=close,
        observed=~np.isnan(close),
        timestamps=panel.timestamps,
        series_offsets=panel.offsets,
        static_ids=np.empty((len(panel.symbols), 0), dtype=np.int32),
        feature_names=np.array(NAMES),
        target_indices=np.empty(0, dtype=np.int32),
        split_instants=split_instants,
    )


def days_of(arrays: AsOfArrays) -> Int[np.ndarray, " days"]:
    """The dates that all symbols share: every day that one of them has, increasing."""
    real = np.ones(len(arrays.timestamps), dtype=bool)
    real[arrays.series_offsets[1:] - 1] = False
    return np.unique(arrays.timestamps[real])


def each_symbol(offsets: Int[np.ndarray, " bounds"]) -> list[slice]:
    """The rows of each symbol, the last one, without a day, included."""
    return [slice(start, end) for start, end in pairwise(offsets.tolist())]
