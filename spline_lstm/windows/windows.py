"""Forecast origins, their splits, and the gathering of windows.

A window at origin t (a row) has the inputs of rows ``t - lookback .. t - 1`` as they were known
before t, and the labels of rows ``t .. t + horizon - 1``.

::

    rows      |---------- train ----------|~~~~|-- validation --|~~~~|----- test -----| later: none
    labels     of a split lie inside it    embargo: labels of none
    inputs     reach back `lookback` rows, into earlier splits if need be
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.artifacts import Blocks, content_id, read_arrays
from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ArtifactError, TooLittleDataError
from spline_lstm.core.params import WindowParams
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.windows.array_files import load_arrays
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.gather import gather_future, gather_inputs, gather_targets, rows_from
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.mapped import in_pieces, passing
from spline_lstm.windows.origins import find_origins, missing_inputs
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.scaling import Scaler

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Batch:
    """Windows as plain arrays.

    Attributes
    ----------
    X : [windows, lookback, F_total] float32, z-scores
    y : [windows, horizon * F_target] float32, z-scores, step by step; 0 if not counted
    mask : [windows, horizon * F_target] bool, True if `y` counts: see `AsOfArrays.counted`
    origin_time : [windows] int64, instant of the first forecast row
    series : [windows] int64, index of the series
    origin : [windows] int64, row of the first forecast row
    X_future : [windows, horizon, F_future] float32, z-scores: features known in the future
    X_static : [windows, n_static] int32: ids of the properties of the series, 0: unknown
    """

    X: Float[np.ndarray, "windows lookback features"]
    y: Float[np.ndarray, "windows outputs"]
    mask: Bool[np.ndarray, "windows outputs"]
    origin_time: Int[np.ndarray, " windows"]
    series: Int[np.ndarray, " windows"]
    origin: Int[np.ndarray, " windows"]
    X_future: Float[np.ndarray, "windows horizon future"]
    X_static: Int[np.ndarray, "windows statics"]


@dataclass(frozen=True)
class Windows:
    """Windows over as-of arrays; nothing is copied until `gather` is called.

    Attributes
    ----------
    arrays : AsOfArrays
    scaler : Scaler
        Of all features, in their order.
    clock : Clock
        Whose rows are those of the arrays.
    lookback, horizon : int, rows
    origins : [windows] int64, rows, increasing within a series
    split : [windows] uint8, index into `SPLITS`
    """

    arrays: AsOfArrays
    scaler: Scaler
    clock: Clock
    lookback: int
    horizon: int
    origins: Int[np.ndarray, " windows"]
    split: Int[np.ndarray, " windows"]

    @property
    def splits(self) -> dict[str, Int[np.ndarray, " windows"]]:
        """Origins (rows) of each split: train, validation, test."""
        return {name: self.origins[self.split == index] for index, name in enumerate(SPLITS)}

    def clock_rows(self, rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Rows of the clock, which all series share, of rows of the arrays."""
        return self.clock.locate(self.arrays.timestamps[rows])[0]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features of X, in order."""
        return tuple(str(name) for name in self.arrays.feature_names)

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the targets, in order."""
        return tuple(self.feature_names[index] for index in self.arrays.target_indices)

    @property
    def target_scaler(self) -> Scaler:
        """The scaler of the targets."""
        return self.scaler.columns(self.arrays.target_indices)

    @property
    def future_names(self) -> tuple[str, ...]:
        """Names of the features of X_future, in order."""
        return tuple(self.feature_names[index] for index in self.arrays.future_indices)

    def gather(self, split: str) -> Batch:
        """All windows of a split (train, validation or test) as one batch."""
        return self.gather_origins(self.splits[split])

    def batches(self, split: str, size: int) -> Iterator[Batch]:
        """The windows of a split in batches of at most `size`, in order: bounded memory."""
        origins = self.splits[split]
        for start in range(0, len(origins), size):
            yield self.gather_origins(origins[start : start + size])

    def gather_origins(self, origins: Int[np.ndarray, " windows"]) -> Batch:
        """The windows at the given origins (rows); of mapped arrays piece by piece."""

        def gather(own: Int[np.ndarray, " piece"]) -> tuple[np.ndarray, ...]:
            return tuple(vars(self.gather_at_once(own)).values())

        return Batch(*in_pieces(self.arrays, gather, origins))

    def gather_at_once(self, origins: Int[np.ndarray, " windows"]) -> Batch:
        """The same for origins that lie close together, or arrays that are in memory."""
        arrays = self.arrays
        series = np.searchsorted(arrays.series_offsets, origins, side="right") - 1
        mask = rows_from(arrays.observed, origins, self.horizon)
        if arrays.replaced.size:
            mask &= ~rows_from(arrays.replaced, origins, self.horizon)
        values = rows_from(arrays.raw_target, origins, self.horizon)
        values[~mask] = 0.0
        scores = self.target_scaler.transform(values, series).astype(np.float32)
        scores[~mask] = 0.0
        shape = (len(origins), -1)
        return Batch(
            X=gather_inputs(arrays.scaled, arrays.causal, arrays.known_at, origins, self.lookback),
            y=scores.reshape(shape),
            mask=mask.reshape(shape),
            origin_time=arrays.timestamps[origins],
            series=series,
            origin=origins,
            X_future=gather_future(arrays.scaled, origins, self.horizon, arrays.future_indices),
            X_static=arrays.static_ids[series],
        )

    def to_data_units(
        self,
        y: Float[np.ndarray, "windows outputs"],
        series: Int[np.ndarray, " windows"] | None = None,
    ) -> Float[np.ndarray, "windows horizon targets"]:
        """Forecasts or labels from z-scores to data units, float64.

        `series` is needed if each series has its own scaling.
        """
        return self.target_scaler.forecast(
            y.reshape(len(y), self.horizon, -1).astype(np.float64), series
        )

    def history(self, batch: Batch) -> Float[np.ndarray, "windows lookback targets"]:
        """Targets of the lookback as known before the origin, data units, float64, never scaled."""
        return gather_targets(self.arrays, batch.origin, self.lookback)

    def missing_inputs(self, split: str) -> Float[np.ndarray, " windows"]:
        """Share of the lookback of each window of a split in which a target was silent."""
        return missing_inputs(self.arrays, self.splits[split], self.lookback) / self.lookback

    def labelled_span(self, origins: Int[np.ndarray, " windows"]) -> tuple[int, int]:
        """Instants of the first and the last row that has a label of these windows."""
        timestamps = self.arrays.timestamps
        last = timestamps[origins + self.horizon - 1].max()
        return int(timestamps[origins].min()), int(last)

    @property
    def limits(self) -> ForecastLimits:
        """What every forecast must keep to, by the index of the series."""
        return self.arrays.limits

    def labels(self, batch: Batch) -> Float[np.ndarray, "windows horizon targets"]:
        """Raw observations of the horizon, data units, NaN if there is none; outliers too."""
        values = self.arrays.raw_target
        (found,) = in_pieces(
            self.arrays, lambda origins: (rows_from(values, origins, self.horizon),), batch.origin
        )
        return found

    def counted_labels(self, batch: Batch) -> Float[np.ndarray, "windows horizon targets"]:
        """`labels` that count, NaN elsewhere: without outliers that were replaced."""
        labels = self.labels(batch)
        return np.where(batch.mask.reshape(labels.shape), labels, np.nan)


