"""Windows of trading days, their labels and their splits.

A window ends with day t, whose close is known; its label is that of day t. Splits are cut at the
same dates for all symbols, as in `spline_lstm.windows.windows`, with two rules more::

    days      |--------- train ---------|                |------ validation ------|      ...
    labels     end before the boundary: |<- horizon ->|     the last days are left out (purge)
    inputs                              |<-- longest reach -->| begin after it (embargo)

So no label of a split is made of a day of the next one, and no input of a split reaches back to a
day of the one before.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.artifacts import content_id, read_arrays
from spline_lstm.core.errors import ArtifactError, TooLittleDataError
from spline_lstm.core.params import Params
from spline_lstm.core.params_data import WindowParams
from spline_lstm.core.params_direction import DirectionParams
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage_files import WindowFiles
from spline_lstm.market.features import LONGEST
from spline_lstm.market.labels import forward_returns, labels
from spline_lstm.market.panel import days_of, each_symbol
from spline_lstm.market.preprocessor import DirectionPreprocessor, no_limits
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.window_files import files_of
from spline_lstm.windows.windows import SPLITS, Batch, Windows

TARGETS = {"threshold": "rises", "median": "beats_median"}
UNSCALED = Scaler("none", np.zeros(1), np.ones(1))
# Of windows that belong to no split.
NO_SPLIT = 255


@dataclass(frozen=True)
class DirectionWindows(Windows):
    """Windows whose label is not among the features.

    ``arrays.raw_target`` are the labels, NaN if not known, in the row after their day; a batch has
    the day itself as `origin_time`.

    Attributes
    ----------
    target : str
        Name of the label.
    forward : [rows] float64
        Forward return, in the row after its day; NaN if not known.
    """

    target: str
    forward: Float[np.ndarray, " rows"]

    @property
    def target_names(self) -> tuple[str, ...]:
        """The name of the label."""
        return (self.target,)

    @property
    def target_scaler(self) -> Scaler:
        """Labels are not scaled."""
        return UNSCALED

    @property
    def limits(self) -> ForecastLimits:
        """None."""
        return no_limits(len(self.arrays.static_ids))

    def gather_origins(self, origins: Int[np.ndarray, " windows"]) -> Batch:
        """The windows at the given origins (rows), each with its last day as `origin_time`."""
        batch = super().gather_origins(origins)
        return replace(batch, origin_time=self.arrays.timestamps[origins - 1])

    def history(self, batch: Batch) -> Float[np.ndarray, "windows lookback targets"]:
        """No label is an input: NaN."""
        return np.full((len(batch.origin), self.lookback, 1), np.nan)

    def labelled_span(self, origins: Int[np.ndarray, " windows"]) -> tuple[int, int]:
        """The first and the last day that these windows end with."""
        days = self.arrays.timestamps[origins - 1]
        return int(days.min()), int(days.max())

    def forward_return(self, batch: Batch) -> Float[np.ndarray, " windows"]:
        """Return of the adjusted close over the horizon of the label; NaN if not known."""
        return self.forward[batch.origin]


def make_direction_windows(
    arrays: AsOfArrays, preprocessor: DirectionPreprocessor, params: Params
) -> DirectionWindows:
    """Label the rows, and find the windows of each split.

    Raises
    ------
    TooLittleDataError
        A split has no window with a label.
    """
    window, known = params.window, labelled(arrays, params)
    origins = complete_origins(arrays, window.lookback, window.stride)
    split = split_of(arrays, origins, window, params.direction)
    kept = split < len(SPLITS)
    chosen = origins[kept], split[kept]
    windows = _windows(arrays, preprocessor, window.lookback, chosen, known)
    for name, start, stop in zip(SPLITS, *split_days(arrays), strict=True):
        if np.isnan(known.label[windows.splits[name]]).all():
            back = embargo_of(window) if start else reach(window)
            raise TooLittleDataError(
                f"the {name} split has no window with a label: of its {stop - start} days a window "
                f"needs {back} to look back on, one of its own and {params.direction.horizon} "
                "ahead; bring more data, or make the split longer with preprocess.split"
            )
    return windows


class Labelled(NamedTuple):
    """What is to be learned of each row, in the row after its day.

    `target` is the name of the label, `label` 0, 1 or NaN, `forward` the forward return.
    """

    target: str
    label: Float[np.ndarray, " rows"]
    forward: Float[np.ndarray, " rows"]


def labelled(arrays: AsOfArrays, params: Params) -> Labelled:
    """The label of the params, of the closes in the arrays of the stage preprocess."""
    close, direction = arrays.raw_target[:, 0], params.direction
    forward = forward_returns(close, arrays.series_offsets, direction.horizon)
    days = np.concatenate([arrays.timestamps[:1], arrays.timestamps[:-1]])
    return Labelled(TARGETS[direction.label], labels(forward, days, direction), forward)


def _windows(
    arrays: AsOfArrays,
    preprocessor: DirectionPreprocessor,
    lookback: int,
    chosen: tuple[np.ndarray, np.ndarray],
    known: Labelled,
) -> DirectionWindows:
    label, (origins, split) = known.label[:, None], chosen
    return DirectionWindows(
        replace(arrays, raw_target=label, observed=~np.isnan(label)),
        preprocessor.scaler,
        preprocessor.clock,
        lookback,
        1,
        origins,
        split.astype(np.uint8),
        known.target,
        known.forward,
    )


def complete_origins(
    arrays: AsOfArrays, lookback: int, stride: int = 1
) -> Int[np.ndarray, " windows"]:
    """Rows with `lookback` days before them in which all features are known."""
    sums = np.concatenate([[0], np.cumsum(arrays.valid)])
    origins = np.concatenate(
        [
            np.arange(rows.start + lookback, rows.stop, stride, dtype=np.int64)
            for rows in each_symbol(arrays.series_offsets)
        ]
    )
    return origins[sums[origins] - sums[origins - lookback] == lookback]


def reach(window: WindowParams) -> int:
    """Days that a window looks back on: those of its rows, and of the features of the first."""
    return LONGEST + window.lookback - 1


def split_of(
    arrays: AsOfArrays,
    origins: Int[np.ndarray, " windows"],
    window: WindowParams,
    direction: DirectionParams,
) -> Int[np.ndarray, " windows"]:
    """Index of the split of each origin, `NO_SPLIT` in a purge or an embargo or after the end.

    All is counted in the days that the symbols share; a symbol that lacks some of them looks
    further back, and its embargo is longer.
    """
    days = days_of(arrays)
    decided = np.searchsorted(days, arrays.timestamps[origins - 1])
    ends = np.searchsorted(days, arrays.timestamps[label_ends(arrays, origins, direction.horizon)])
    if direction.label == "median":
        ends = median_ends(arrays, days, direction.horizon)[decided]
    # Days back to which the inputs of a window reach, or an embargo of the params.
    firsts = np.searchsorted(days, arrays.timestamps[origins - 1 - reach(window)])
    begins = firsts if window.embargo is None else decided - window.embargo
    split = np.full(len(origins), NO_SPLIT)
    for index, (start, stop) in enumerate(zip(*split_days(arrays), strict=True)):
        inside = begins >= start if index else decided >= start
        split[inside & (ends < stop)] = index
    return split


def embargo_of(window: WindowParams) -> int:
    """Days after the start of the validation and the test split in which no window ends."""
    return reach(window) if window.embargo is None else window.embargo


def split_days(arrays: AsOfArrays) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First day of each split, and the day after its last, by their number among all days."""
    days = days_of(arrays)
    bounds = np.searchsorted(days, arrays.split_instants).tolist()
    return (0, *bounds[:2]), (*bounds, len(days))[: len(SPLITS)]


