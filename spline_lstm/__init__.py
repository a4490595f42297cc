"""Spline-LSTM: reproducible forecasting of real time series under DVC.

Names are imported when first used, so that a stage that needs no JAX does not load it.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from spline_lstm.evaluation import metrics as metrics
    from spline_lstm.inference.forecaster import Forecaster as Forecaster
    from spline_lstm.inference.sequence_regressor import SequenceRegressor as SequenceRegressor
    from spline_lstm.inference.tabular_model import TabularModel as TabularModel
    from spline_lstm.models.saved_model import SavedModel as SavedModel
    from spline_lstm.models.saved_model import load_model as load_model
    from spline_lstm.tasks.public import load_windows as load_windows
    from spline_lstm.windows.windows import Batch as Batch
    from spline_lstm.windows.windows import Windows as Windows

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["metrics"],
        "inference.forecaster": ["Forecaster"],
        "inference.sequence_regressor": ["SequenceRegressor"],
        "inference.tabular_model": ["TabularModel"],
        "models.saved_model": ["SavedModel", "load_model"],
        "tasks.public": ["load_windows"],
        "windows.windows": ["Batch", "Windows"],
    },
)