def scaled_targets(
    windows: Windows,
) -> tuple[Float[np.ndarray, "rows targets"], Bool[np.ndarray, "rows targets"]]:
    """Targets that count as float32 z-scores (0 elsewhere), and where they do."""
    counted = windows.arrays.counted
    targets = np.where(counted, windows.arrays.raw_target, 0.0)
    scores = windows.target_scaler.transform(targets, windows.arrays.row_series)
    return np.where(counted, scores, 0.0).astype(np.float32), counted


def make_windows(
    arrays: AsOfArrays,
    scaler: Scaler,
    clock: Clock,
    params: WindowParams,
    needed: Sequence[str] = SPLITS,
) -> Windows:
    """Find all origins whose inputs are known and at least one of whose labels was observed.

    Raises
    ------
    TooLittleDataError
        One of the `needed` splits has no window.
    """
    origins = find_origins(
        arrays, params.lookback, params.horizon, params.stride, params.max_missing_inputs
    )
    split = _split_of(arrays, clock, origins, params)
    kept = split >= 0
    windows = Windows(
        arrays,
        scaler,
        clock,
        params.lookback,
        params.horizon,
        origins[kept],
        split[kept].astype(np.uint8),
    )
    for name, rows in windows.splits.items():
        if name in needed and len(rows) == 0:
            raise TooLittleDataError(
                f"the {name} split has no window of {params.lookback} rows back and "
                f"{params.horizon} ahead without a gap beyond preprocess.max_gap; "
                f"{_more_windows(params)}"
            )
    return windows


