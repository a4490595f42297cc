"""Forecasts of an exported file from raw history, without JAX or TensorFlow: for services."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.formats import FORECAST, FUTURE, HISTORY, QUANTILES, STATIC
from spline_lstm.export.sessions import Session, open_session, read_metadata
from spline_lstm.inference.forecast import Forecast, ModelInputs, make_forecast
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.intervals import Intervals, load_intervals
from spline_lstm.inference.reading import future_frame, history_frame
from spline_lstm.models.outputs import Outputs
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.scaling import Scaler


@dataclass(frozen=True)
class ExportedForecaster:
    """An exported file with what it needs to forecast from raw rows.

    Attributes
    ----------
    session : Session
        The loaded file; it reads and answers data units.
    metadata : mapping
        See `EdgeSpec.metadata`.
    preprocessor : Preprocessor
    intervals : Intervals
        None: forecasts have no bounds.
    """

    session: Session
    metadata: Mapping[str, Any]
    preprocessor: Preprocessor
    intervals: Intervals | None

    @classmethod
    def load(cls, model: Path, preprocessor: Path) -> Self:
        """Load the files of one run.

        Parameters
        ----------
        model : Path
            An exported file, .onnx or .tflite.
        preprocessor : Path
            models/preprocessor.json of the same run. The intervals.json next to it gives the
            bounds; without that file forecasts have none.

        Raises
        ------
        ArtifactError
            A file is missing or damaged, or they come from different runs.
        """
        session, metadata = open_session(model), read_metadata(model)
        loaded = Preprocessor.load(preprocessor)
        check_together(metadata, loaded, model, preprocessor)
        intervals = load_intervals(preprocessor.parent / "intervals.json", metadata["run_id"])
        return cls(session, metadata, loaded, intervals)

    def predict(
        self,
        history: pd.DataFrame | bytes,
        future: pd.DataFrame | bytes | None = None,
        *,
        where: str = "history",
        where_future: str = "future",
    ) -> Forecast:
        """Forecast the horizon of each series after its last row; float32.

        Parameters
        ----------
        history, future : DataFrame or CSV text
            Raw rows, and known-future columns of the rows to forecast; see `serving_inputs`.
        where, where_future : str
            Names of `history` and `future` in messages.

        Raises
        ------
        DataContractError, MissingCovariateError, TooLittleDataError
            See `serving_inputs`.
        """
        metadata, preprocessor = self.metadata, self.preprocessor
        inputs = serving_inputs(
            preprocessor,
            history_frame(preprocessor, history, where),
            lookback=metadata["lookback"],
            horizon=metadata["horizon"],
            future=None if future is None else future_frame(preprocessor, future, where_future),
            where=where,
            where_future=where_future,
        )
        return make_forecast(
            self.outputs(inputs),
            inputs,
            self.intervals,
            tuple(metadata["quantiles"]),
            tuple(metadata["targets"]),
            preprocessor.limits,
        )

    def outputs(self, inputs: ModelInputs) -> Outputs:
        """Outputs of the file, data units, float32; it scales its inputs itself."""
        scaler, rows = self.preprocessor.scaler, inputs.scaler_rows
        future_scaler = scaler.columns(self.preprocessor.future_indices)
        given = {
            HISTORY: _data_units(scaler, inputs.X, rows),
            FUTURE: _data_units(future_scaler, inputs.X_future, rows),
            STATIC: inputs.X_static,
        }
        answered = self.session.answer(
            {name: value for name, value in given.items() if name in self.metadata["inputs"]}
        )
        return Outputs(answered[FORECAST], answered.get(QUANTILES))


def check_together(
    metadata: Mapping[str, Any], preprocessor: Preprocessor, model: Path, path: Path
) -> None:
    """Raise ArtifactError unless the exported model was trained with this preprocessor."""
    if metadata["preprocessor_run_id"] != preprocessor.run_id or metadata["features"] != list(
        preprocessor.features
    ):
        raise ArtifactError(
            f"{model} was trained with preprocessor {metadata['preprocessor_run_id']}, but {path} "
            f"is {preprocessor.run_id}; use the files of one run"
        )


def _data_units(
    scaler: Scaler, scores: Float[np.ndarray, "windows rows columns"], rows: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "windows rows columns"]:
    return scaler.inverse(scores.astype(np.float64), rows).astype(np.float32)
