"""The step of the regular grid: a fixed duration, written as in pandas (5min, 1h, 1D)."""

import warnings

import pandas as pd


def parse_frequency(text: str) -> int:
    """Length of one step in nanoseconds.

    Raises
    ------
    ValueError
        `text` is no fixed, positive duration (a month is none).

    >>> parse_frequency("5min")
    300000000000
    """
    has_unit = any(character.isalpha() for character in text)
    try:
        with warnings.catch_warnings():
            # Older spellings of a unit (1H) are understood; their warning would say nothing to a user.
            warnings.simplefilter("ignore")
            step = pd.Timedelta(text)
    except (ValueError, OverflowError):
        step = pd.NaT
    # pandas would read a bare number as nanoseconds.
    if not has_unit or not isinstance(step, pd.Timedelta) or step <= pd.Timedelta(0):
        raise ValueError("must be a fixed, positive duration such as 5min, 1h or 1D")
    return int(step.as_unit("ns").value)
