"""Durations and instants in params.yaml: 5min, 1h, 1D as in pandas; 2024-03-01 or 2024-03-01 06:00 in UTC."""

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


def parse_instant(text: str) -> int:
    """Nanoseconds since 1970 UTC; a text without a time zone is UTC.

    Raises
    ------
    ValueError
        `text` is no date or timestamp.

    >>> parse_instant("1970-01-02")
    86400000000000
    """
    try:
        # Words like `now` would mean another instant in each run.
        instant = pd.Timestamp(text) if text[:4].isdecimal() else pd.NaT
        if isinstance(instant, pd.Timestamp):
            instant = instant.tz_localize("UTC") if instant.tz is None else instant
            return int(instant.as_unit("ns").value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        "must be a date such as 2024-03-01 or a timestamp such as 2024-03-01 06:00, from 1678 to 2261"
    )
