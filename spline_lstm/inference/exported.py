"""Forecasts of an exported file from raw history, without JAX or TensorFlow: for services."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.core.errors import ArtifactError, UsageError
from spline_lstm.export.formats import FORECAST, FUTURE, HISTORY, QUANTILES, STATIC
from spline_lstm.export.sessions import Session, open_session, read_metadata
from spline_lstm.inference.forecast import Forecast, ModelInputs, make_forecast
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.intervals import Intervals, load_intervals
from spline_lstm.inference.reading import future_frame, history_frame
from spline_lstm.inference.start import LAST_OBSERVED, GivenStart
from spline_lstm.models.outputs import Outputs
from spline_lstm.windows.fed_scaling import FedScaling
from spline_lstm.windows.preprocessor import Preprocessor


@dataclass(frozen=True)
class ExportedForecaster:
    """An exported file with what it needs to forecast from raw rows.

    Attributes
    ----------
    session : Session
        The loaded file; it reads and answers data units, or data units less the center of the
        series, if it is fed its scaling.
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
        UsageError
            The file does not forecast: its target is not among its features.
        """
        session, metadata = open_session(model), read_metadata(model)
        loaded = Preprocessor.load(preprocessor)
        check_together(metadata, loaded, model, preprocessor)
        if not loaded.target_indices.size:
            raise UsageError(
                f"{model} answers a label from features that its task makes of raw rows, and "
                "forecasts no column; use `python -m spline_lstm score FOLDER`"
            )
        intervals = load_intervals(preprocessor.parent / "intervals.json", metadata["run_id"])
        return cls(session, metadata, loaded, intervals)

    def predict(
        self,
        history: pd.DataFrame | bytes,
        future: pd.DataFrame | bytes | None = None,
        *,
        start: GivenStart = LAST_OBSERVED,
        absent: str = "error",
        where: str = "history",
        where_future: str = "future",
    ) -> Forecast:
        """Forecast the horizon of each series from its origin on.

        float32 as the file answers; float64 if it is fed its scaling.

        Parameters
        ----------
        history, future : DataFrame or CSV text
            Raw rows, and known-future columns of the rows to forecast; see `serving_inputs`.
        start, absent
            Where the forecast starts, and what becomes of absent rows ahead; see `serving_inputs`.
        where, where_future : str
            Names of `history` and `future` in messages.

        Raises
        ------
        DataContractError, MissingCovariateError, TooLittleDataError, UsageError
            See `serving_inputs`.
        """
        metadata, preprocessor = self.metadata, self.preprocessor
        inputs = serving_inputs(
            preprocessor,
            history_frame(preprocessor, history, where),
            lookback=metadata["lookback"],
            horizon=metadata["horizon"],
            future=None if future is None else future_frame(preprocessor, future, where_future),
            start=start,
            absent=absent,
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
        """Outputs of the file, data units.

        float32, or float64 if the file is fed its scaling: levels are removed and added back here.
        """
        fed = self._fed
        if fed is None:
            return self._answer(inputs, {}, np.zeros((1, 1, len(self.preprocessor.features))))
        scaling, center = fed.of(inputs.scaler_rows), fed.levels(inputs.scaler_rows)
        answered = self._answer(inputs, scaling, center)
        level = center[:, :, self.preprocessor.target_indices]
        quantiles = answered.quantiles
        return Outputs(
            answered.point + level, None if quantiles is None else quantiles + level[..., None]
        )

    def scales_of(self, series: tuple[str, ...]) -> Float[np.ndarray, "series targets"]:
        """Data units per z-score of the targets of each series."""
        scaler = self.preprocessor.target_scaler.plain
        rows = self.preprocessor.scaler_rows(series)
        return scaler.scale[rows] if scaler.per_series else np.tile(scaler.scale, (len(rows), 1))

    @cached_property
    def _fed(self) -> FedScaling | None:
        content = self.metadata.get("scaling")
        return None if content is None else FedScaling.from_json(content)

    def _answer(
        self,
        inputs: ModelInputs,
        scaling: Mapping[str, Float[np.ndarray, "windows columns"]],
        center: Float[np.ndarray, "_ 1 features"],
    ) -> Outputs:
        """Outputs as the file gives them, from inputs less `center`."""
        read = self.metadata["inputs"]
        given = {
            HISTORY: (self._history(inputs) - center).astype(np.float32),
            STATIC: inputs.X_static,
            **{name: values.astype(np.float32) for name, values in scaling.items()},
        }
        if FUTURE in read:
            future = self.preprocessor.future_indices
            columns = self.preprocessor.scaler.columns(future)
            ahead = columns.inverse(inputs.X_future.astype(np.float64), inputs.scaler_rows)
            given[FUTURE] = (ahead - center[:, :, future]).astype(np.float32)
        answered = self.session.answer(
            {name: value for name, value in given.items() if name in read}
        )
        return Outputs(answered[FORECAST], answered.get(QUANTILES))

    def _history(self, inputs: ModelInputs) -> Float[np.ndarray, "windows lookback features"]:
        """X in data units."""
        preprocessor = self.preprocessor
        if preprocessor.features == preprocessor.targets:
            return inputs.history
        history = preprocessor.scaler.inverse(inputs.X.astype(np.float64), inputs.scaler_rows)
        # z-scores do not give back what lies below the floor of a power.
        history[:, :, preprocessor.target_indices] = inputs.history
        return history


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
