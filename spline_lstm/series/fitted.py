"""What preprocessing learned: everything that turns raw history into X again, beside params and schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from spline_lstm.windows.scaling import Scaler


@dataclass(frozen=True)
class Fitted:
    """Constants fitted on the training part.

    Attributes
    ----------
    anchor_ns : int
        Instant of one grid row.
    split_instants : [2 or 3] int64, ns
        Begin of the validation and of the test part, and its end where it ends before the data.
    series : tuple of str
        Names, in the order of the rows of a per-series scaler.
    seasons : column -> rows in its season, None without one; empty unless gaps are filled by seasons
    strengths : column -> series -> smoothing strength in cubes of a step; empty without smoothing
    categories : categorical column -> texts of the training part; the first has id 1
    statics : static covariate -> texts of the series of the training part; the first has id 1
    scaler : Scaler
        Of all features.
    neutral : tuple of float
        Per feature, z-score of the training mean: what stands in for a covariate of which nothing is known.
    """

    anchor_ns: int
    split_instants: Int[np.ndarray, " two_or_three"]
    series: tuple[str, ...]
    seasons: dict[str, int | None]
    strengths: dict[str, dict[str, float]]
    categories: dict[str, tuple[str, ...]]
    statics: dict[str, tuple[str, ...]]
    scaler: Scaler
    neutral: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain content for preprocessor.json."""
        return {
            "anchor_ns": self.anchor_ns,
            "split_instants_ns": self.split_instants.tolist(),
            "series": list(self.series),
            "seasons": self.seasons,
            "strengths": self.strengths,
            "categories": {name: list(texts) for name, texts in self.categories.items()},
            "statics": {name: list(texts) for name, texts in self.statics.items()},
            "scaler": self.scaler.to_json(),
            "neutral": list(self.neutral),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Fitted":
        """Read what `to_json` gave."""
        return cls(
            anchor_ns=content["anchor_ns"],
            split_instants=np.array(content["split_instants_ns"], dtype=np.int64),
            series=tuple(content["series"]),
            seasons=dict(content["seasons"]),
            strengths=dict(content["strengths"]),
            categories={name: tuple(texts) for name, texts in content["categories"].items()},
            statics={name: tuple(texts) for name, texts in content["statics"].items()},
            scaler=Scaler.from_json(content["scaler"]),
            neutral=tuple(content["neutral"]),
        )
