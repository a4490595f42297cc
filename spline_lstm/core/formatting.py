"""Numbers and names as they are written for people."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def number(value: Any) -> str:
    r"""A number for people: four significant digits, a dash if it is not known.

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


def exact(value: str | float | None) -> str | None:
    """A number in the shortest form that reads back as the same number; None if there is none.

    >>> exact(0.1), exact(math.nan)
    ('0.1', None)
    """
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return None if missing else str(value)


def number_text(value: float) -> str:
    """A number as a table has it: all digits, a whole one without a point.

    >>> number_text(1.0), number_text(1234567.0), number_text(0.5)
    ('1', '1234567', '0.5')
    """
    return str(value).removesuffix(".0")


def fixed(value: float, form: str) -> str | None:
    """A number in the format `form`; None if it is NaN.

    >>> fixed(1.5, "+.2f"), fixed(math.nan, "+.2f")
    ('+1.50', None)
    """
    return None if math.isnan(value) else f"{value:{form}}"


def plain(name: str) -> str:
    """The name of a file or key, without its underscores."""
    return name.replace("_", " ")


def listed(names: Sequence[str], at_most: int = 8) -> str:
    """Names in one line, only the first ones if there are too many.

    >>> listed(["a", "b", "c"], at_most=2)
    'a, b and 1 more'
    """
    more = len(names) - at_most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:at_most])} and {more} more"


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "warning"), plural(2, "series"), plural(3, "entry"), plural(4, "key")
    ('1 warning', '2 series', '3 entries', '4 keys')
    """
    if count == 1 or noun.endswith("series"):
        return f"{count} {noun}"
    if noun.endswith("y") and noun[-2] not in "aeou":
        return f"{count} {noun[:-1]}ies"
    return f"{count} {noun}s"


def sentence(text: str) -> str:
    """A clause with a capital letter and a full stop.

    >>> sentence("the model wins")
    'The model wins.'
    """
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
