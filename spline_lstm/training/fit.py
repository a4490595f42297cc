"""A raw table to a trained model: the stages preprocess, window and train-flax-rnn in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.params import Params
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.models.config import model_config
from spline_lstm.models.saved_model import SavedModel, new_model
from spline_lstm.series.preprocess import Preprocessed, preprocess
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.training.loop import Evaluation, Trained
from spline_lstm.training.model import train_model
from spline_lstm.windows.windows import SPLITS, Windows, make_windows


@dataclass(frozen=True)
class Fit:
    """Result of fitting: preprocessing and its constants, windows, the history, the model."""

    preprocessed: Preprocessed
    windows: Windows
    trained: Trained
    model: SavedModel


def fit_table(
    table: RawTable,
    schema: Schema,
    params: Params,
    *,
    where: str,
    clock: Clock | None = None,
    instants: Int[np.ndarray, " two"] | None = None,
    needed: Sequence[str] = SPLITS,
    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Fit:
    """Fit every constant and the model on the training split of a table, from scratch.

    Parameters
    ----------
    table : RawTable
        Read with the options of `params.data`.
    schema, params
    where : str
        Name of the table in messages.
    clock : Clock
        Bound to data; see `preprocess`.
    instants : [2] int64
        Start of the validation and of the test split; by default from `params.preprocess.split`.
    needed : sequence of str
        Splits that must have a window.
    on_evaluation : callable
        See `train_model`.

    Raises
    ------
    DataContractError, TooLittleDataError, DivergedError
        See `preprocess`, `make_windows` and `train_model`.
    """
    result = preprocess(
        table,
        schema,
        params.preprocess,
        where=where,
        clock=clock,
        reading=Reading.of(params.data),
        options=TargetOptions.of(params),
        instants=instants,
        needed=params.window.rows,
        short_series=params.data.short_series,
    )
    scaler, clock = result.preprocessor.scaler, result.preprocessor.clock
    windows = make_windows(result.arrays, scaler, clock, params.window, needed)
    config = model_config(params, windows, result.preprocessor)
    trained = train_model(config, windows, params.train, on_evaluation)
    return Fit(
        result, windows, trained, new_model(config, trained.best, result.preprocessor.run_id)
    )
