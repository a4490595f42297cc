"""One probability from several members: trees and a network.

What was fitted (`spline_lstm.evaluation.ensemble_fit`) is a small JSON file. A member that is not
there when something is scored does not stop it: the others take its weight.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import Params
from spline_lstm.trees.calibration import Calibration

NETWORK = "network"
MEMBERS = ("lightgbm", "xgboost", NETWORK)

Probabilities = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class Ensemble:
    """How the members are combined.

    Attributes
    ----------
    weights : of the members, sum 1
    without_network : of the trees, sum 1, if the network is not there
    chosen : the only member that counts, which validation prefers to all together; or None
    calibration : of the mean, or of the chosen member
    reason : one clause on how it came to that
    """

    weights: Mapping[str, float]
    without_network: Mapping[str, float]
    chosen: str | None
    calibration: Calibration
    reason: str

    def combine(
        self, probabilities: Mapping[str, Probabilities]
    ) -> tuple[Probabilities, tuple[str, ...]]:
        """Calibrated probability of the members that are there, and which ones contributed.

        Where a member is missing that the calibration was fitted with, the mean of the others is
        not calibrated: the curve is of another mean, or of the chosen member only.

        Raises
        ------
        ArtifactError
            No member is there.
        """
        used = self.used(probabilities)
        mean = weighted_mean(probabilities, used)
        calibration = self.calibration if self.is_whole(used) else Calibration()
        return calibration.apply(mean), tuple(used)

    def is_whole(self, used: Mapping[str, float]) -> bool:
        """Whether members and weights are those that the calibration was fitted with."""
        fitted = self.used(dict.fromkeys(self.weights))
        return fitted.keys() == used.keys() and all(
            math.isclose(weight, used[name]) for name, weight in fitted.items()
        )

    def used(self, present: Mapping[str, Any]) -> dict[str, float]:
        """Weights above 0 of the members that are there, sum 1, in the order of `MEMBERS`.

        Raises
        ------
        ArtifactError
            None is there.
        """
        if self.chosen in present:
            return {str(self.chosen): 1.0}
        weights = self.weights if NETWORK in present else self.without_network
        kept = {name: weights.get(name, 0.0) for name in MEMBERS if name in present}
        if not kept:
            raise ArtifactError(
                "no member of the ensemble can be used; run `dvc repro`, or install what is missing"
            )
        # Members that count for nothing still count if there are no others.
        return _scaled(kept) if sum(kept.values()) > 0.0 else _scaled(dict.fromkeys(kept, 1.0))

    def to_json(self) -> dict[str, Any]:
        """Content of models/ensemble.json but its ids."""
        return {
            "weights": dict(self.weights),
            "without_network": dict(self.without_network),
            "chosen": self.chosen,
            "calibration": self.calibration.to_json(),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], where: str) -> Self:
        """What `to_json` gave; `where` names the file in messages.

        Raises
        ------
        ArtifactError
            A key is missing or has another type.
        """
        try:
            calibration = Calibration.from_json(content["calibration"])
            keys = ("weights", "without_network", "chosen", "reason")
            values = {key: content[key] for key in keys}
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{where} is damaged ({error!r}); run `dvc repro`") from None
        return cls(calibration=calibration, **values)


def params_of_scoring(params: Params) -> dict[str, Any]:
    """The params that decide what a score is, to be kept with an ensemble."""
    content = params.model_dump(mode="json")
    return {
        "window": {"lookback": content["window"]["lookback"]},
        "direction": content["direction"],
        "probability": {"words": content["probability"]["words"]},
    }


def weighted_mean(
    probabilities: Mapping[str, Probabilities], weights: Mapping[str, float]
) -> Probabilities:
    """Mean of the members that have a weight; the weights have the sum 1."""
    parts = [
        weight * np.asarray(probabilities[name], np.float64) for name, weight in weights.items()
    ]
    return np.sum(parts, axis=0)


def _scaled(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items() if weight > 0.0}
