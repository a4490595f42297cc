"""How two models compare on validation, whatever their transform, loss and lookback.

Errors are those of the forecast that `predict` would give, in data units, in units of the standard
deviation of the target. Two models are compared on the windows that both have, and a difference
counts if it exceeds two of its standard errors, which chance does once in forty times.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.time_blocks import covered_rows, is_beyond_noise, standard_error
from spline_lstm.training.fit import Fit, Prepared

WINDOWS_PER_BATCH = 8192
# Fewer blocks of a horizon say nothing about the noise between them.
LEAST_BLOCKS = 4


@dataclass(frozen=True)
class Units:
    """Standard deviations of the targets in training, data units.

    Attributes
    ----------
    series : name -> [targets]
    overall : [targets], of other series
    """

    series: dict[str, Float[np.ndarray, " targets"]]
    overall: Float[np.ndarray, " targets"]

    @classmethod
    def of(cls, prepared: Prepared) -> "Units":
        """Those of the scaler, without the transform of the targets."""
        scaler = prepared.windows.target_scaler.plain
        names = prepared.preprocessed.table.series_names
        rows = dict(zip(names, scaler.scale, strict=False)) if scaler.per_series else {}
        return cls(rows, scaler.overall.scale)

    def of_names(self, names: tuple[str, ...]) -> Float[np.ndarray, "names targets"]:
        """One row per name."""
        return np.stack([self.series.get(name, self.overall) for name in names])


@dataclass(frozen=True)
class Comparison:
    """By how much the second model is better than the first.

    Attributes
    ----------
    gain : mean difference of squared errors, a share of the first model's mean squared error
    error : standard error of `gain`, from blocks of time
    blocks : number of horizons that the common origins cover
    """

    gain: float
    error: float
    blocks: int

    @property
    def is_beyond_noise(self) -> bool:
        """More than two standard errors, from enough blocks."""
        return self.blocks >= LEAST_BLOCKS and is_beyond_noise(self.gain, self.error)


def validation_errors(fit: Fit, units: Units) -> pd.Series:
    """Mean squared error of each validation window, by series and row of the clock."""
    windows, names = fit.windows, fit.preprocessed.table.series_names
    scale = units.of_names(names)
    parts = []
    for batch in windows.batches("validation", WINDOWS_PER_BATCH):
        history = windows.history(batch)
        outputs = data_unit_outputs(fit.model, batch, windows.target_scaler, batch.series, history)
        point = windows.limits.keep(outputs.point, history, batch.series)
        missed = (point - windows.counted_labels(batch)) / scale[batch.series][:, None]
        index = pd.MultiIndex.from_arrays(
            [
                np.array(names, dtype=object)[batch.series],
                windows.clock_rows(batch.origin),
            ]
        )
        counted = batch.mask.sum(axis=1)
        squares = np.nan_to_num(np.square(missed)).sum(axis=(1, 2)) / np.maximum(counted, 1)
        parts.append(pd.Series(squares, index)[counted > 0])
    return pd.concat(parts)


def validation_index(prepared: Prepared) -> pd.MultiIndex:
    """The validation windows, as `validation_errors` names them."""
    windows, names = prepared.windows, prepared.preprocessed.table.series_names
    origins = windows.splits["validation"]
    series = np.array(names, dtype=object)[windows.arrays.row_series[origins]]
    return pd.MultiIndex.from_arrays([series, windows.clock_rows(origins)])


def rmse_on(errors: pd.Series, windows: pd.MultiIndex) -> float:
    """Root of the mean of `validation_errors` on some windows, standard deviations."""
    return float(np.sqrt(errors[errors.index.isin(windows)].mean()))


def compare(first: pd.Series, second: pd.Series, horizon: int) -> Comparison:
    """Compare two results of `validation_errors` on their common windows; `horizon` in rows."""
    both = pd.concat([first, second], axis=1, join="inner")
    if both.empty:
        return Comparison(0.0, 0.0, 0)
    errors, times = both.to_numpy(), both.index.get_level_values(1).to_numpy()
    gains, unit = errors[:, 0] - errors[:, 1], max(float(errors[:, 0].mean()), 1e-12)
    error = standard_error(gains, times, horizon)
    return Comparison(
        float(gains.mean()) / unit, error / unit, covered_rows(times, horizon) // horizon
    )
