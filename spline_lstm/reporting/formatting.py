"""Figures and names as they are written for people."""

import math
from typing import Any

import numpy as np


def number(value: Any) -> str:
    r"""A figure for people: four significant digits, a dash where it is not known.

    >>> [number(value) for value in (0.0123456, 21.98765, 12345.678, 0.00001234, 7, None, True)]
    ['0.01235', '21.99', '12346', '1.234e-05', '7', '-', 'yes']
    """
    if value is None or (isinstance(value, float | np.floating) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return _significant(float(value))
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value) or "none"
    return " ".join(str(value).split())


def _significant(value: float) -> str:
    if value == 0 or not 1e-4 <= abs(value) < 1e9:
        return f"{value:.4g}"
    return f"{value:.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"


def plain(name: str) -> str:
    """A name of a file or key, without its underscores."""
    return name.replace("_", " ")


def listed(names: list[str], most: int = 8) -> str:
    """Names in one line, the first ones where there are too many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more} more"
