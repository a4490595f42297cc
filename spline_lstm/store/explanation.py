"""One probability with the reasons for it, as text."""

from collections.abc import Mapping
from dataclasses import dataclass

from spline_lstm.core.formatting import plain
from spline_lstm.trees.reasons import Reason


@dataclass(frozen=True)
class Explanation:
    """What the command explain says.

    Attributes
    ----------
    symbol : str
    day : str
        The last one that the model knew.
    target, horizon
        Name of the label, and trading days that it looks ahead.
    probability, word
        Of the label 1, and in words.
    weights : mapping
        Member that contributed -> weight.
    by_member : mapping
        Member -> its own probability, before any calibration; also of those without a weight.
    reasons : tuple of Reason
        Largest contributions of the trees; empty if none contributed.
    model_id : str
    notes : tuple of str
        Members that are missing.
    """

    symbol: str
    day: str
    target: str
    horizon: int
    probability: float
    word: str
    weights: Mapping[str, float]
    by_member: Mapping[str, float]
    reasons: tuple[Reason, ...]
    model_id: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        question = f"{plain(self.target)} within {self.horizon} trading days"
        lines = [
            f"{self.symbol} at the end of {self.day}: {question} with probability "
            f"{self.probability:.3f}, {self.word} (model {self.model_id})",
            "members, before calibration:",
            *(self._member(name) for name in self.by_member),
        ]
        if self.reasons:
            lines.append("largest contributions to the log odds of the trees:")
            lines += map(_reason, self.reasons)
        else:
            lines.append("no trees contributed, so there are no reasons to name")
        return "\n".join(lines)

    def _member(self, name: str) -> str:
        weight = self.weights.get(name, 0.0)
        return f"  {name:<10} {self.by_member[name]:.3f}  weight {weight:.2f}"


def _reason(reason: Reason) -> str:
    side = "raises" if reason.contribution > 0 else "lowers"
    return f"  {reason.feature} = {reason.value:.4g} {side} it by {abs(reason.contribution):.3f}"
