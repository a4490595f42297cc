"""What goes to the process of a fold of a backtest, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from spline_lstm.core.clock import Clock
from spline_lstm.core.params import Params
from spline_lstm.core.schema import Schema
from spline_lstm.evaluation.adaptive import AdaptiveSums
from spline_lstm.evaluation.coverage import CoverageSums
from spline_lstm.evaluation.error_sums import ScoreSums
from spline_lstm.evaluation.folds import Fold
from spline_lstm.inference.intervals import Intervals
from spline_lstm.series.preprocess_partitions import Panel
from spline_lstm.tables.raw_table import RawTable


@dataclass(frozen=True)
class FoldJob:
    """What a process needs to run one fold.

    Attributes
    ----------
    fold : Fold
    number : from 1
    source : RawTable or Panel
        Only its rows; partitions are cut as they are read.
    schema, params
    clock, series
        Of the whole source.
    cache : Path
        Pipeline folder in which compiled programs are cached.
    """

    fold: Fold
    number: int
    source: RawTable | Panel
    schema: Schema
    params: Params
    clock: Clock
    series: tuple[str, ...]
    cache: Path


@dataclass(frozen=True)
class FoldResult:
    """What is kept of a fold.

    Attributes
    ----------
    fold : Fold
    clock : Clock
    sums : ScoreSums
        Of the model and the baselines on the test split; series numbered as in the whole table.
    coverage : CoverageSums
    adaptive : AdaptiveSums
        Of adaptive intervals; None without them.
    intervals : Intervals
    scale : [1 or series, targets], data units
        What errors are divided by to be z-scores.
    training_std : [targets] see `scales.training_std_of`
    windows : number of windows of each split
    missing_inputs : float
        Mean share of missing rows in the lookbacks of the test windows.
    best_step, steps : int
        Steps of the best weights and of the whole training.
    """

    fold: Fold
    clock: Clock
    sums: ScoreSums
    coverage: CoverageSums
    adaptive: AdaptiveSums | None
    intervals: Intervals
    scale: Float[np.ndarray, "rows targets"]
    training_std: Float[np.ndarray, " targets"]
    windows: Mapping[str, int]
    missing_inputs: float
    best_step: int
    steps: int
