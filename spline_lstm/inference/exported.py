"""Forecasts of an exported file from raw history: what a service does, without JAX or TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.formats import FORECAST, FUTURE, HISTORY, QUANTILES, STATIC
from spline_lstm.export.metadata import read_metadata
from spline_lstm.export.sessions import Session, open_session
from spline_lstm.inference.frames import bounds_of, forecast_table, load_intervals
from spline_lstm.inference.inputs import ServingInputs, serving_inputs
from spline_lstm.inference.reading import future_frame, history_frame
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.scaling import Scaler


def forecast_raw(
    model: Path,
    preprocessor: Path,
    history: bytes,
    future: bytes | None = None,
    *,
    where: str = "history",
    where_future: str = "future",
) -> pd.DataFrame:
    """Forecast the horizon of each series after its last row.

    Parameters
    ----------
    model : Path
        An exported file, .onnx or .tflite.
    preprocessor : Path
        models/preprocessor.json of the same run; intervals.json beside it gives the bounds, where it is there.
    history, future : bytes
        CSV text: raw rows, and what is known in advance of the rows to come; see `serving_inputs`.
    where, where_future : str
        Names of the history and of what is known in advance in messages.

    Returns
    -------
    pd.DataFrame
        See `forecast_table`; float32, data units.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or they come from different runs.
    DataContractError, MissingCovariateError, TooLittleDataError
        See `serving_inputs`.
    """
    session, metadata = open_session(model), read_metadata(model)
    behind = Preprocessor.load(preprocessor)
    check_together(metadata, behind, model, preprocessor)
    inputs = serving_inputs(
        behind,
        history_frame(behind, history, where),
        lookback=metadata["lookback"],
        horizon=metadata["horizon"],
        future=None if future is None else future_frame(behind, future, where_future),
        where=where,
        where_future=where_future,
    )
    answered = ask(session, metadata, inputs, behind)
    intervals = load_intervals(preprocessor.parent / "intervals.json", metadata["run_id"])
    levels, bounds = bounds_of(
        intervals,
        answered[FORECAST],
        inputs.scaler_rows,
        answered.get(QUANTILES),
        metadata["quantiles"],
    )
    return forecast_table(
        answered[FORECAST],
        bounds,
        levels,
        targets=metadata["targets"],
        series=inputs.series,
        origin_time=inputs.origin_time,
        step_ns=metadata["frequency_ns"],
    ).astype(np.float32)


def check_together(
    metadata: Mapping[str, Any], preprocessor: Preprocessor, model: Path, path: Path
) -> None:
    """Raise ArtifactError unless the exported model was trained behind this preprocessor."""
    if metadata["preprocessor_run_id"] != preprocessor.run_id or metadata["features"] != list(
        preprocessor.features
    ):
        raise ArtifactError(
            f"{model} was trained behind preprocessor {metadata['preprocessor_run_id']}, but {path} is "
            f"{preprocessor.run_id}; use the files of one run"
        )


def ask(
    session: Session, metadata: Mapping[str, Any], inputs: ServingInputs, preprocessor: Preprocessor
) -> dict[str, np.ndarray]:
    """The outputs of an exported file, by name; it takes data units and scales them by itself."""
    scaler, rows = preprocessor.scaler, inputs.scaler_rows
    given = {
        HISTORY: _data_units(scaler, inputs.X, rows),
        FUTURE: _data_units(scaler.columns(preprocessor.future_indices), inputs.X_future, rows),
        STATIC: inputs.X_static,
    }
    return session.answer(
        {name: value for name, value in given.items() if name in metadata["inputs"]}
    )


def _data_units(scaler: Scaler, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return scaler.inverse(scores.astype(np.float64), rows).astype(np.float32)
