"""The as-of arrays of all series, as stages hand them on (data/processed/processed.npz)."""

from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.artifacts import read_arrays, write_arrays
from spline_lstm.core.errors import ArtifactError
from spline_lstm.windows.limits import ForecastLimits


def _none() -> Int[np.ndarray, " none"]:
    return np.empty(0, dtype=np.int32)


def _none_replaced() -> Bool[np.ndarray, "none none"]:
    return np.empty((0, 0), dtype=bool)


def _no_limits() -> Float[np.ndarray, "none none"]:
    return np.empty((0, 0))


@dataclass(frozen=True)
class AsOfArrays:
    """Regular arrays of all series, one after another along `rows`.

    A window at forecast origin t takes `scaled` where ``known_at < t`` and `causal` elsewhere.

    Attributes
    ----------
    scaled : [rows, F_total] float32, z-scores: observations and spline values, NaN if unknown
    causal : [rows, F_total] float32, z-scores: replaces a value that is not known yet
    known_at : [rows, F_total] int32: first row (of all series together) at which `scaled` is
        known, -1: always
    valid : [rows] bool: no target has been silent for longer than the gap limit
    raw_target : [rows, F_target] float64, data units, NaN if not observed
    filled_target, causal_target : [rows, F_target] float64, data units: the targets of `scaled` and
        `causal` before they were scaled, for forecasts that are computed in data units
    observed : [rows, F_target] bool
    timestamps : [rows] int64, instants of the rows (see `spline_lstm.core.clock`)
    series_offsets : [series + 1] int64: first row of each series, and the end
    static_ids : [series, n_static] int32, 0: unknown
    feature_names : [F_total] text: targets, dynamic covariates, added channels, calendar features
    target_indices : [F_target] int32: positions of the targets among the features
    split_instants : [2 or 3] int64: starts of the validation and the test split, then the end
        of the test split if it has one
    future_indices : [F_future] int32: positions of the features that are known in the future
    calendar_indices : [F_calendar] int32: positions of the calendar features, the last ones
    target_bounds : [F_target, 2] float64, constants : [series, F_target] float64, data units: see
        `ForecastLimits`; empty: none
    replaced : [rows, F_target] bool: observations that were outliers and count as missing, in the
        inputs and as labels to learn from; empty, and not in the file: none can be
    """

    scaled: Float[np.ndarray, "rows features"]
    causal: Float[np.ndarray, "rows features"]
    known_at: Int[np.ndarray, "rows features"]
    valid: Bool[np.ndarray, " rows"]
    raw_target: Float[np.ndarray, "rows targets"]
    filled_target: Float[np.ndarray, "rows targets"]
    causal_target: Float[np.ndarray, "rows targets"]
    observed: Bool[np.ndarray, "rows targets"]
    timestamps: Int[np.ndarray, " rows"]
    series_offsets: Int[np.ndarray, " bounds"]
    static_ids: Int[np.ndarray, "series statics"]
    feature_names: np.ndarray
    target_indices: Int[np.ndarray, " targets"]
    split_instants: Int[np.ndarray, " two_or_three"]
    future_indices: Int[np.ndarray, " future"] = field(default_factory=_none)
    calendar_indices: Int[np.ndarray, " calendar"] = field(default_factory=_none)
    target_bounds: Float[np.ndarray, "bounded two"] = field(default_factory=_no_limits)
    constants: Float[np.ndarray, "series bounded"] = field(default_factory=_no_limits)
    replaced: Bool[np.ndarray, "rows_or_none targets_or_none"] = field(
        default_factory=_none_replaced
    )

    @property
    def future(self) -> Float[np.ndarray, "rows future"]:
        """Features that are known in the future, z-scores, never NaN."""
        return self.scaled[:, self.future_indices]

    @property
    def counted(self) -> Bool[np.ndarray, "rows targets"]:
        """Labels that something is learned from: observed, and no outlier that was replaced."""
        return self.observed & ~self.replaced if self.replaced.size else self.observed

    def counted_at(
        self, rows: Int[np.ndarray, "*rows"] | slice
    ) -> Bool[np.ndarray, "*rows targets"]:
        """`counted` of some rows, without a look at the others."""
        observed = self.observed[rows]
        return observed & ~self.replaced[rows] if self.replaced.size else observed

    @property
    def counted_target(self) -> Float[np.ndarray, "rows targets"]:
        """Their values, data units, NaN elsewhere."""
        return np.where(self.counted, self.raw_target, np.nan)

    @property
    def row_series(self) -> Int[np.ndarray, " rows"]:
        """Index of the series of each row."""
        lengths = np.diff(self.series_offsets)
        return np.repeat(np.arange(len(lengths)), lengths)

    @property
    def limits(self) -> ForecastLimits:
        """What every forecast must keep to; `series` is the index of the series."""
        targets = len(self.target_indices)
        bounds = np.tile([-np.inf, np.inf], (targets, 1))
        constants = np.full((len(self.series_offsets), targets), np.nan)
        if self.target_bounds.size:
            bounds = self.target_bounds
        if self.constants.size:
            constants[:-1] = self.constants
        return ForecastLimits(bounds, constants)

    def save(self, path: Path) -> None:
        """Write all arrays to an .npz file, atomically."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        if not self.replaced.size:
            del content["replaced"]
        write_arrays(path, content)

    @classmethod
    def load(cls, path: Path) -> "AsOfArrays":
        """Read what `save` wrote; ArtifactError if it is missing, damaged or of another version."""
        arrays = read_arrays(path)
        names = {item.name for item in fields(cls)}
        if set(arrays) | {"replaced"} != names:
            raise ArtifactError(
                f"{path} was written by another version of the code; run `dvc repro`"
            )
        return cls(**arrays)
