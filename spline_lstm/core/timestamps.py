"""Durations and instants as params.yaml writes them.

Durations are written as in pandas (5min, 1h, 1D) and instants as 2024-03-01 or 2024-03-01 06:00, in
the time zone of the pipeline. In memory both are nanoseconds, instants since 1970.
"""

import warnings

import pandas as pd


def parse_duration(text: str) -> int:
    """A duration in nanoseconds.

    Raises
    ------
    ValueError
        `text` is not a fixed, positive duration (a month has no fixed length).

    >>> parse_duration("5min")
    300000000000
    """
    has_unit = any(character.isalpha() for character in text)
    try:
        with warnings.catch_warnings():
            # Older spellings of a unit (1H) work; their warning would not help a user.
            warnings.simplefilter("ignore")
            length = pd.Timedelta(text)
    except (ValueError, OverflowError):
        length = pd.NaT
    # pandas would read a bare number as nanoseconds.
    if not has_unit or not isinstance(length, pd.Timedelta) or length <= pd.Timedelta(0):
        raise ValueError("must be a fixed, positive duration such as 5min, 1h or 1D")
    return int(length.as_unit("ns").value)


def parse_instant(text: str, zone: str | None = None) -> int:
    """Nanoseconds since 1970 UTC; a text without an offset is in `zone`, by default UTC.

    Of an hour that occurs twice the first counts; of one that is left out, its end.

    Raises
    ------
    ValueError
        `text` is not a date or timestamp.

    >>> parse_instant("1970-01-02")
    86400000000000
    """
    try:
        # Words like `now` would mean a different instant in each run.
        instant = pd.Timestamp(text) if text[:4].isdecimal() else pd.NaT
        if isinstance(instant, pd.Timestamp):
            if instant.tz is None:
                instant = instant.tz_localize(
                    zone or "UTC", ambiguous=True, nonexistent="shift_forward"
                )
            return int(instant.as_unit("ns").value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        "must be a date such as 2024-03-01 or a timestamp such as 2024-03-01 06:00, from 1678 to "
        "2261"
    )
