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
from spline_lstm.training.loop import Evaluation, MakeLoss, Trained
from spline_lstm.training.losses import forecast_loss
from spline_lstm.training.model import train_model
from spline_lstm.training.residuals import FitPart, fit_linear_part
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import SPLITS, Windows, make_windows


@dataclass(frozen=True)
class Prepared:
    """What training needs of a raw table: the stages preprocess and window."""

    preprocessed: Preprocessed
    windows: Windows


@dataclass(frozen=True)
class Fit:
    """Result of fitting: preprocessing and its constants, windows, the history, the model."""

    preprocessed: Preprocessed
    windows: Windows
    trained: Trained
    model: SavedModel


def prepare(
    table: RawTable,
    schema: Schema,
    params: Params,
    *,
    where: str,
    clock: Clock | None = None,
    instants: Int[np.ndarray, " two"] | None = None,
    needed: Sequence[str] = SPLITS,
) -> Prepared:
    """Fit every constant of preprocessing on the training split, and find the windows.

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

    Raises
    ------
    DataContractError, TooLittleDataError
        See `preprocess` and `make_windows`.
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
    return Prepared(result, make_windows(result.arrays, scaler, clock, params.window, needed))


def fit_prepared(
    prepared: Prepared,
    params: Params,
    *,
    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None,
    make_loss: MakeLoss = forecast_loss,
    fit_part: FitPart = fit_linear_part,
) -> Fit:
    """Train on what `prepare` made of the same params; the rest is as in `train_model`."""
    trained, model = fit_windows(
        prepared.windows,
        prepared.preprocessed.preprocessor,
        params,
        on_evaluation=on_evaluation,
        make_loss=make_loss,
        fit_part=fit_part,
    )
    return Fit(prepared.preprocessed, prepared.windows, trained, model)


def fit_windows(
    windows: Windows,
    preprocessor: Preprocessor,
    params: Params,
    *,
    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None,
    make_loss: MakeLoss = forecast_loss,
    fit_part: FitPart = fit_linear_part,
) -> tuple[Trained, SavedModel]:
    """Train on windows, whose constants are those of a preprocessor."""
    config = model_config(params, windows, preprocessor)
    trained = train_model(
        config, windows, params.train, on_evaluation, make_loss=make_loss, fit_part=fit_part
    )
    return trained, new_model(config, trained.best, preprocessor.run_id)


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

    Arguments and errors are those of `prepare` and `train_model`.
    """
    prepared = prepare(
        table, schema, params, where=where, clock=clock, instants=instants, needed=needed
    )
    return fit_prepared(prepared, params, on_evaluation=on_evaluation)
