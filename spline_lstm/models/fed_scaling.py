"""Which scaling the exported file of a model is fed: see `spline_lstm.windows.fed_scaling`."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from spline_lstm.models.combined import Combination
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.linear import LinearForecaster
from spline_lstm.models.linear_targets import from_arrays
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.windows.fed_scaling import (
    CENTER,
    LINEAR_CENTER,
    LINEAR_SCALE,
    LOG_CENTER,
    LOG_FLOOR,
    LOG_SCALE,
    POWER_HIGH,
    POWER_LOW,
    SCALE,
    FedScaling,
    Table,
)
from spline_lstm.windows.scaling import Scaler

# A float32 step at the center may be this share of the scale before the level must be removed.
COARSEST = 1e-3


def fed_scaling(
    config: ModelConfig,
    weights: Mapping[str, np.ndarray],
    scaler: Scaler,
    series: tuple[str, ...] = (),
) -> FedScaling | None:
    """The scaling that the file of a model is fed; None: constants inside it serve.

    Parameters
    ----------
    config, weights : of the model
        One in closed form has constants of its own for its targets.
    scaler : Scaler
        Of all features.
    series : names, in the order of the rows of a per-series scaler
    """
    closed_form = MODEL_TYPES[config.model_type].closed_form
    scaler = scaler.plain if closed_form else scaler
    if not scaler.per_series and not unresolved(scaler).any():
        return None
    tables = {CENTER: np.atleast_2d(scaler.center), SCALE: np.atleast_2d(scaler.scale)}
    whole: tuple[int, ...] = ()
    if scaler.power is not None:
        whole = config.target_indices
        for name, bound in ((POWER_LOW, scaler.power.low), (POWER_HIGH, scaler.power.high)):
            tables[name] = np.atleast_2d(scaler.power.forward(bound))[:, list(whole)]
    if closed_form:
        forecasters = from_arrays(weights, len(config.targets))
        tables = _own_constants(tables, forecasters, config.target_indices)
    if config.is_combined:
        parts = Combination.of(weights, config)
        tables = _beside(tables, list(parts.forecasters), config.target_indices, bool(whole))
    return FedScaling(series if scaler.per_series else (), tables, whole)


def _beside(
    tables: dict[str, Table],
    forecasters: list[LinearForecaster],
    indices: tuple[int, ...],
    whole: bool,
) -> dict[str, Table]:
    """The tables of a network, and the constants of the matrices beside it."""
    columns = list(indices)
    own = _own_constants(tables, forecasters, indices)
    removed = 0.0 if whole else tables[CENTER][:, columns]
    linear = {
        LINEAR_CENTER: own[CENTER][:, columns] - removed,
        LINEAR_SCALE: own[SCALE][:, columns],
    }
    return tables | linear | {name: own[name] for name in own if name not in tables}


def unresolved(scaler: Scaler) -> Bool[np.ndarray, "... columns"]:
    """Columns whose spread float32 does not resolve at their level; after their power."""
    step = np.spacing(np.abs(scaler.center), dtype=np.float32)
    return step > COARSEST * scaler.scale


def _own_constants(
    tables: dict[str, Table], forecasters: list[LinearForecaster], indices: tuple[int, ...]
) -> dict[str, Table]:
    """The tables with the constants of the matrices of a model in closed form."""
    rows, targets = len(tables[CENTER]), len(indices)
    tables = {name: table.copy() for name, table in tables.items()}
    plain = {LOG_CENTER: 0.0, LOG_SCALE: 1.0, LOG_FLOOR: 1.0}
    logs = {name: np.full((rows, targets), value) for name, value in plain.items()}
    any_log = False
    for target, (index, forecaster) in enumerate(zip(indices, forecasters, strict=True)):
        for scale in forecaster.scales:
            any_log |= scale.log
            # Rows of all series and the one of all together, or only that one.
            center, size, floor = (
                part[-rows:] for part in (scale.center, scale.scale, scale.floor)
            )
            if scale.log:
                logs[LOG_CENTER][:, target] = center
                logs[LOG_SCALE][:, target] = size
                logs[LOG_FLOOR][:, target] = floor
            else:
                tables[CENTER][:, index], tables[SCALE][:, index] = center, size
    return tables | (logs if any_log else {})