def label_ends(
    arrays: AsOfArrays, origins: Int[np.ndarray, " windows"], horizon: int
) -> Int[np.ndarray, " windows"]:
    """The row of the day whose close decides each label, at most the last day of the symbol."""
    series = np.searchsorted(arrays.series_offsets, origins, side="right") - 1
    return np.minimum(origins - 1 + horizon, arrays.series_offsets[series + 1] - 2)


def median_ends(
    arrays: AsOfArrays, days: Int[np.ndarray, " days"], horizon: int
) -> Int[np.ndarray, " days"]:
    """Of each day the position of the last day that decides the median of its symbols.

    A symbol that is not traded for a while has its label, and so the median, decided later.
    """
    rows = np.setdiff1d(np.arange(len(arrays.timestamps)), arrays.series_offsets)
    decided = np.searchsorted(days, arrays.timestamps[rows - 1])
    ends = np.zeros(len(days), dtype=np.int64)
    own = np.searchsorted(days, arrays.timestamps[label_ends(arrays, rows, horizon)])
    np.maximum.at(ends, decided, own)
    return ends


def direction_window_files(folder: Path, params: Params) -> WindowFiles:
    """Part `windows` of the task: what the stage window writes; errors as in `make_...`."""
    pipeline = Pipeline(folder)
    arrays = AsOfArrays.load(pipeline.processed)
    preprocessor = DirectionPreprocessor.load(pipeline.preprocessor)
    windows = make_direction_windows(arrays, preprocessor, params)
    files = files_of(windows, preprocessor, params)
    share = np.nanmean(windows.arrays.raw_target[windows.splits["train"]])
    return WindowFiles(
        files.arrays
        | {
            "source_id": np.array(_source_id(arrays, preprocessor)),
            "label": windows.arrays.raw_target[:, 0],
            "forward": windows.forward,
            "target": np.array(windows.target),
        },
        files.meta,
        f"{files.text}; {100 * share:.1f} % of the training labels are 1",
    )


