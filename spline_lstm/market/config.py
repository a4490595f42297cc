"""The network of the task direction, and the settings that do not go with the task."""

from typing import TYPE_CHECKING

from spline_lstm.core.params import Params
from spline_lstm.market.settings import refuse
from spline_lstm.models.config import ModelConfig, model_config
from spline_lstm.models.types import MODEL_TYPES

if TYPE_CHECKING:
    # Only named: nothing here runs the code of windows.
    from spline_lstm.market.preprocessor import DirectionPreprocessor
    from spline_lstm.market.windows import DirectionWindows


def direction_config(
    params: Params, windows: "DirectionWindows", preprocessor: "DirectionPreprocessor"
) -> ModelConfig:
    """Part `config` of the task: a network that answers one probability.

    Raises
    ------
    ParamsError
        A setting does not go with the task, or as in `model_config`.
    """
    model = params.model
    entry = MODEL_TYPES.get(model.type)
    changes = {
        "train.loss to bce": params.train.loss != "bce",
        "model.type to a recurrent network": entry is not None and entry.cell is None,
        "model.channels to mixed": model.channels != "mixed",
        "model.normalization to none": model.normalization != "none",
        "model.seasonal_skip to false": model.seasonal_skip,
        "model.linear_skip to none": model.linear_skip != "none",
        "model.stack to none": model.stack != "none",
    }
    refuse(changes)
    return model_config(params, windows, preprocessor)
