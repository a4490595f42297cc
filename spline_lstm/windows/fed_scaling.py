"""Scaling that an exported file is fed with each window, where constants inside it do not serve.

A file has center and scale of every feature inside, and reads and answers data units. That fails if
each series has a scaling of its own, for a file does not know the series of a window; and if the
level of a feature is so large that float32 data units do not resolve its scale: at 5e10 one float32
step is 4,096. The caller then removes the level, in float64, and adds it back to the answer::

    history - center, future - center, scale --file--> forecast - center

The file needs `center` itself, too, if it takes logarithms or clips to bounds of the target.

Targets that go through a power before they are scaled are given whole: their `center` and `scale`
are those of what comes out, and the file subtracts and divides after the power.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

# Names of the inputs.
CENTER, SCALE = "center", "scale"
LINEAR_CENTER, LINEAR_SCALE = "linear_center", "linear_scale"
LOG_CENTER, LOG_SCALE, LOG_FLOOR = "log_center", "log_scale", "log_floor"
POWER_LOW, POWER_HIGH = "power_low", "power_high"
Table = Float[np.ndarray, "rows columns"]


@dataclass(frozen=True)
class FedScaling:
    """What a file is fed with the windows of each series.

    Attributes
    ----------
    series : names of the series, in the order of the rows; empty: all have the first row
    tables : name of the input -> [series + 1 or 1, columns] float64
        `center` and `scale`, of all features, data units. Of the targets, beside a linear forecast
        also `linear_center` (data units less `center`) and `linear_scale`, and with logarithms
        `log_center`, `log_scale` and `log_floor`; with a power `power_low` and `power_high`, bounds
        of forecasts after the power. The last row is for an unknown series.
    whole : features that go through a power, from which the caller removes no level
    """

    series: tuple[str, ...]
    tables: Mapping[str, Table]
    whole: tuple[int, ...] = ()

    def of(self, rows: Int[np.ndarray, " windows"]) -> dict[str, Float[np.ndarray, "windows n"]]:
        """The constants of windows, float64; `rows` as `Preprocessor.scaler_rows`, -1: unknown."""
        single = len(self.tables[CENTER]) == 1
        return {name: table[rows * 0 if single else rows] for name, table in self.tables.items()}

    def levels(self, rows: Int[np.ndarray, " windows"]) -> Float[np.ndarray, "windows 1 features"]:
        """What the caller removes from every row of windows, float64; `rows` as for `of`."""
        levels = self.of(rows)[CENTER].copy()
        levels[:, list(self.whole)] = 0.0
        return levels[:, None]

    def inputs(self, *, bounded: bool) -> dict[str, tuple[int, ...]]:
        """Shape of one window of each input that the file reads; `bounded`: it clips forecasts."""
        absolute = bounded or LOG_CENTER in self.tables or bool(self.whole)
        names = [name for name in self.tables if name != CENTER or absolute]
        return {name: self.tables[name].shape[1:] for name in names}

    def to_json(self) -> dict[str, Any]:
        """Plain content for the metadata."""
        tables = {name: table.tolist() for name, table in self.tables.items()}
        whole = {"whole": list(self.whole)} if self.whole else {}
        return {"series": list(self.series), "inputs": tables, **whole}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        tables = {name: np.array(table) for name, table in content["inputs"].items()}
        return cls(tuple(content["series"]), tables, tuple(content.get("whole", ())))
