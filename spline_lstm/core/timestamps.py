"""Timestamps and durations.

params.yaml writes durations as in pandas (5min, 1h, 1D) and instants as 2024-03-01 or
2024-03-01 06:00, in the time zone of the pipeline. In memory both are nanoseconds, instants since
1970.
"""

import warnings

import pandas as pd


def parse_frequency(text: str) -> int:
    """Length of one step in nanoseconds.

    Raises
    ------
    ValueError
        `text` is not a fixed, positive duration (a month has no fixed length).

    >>> parse_frequency("5min")
    300000000000
    """
    has_unit = any(character.isalpha() for character in text)
    try:
        with warnings.catch_warnings():
            # Older spellings of a unit (1H) work; their warning would not help a user.
            warnings.simplefilter("ignore")
            step = pd.Timedelta(text)
    except (ValueError, OverflowError):
        step = pd.NaT
    # pandas would read a bare number as nanoseconds.
    if not has_unit or not isinstance(step, pd.Timedelta) or step <= pd.Timedelta(0):
        raise ValueError("must be a fixed, positive duration such as 5min, 1h or 1D")
    return int(step.as_unit("ns").value)


def parse_instant(text: str, zone: str | None = None) -> int:
    """Nanoseconds since 1970 UTC; a text without an offset is in `zone`, by default UTC.

    Of an hour that occurs twice it is the first; one that does not occur ends where it would.

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


def iso_timestamp(ns: int) -> str:
    """A timestamp as ISO 8601 in UTC.

    >>> iso_timestamp(1_269_424_260_000_000_000)
    '2010-03-24T09:51:00Z'
    """
    return pd.Timestamp(ns, unit="ns").isoformat() + "Z"
