"""What the parts of a task hand to the stages ingest and window."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CheckedTable:
    """A raw table that keeps the contract.

    Attributes
    ----------
    metrics : mapping
        For metrics/ingest.json.
    text : str
        Its size, and what must be known of it.
    """

    metrics: dict[str, Any]
    text: str


@dataclass(frozen=True)
class WindowFiles:
    """What the stage window writes.

    Attributes
    ----------
    arrays : name -> array
        Content of windows.npz.
    meta : mapping
        Content of meta.json.
    text : str
        How many rows there are, in each split.
    """

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]
    text: str