def _more_windows(params: WindowParams) -> str:
    """What can be done for more windows, as far as it is not done yet."""
    advice = {
        "shorten window.lookback": params.lookback > 1,
        "shorten window.horizon": params.horizon > 1,
        "raise window.max_missing_inputs": params.max_missing_inputs < 1,
    }
    return " or ".join(["bring more data", *(text for text, helps in advice.items() if helps)])


def _split_of(
    arrays: AsOfArrays, clock: Clock, origins: np.ndarray, params: WindowParams
) -> np.ndarray:
    """Index of the split with all labels of each origin, -1 in an embargo or across a boundary."""
    embargo = params.horizon if params.embargo is None else params.embargo
    # In rows of the clock, which all series share.
    first = clock.locate(arrays.timestamps[origins])[0]
    last = first + params.horizon - 1
    bounds = clock.first_rows(arrays.split_instants)
    split = np.full(len(origins), -1, dtype=np.int8)
    begins = (np.iinfo(np.int64).min, *(bounds[:2] + embargo))
    ends = (*bounds, np.iinfo(np.int64).max)[: len(SPLITS)]
    for index, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        split[(first >= begin) & (last < end)] = index
    return split


def window_arrays(windows: Windows, *, materialize: bool) -> dict[str, np.ndarray]:
    """Origins and splits, and with `materialize` X and y of all windows."""
    content = {
        "source_id": np.array(_source_id(windows.arrays, windows.scaler)),
        "origins": windows.origins,
        "split": windows.split,
        "lookback": np.array(windows.lookback),
        "horizon": np.array(windows.horizon),
    }
    if materialize:
        batch = windows.gather_origins(windows.origins)
        content |= {
            "X": batch.X,
            "y": batch.y,
            "mask": batch.mask,
            "X_future": batch.X_future,
            "X_static": batch.X_static,
        }
    return content


def load_windows(folder: Path | str = ".") -> Windows:
    """Windows of a pipeline folder, as its stages preprocess and window left them.

    Raises
    ------
    ArtifactError
        An artefact is missing or damaged, or they do not belong together.
    """
    folder = Path(folder)
    windows, source_id = open_windows(folder)
    if source_id != _source_id(windows.arrays, windows.scaler):
        raise _different_runs(folder)
    return windows


def open_windows(folder: Path) -> tuple[Windows, str]:
    """The same without a look at all rows, and the content id of the rows that they belong to."""
    pipeline = Pipeline(folder)
    arrays = load_arrays(pipeline)
    preprocessor = Preprocessor.load(pipeline.preprocessor)
    stored = read_arrays(pipeline.windows)
    try:
        scaler, clock = preprocessor.scaler, preprocessor.clock
        source_id = str(stored["source_id"])
        together = tuple(map(str, arrays.feature_names)) == preprocessor.features
        lookback, horizon = int(stored["lookback"]), int(stored["horizon"])
        origins = stored["origins"]
        within = (origins >= lookback) & (origins + horizon <= len(arrays.timestamps))
        windows = Windows(arrays, scaler, clock, lookback, horizon, origins, stored["split"])
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactError(f"{folder}: windows.npz lacks {error}; run `dvc repro`") from None
    if not together or not within.all():
        raise _different_runs(folder)
    return windows, source_id


def _different_runs(folder: Path) -> ArtifactError:
    return ArtifactError(
        f"{folder}: processed.npz, windows.npz and preprocessor.json come from different runs; "
        "run `dvc repro`"
    )


def _source_id(arrays: AsOfArrays, scaler: Scaler) -> str:
    """Content id of what windows were chosen on and are scaled by."""
    offsets = np.ascontiguousarray(arrays.series_offsets)
    timestamps, *flags = (
        _blocks(arrays, values) for values in (arrays.timestamps, arrays.valid, arrays.observed)
    )
    return content_id(timestamps, offsets.data, *flags, scaler.to_json())


def _blocks(arrays: AsOfArrays, values: np.ndarray) -> Blocks:
    """The bytes of an array with a row per grid row, by blocks of rows."""
    size = values.size * values.dtype.itemsize
    blocks = (np.ascontiguousarray(values[rows]).reshape(-1).data for rows in passing(arrays))
    return Blocks(size, blocks)
