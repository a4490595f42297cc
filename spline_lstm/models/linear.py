"""A linear forecaster: one matrix per scale on the rows before the origin.

For a window of `depth` rows, z-scored per series, on the natural scale and on that of logarithms::

    p = share_1 (center_1 + scale_1 (W_1 z_1 + b_1))
        + share_2 exp(center_2 + scale_2 (W_2 z_2 + b_2))

`linear_fit.fit_linear` finds the matrices. Forecasts are sums taken row by row, and exponentials
lose their last digits, so that the bytes are the same on every CPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

# Standard deviations above the center, or above the last row if that is higher: beyond it, exp of
# an extrapolation explodes.
LOG_CAP = 6.0
DIGITS = 2.0**36  # of an exponential: the last ones differ between CPUs


@dataclass(frozen=True)
class Scale:
    """Where z-scores come from.

    Attributes
    ----------
    log : bool
        Of logarithms.
    center, scale : [series + 1] float64, of the training split of each series; the last one: of all
        series together, for a series that was not there
    floor : [series + 1] float64, data units: smaller values count as this one before their
        logarithm is taken
    """

    log: bool
    center: Float[np.ndarray, " bounds"]
    scale: Float[np.ndarray, " bounds"]
    floor: Float[np.ndarray, " bounds"]

    def transform(self, values: np.ndarray, series: Int[np.ndarray, " n"]) -> np.ndarray:
        """Data units [n, ...] to z-scores; NaN stays NaN."""
        center, scale, floor = (_column(part[series], values) for part in self._parts)
        return ((np.log(np.maximum(values, floor)) if self.log else values) - center) / scale

    def inverse(
        self,
        scores: Float[np.ndarray, "n horizon"],
        series: Int[np.ndarray, " n"],
        last: Float[np.ndarray, " n"],
    ) -> Float[np.ndarray, "n horizon"]:
        """Forecasts in z-scores to data units; `last` is the z-score of the last row."""
        center, scale, _ = (_column(part[series], scores) for part in self._parts)
        if not self.log:
            return scores * scale + center
        capped = np.minimum(scores, log_cap(last)[:, None])
        mantissa, exponent = np.frexp(np.exp(capped * scale + center))
        return np.ldexp(np.round(mantissa * DIGITS) / DIGITS, exponent)

    @property
    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.center, self.scale, self.floor


@dataclass(frozen=True)
class LinearForecaster:
    """A fitted linear forecaster of one target.

    Attributes
    ----------
    scales : of each matrix
    kernel : [scales, depth, horizon] float64, weights of z-scores, oldest row first
    intercept : [scales, horizon] float64, z-scores
    share : [scales] float64, at least 0, their sum is 1
    members : what was averaged: name and weight, for reports
    """

    scales: tuple[Scale, ...]
    kernel: Float[np.ndarray, "scales depth horizon"]
    intercept: Float[np.ndarray, "scales horizon"]
    share: Float[np.ndarray, " scales"]
    members: tuple[tuple[str, float], ...] = ()

    @property
    def depth(self) -> int:
        """Rows of a window."""
        return self.kernel.shape[1]

    @property
    def horizon(self) -> int:
        """Steps of a forecast."""
        return self.kernel.shape[2]

    def predict(
        self,
        windows: Float[np.ndarray, "n depth"],
        series: Int[np.ndarray, " n"] | None = None,
    ) -> Float[np.ndarray, "n horizon"]:
        """Forecast from the rows before each origin, data units, float64.

        Parameters
        ----------
        windows : [n, depth] data units
            Oldest row first; NaN: not observed, or before the series starts (see `fill`).
        series : [n] int, optional
            Of each window; without it, the constants of all series together are used unless there
            is only one series.

        Raises
        ------
        ValueError
            The windows have another number of rows.
        """
        if windows.ndim != 2 or windows.shape[1] != self.depth:
            raise ValueError(
                f"windows must have the shape [n, {self.depth}], but have {list(windows.shape)}"
            )
        if series is None:
            only = len(self.scales[0].center) == 2
            series = np.full(len(windows), 0 if only else -1)
        filled = fill(windows)
        total = np.zeros((len(windows), self.horizon))
        for scale, kernel, intercept, share in zip(
            self.scales, self.kernel, self.intercept, self.share, strict=True
        ):
            scores = np.nan_to_num(scale.transform(filled, series), nan=0.0)
            found = _affine(scores, kernel, intercept)
            total += share * scale.inverse(found, series, scores[:, -1])
        return total

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers, for an .npz or .safetensors file."""
        arrays = {"kernel": self.kernel, "intercept": self.intercept, "share": self.share}
        for name in ("center", "scale", "floor"):
            arrays[name] = np.stack([getattr(scale, name) for scale in self.scales])
        return arrays

    def config(self) -> dict[str, Any]:
        """What is not an array, for a JSON file."""
        return {
            "log": [scale.log for scale in self.scales],
            "members": [[name, weight] for name, weight in self.members],
        }

    @classmethod
    def load(
        cls, arrays: Mapping[str, np.ndarray], config: Mapping[str, Any]
    ) -> "LinearForecaster":
        """Read what `arrays` and `config` gave."""
        scales = tuple(
            Scale(
                bool(log), *(np.asarray(arrays[name][k]) for name in ("center", "scale", "floor"))
            )
            for k, log in enumerate(config["log"])
        )
        members = tuple((str(name), float(weight)) for name, weight in config["members"])
        kernel, intercept, share = (
            np.asarray(arrays[name]) for name in ("kernel", "intercept", "share")
        )
        return cls(scales, kernel, intercept, share, members)


def log_cap(last: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Highest z-score of a logarithm that a forecast may have, given that of the last row.

    It moves with a series that has left its training range: there, a fixed one would cut every
    forecast.

    >>> log_cap(np.array([-1.0, 8.0])).tolist()
    [6.0, 14.0]
    """
    return LOG_CAP + np.maximum(last, 0.0)


def fill(windows: Float[np.ndarray, "n depth"]) -> Float[np.ndarray, "n depth"]:
    """Carry the last observation forward; rows before the first one get the first one.

    A window without any observation stays NaN.

    >>> fill(np.array([[np.nan, 2.0, np.nan, 5.0]])).tolist()
    [[2.0, 2.0, 2.0, 5.0]]
    """
    seen = ~np.isnan(windows)
    rows = np.maximum.accumulate(np.where(seen, np.arange(windows.shape[1]), -1), axis=1)
    first = np.argmax(seen, axis=1)[:, None]
    return np.take_along_axis(windows, np.where(rows < 0, first, rows), axis=1)


def gather(
    values: Float[np.ndarray, " rows"],
    starts: Int[np.ndarray, " n"],
    origins: Int[np.ndarray, " n"],
    depth: int,
) -> Float[np.ndarray, "n depth"]:
    """The `depth` rows before each origin; NaN before the start of the series."""
    rows = origins[:, None] + np.arange(-depth, 0)
    return np.where(rows >= starts[:, None], values[np.maximum(rows, 0)], np.nan)


def _affine(scores: np.ndarray, kernel: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    total = np.repeat(intercept[None], len(scores), axis=0)
    for row, weights in enumerate(kernel):
        if weights.any():
            total += scores[:, row, None] * weights
    return total


def _column(constants: np.ndarray, values: np.ndarray) -> np.ndarray:
    return constants.reshape(-1, *(1,) * (values.ndim - 1))
