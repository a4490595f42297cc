"""preprocessor.json of the task direction: the constants that scale the features."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.preprocessor import Preprocessor

# A probability is its own unit.
UNITS = np.ones(1)


@dataclass(frozen=True)
class DirectionPreprocessor(Preprocessor):
    """A preprocessor whose target, a label, is none of the features and is not scaled."""

    @property
    def target_units(self) -> Float[np.ndarray, " targets"]:
        """1: probabilities have no scale."""
        return UNITS

    @cached_property
    def limits(self) -> ForecastLimits:
        """No limits: a sigmoid keeps to 0..1 by itself."""
        return no_limits(len(self.series))


def no_limits(series: int) -> ForecastLimits:
    """Limits that change no probability."""
    return ForecastLimits(np.array([[-np.inf, np.inf]]), np.full((series + 1, 1), np.nan))


def load_direction_preprocessor(path: Path) -> DirectionPreprocessor:
    """Read models/preprocessor.json; errors as in `Preprocessor.load`."""
    return DirectionPreprocessor.load(path)