def load_direction_windows(folder: Path | str = ".") -> DirectionWindows:
    """Windows of a pipeline folder, as its stages preprocess and window left them.

    Raises
    ------
    ArtifactError
        An artefact is missing or damaged, or they do not belong together.
    """
    pipeline = Pipeline(Path(folder))
    arrays = AsOfArrays.load(pipeline.processed)
    preprocessor = DirectionPreprocessor.load(pipeline.preprocessor)
    stored = read_arrays(pipeline.windows)
    try:
        if stored["source_id"] != _source_id(arrays, preprocessor):
            raise ArtifactError(
                f"{folder}: processed.npz, windows.npz and preprocessor.json come from different "
                "runs; run `dvc repro`"
            )
        return _windows(
            arrays,
            preprocessor,
            int(stored["lookback"]),
            (stored["origins"], stored["split"]),
            Labelled(str(stored["target"]), stored["label"], stored["forward"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactError(f"{folder}: windows.npz lacks {error}; run `dvc repro`") from None


def _source_id(arrays: AsOfArrays, preprocessor: DirectionPreprocessor) -> str:
    parts = (arrays.timestamps, arrays.series_offsets, arrays.valid, arrays.raw_target)
    return content_id(*(part.tobytes() for part in parts), preprocessor.run_id)


def windows_of_days(
    arrays: AsOfArrays, preprocessor: DirectionPreprocessor, params: Params
) -> DirectionWindows:
    """All windows with complete inputs, in no split, with or without a label.

    For scoring: ``windows.gather_origins(windows.origins)`` is a batch of every day of every
    symbol, in which `origin_time` is the day and `series` the symbol.
    """
    origins = complete_origins(arrays, params.window.lookback)
    split = np.full(len(origins), NO_SPLIT)
    return _windows(
        arrays, preprocessor, params.window.lookback, (origins, split), labelled(arrays, params)
    )
