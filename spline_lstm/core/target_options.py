"""How targets enter a model: the settings beside `preprocess` that decide what its inputs are."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from spline_lstm.core.params import Params


@dataclass(frozen=True)
class TargetOptions:
    """Settings of params.yaml that preprocessing needs from other sections.

    Attributes
    ----------
    transform : str
        What targets go through before they are scaled: ``none``, ``log`` or ``box-cox``.
    bound_ratio : float
        Training ranges that a forecast may lie beyond the training range.
    max_missing_inputs : float
        Share of missing rows that a lookback may have; above 0 targets get the channels mask and
        age.
    scaled : bool
        Whether the scaler applies to targets.
    """

    transform: Literal["none", "log", "box-cox"] = "none"
    bound_ratio: float = 2.0
    max_missing_inputs: float = 0.0
    scaled: bool = True

    @classmethod
    def of(cls, params: "Params") -> Self:
        """The settings of a params.yaml."""
        target = params.target
        missing = params.window.max_missing_inputs
        return cls(target.transform, target.bound_ratio, missing, target.scaled)

    @property
    def has_channels(self) -> bool:
        """Whether targets have the channels mask and age."""
        return self.max_missing_inputs > 0.0

    def to_json(self) -> dict[str, Any]:
        """Content for preprocessor.json; what is as ever is left out."""
        content = asdict(self)
        if self.scaled:
            del content["scaled"]
        return content


# Targets are only scaled, and no row of a lookback is missing.
PLAIN = TargetOptions()
