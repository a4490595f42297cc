"""Timestamps, durations and the step between timestamps.

params.yaml writes durations as in pandas (5min, 1h, 1D) and instants as 2024-03-01 or
2024-03-01 06:00, in the time zone of the pipeline. In memory both are nanoseconds, instants since
1970.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

# Nanoseconds per unit, as `frequency_text` writes them.
NS = {
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "min": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
DAY = NS["D"]
YEAR = round(365.2425 * DAY)
# Steps at which clocks and calendars tick, in seconds.
USUAL_STEPS = np.array(
    [1, 2, 5, 10, 15, 20, 30]
    + [60 * minutes for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)]
    + [3600 * hours for hours in (1, 2, 3, 4, 6, 8, 12, 24, 48, 168)]
)
# Distances within this share of each other count as the same.
SIMILAR = 0.1
# Share of the distances that must agree on a step.
MODE_SHARE = 0.6


@dataclass(frozen=True)
class Cadence:
    """How far apart the timestamps of a series are.

    Attributes
    ----------
    step : ns, or None if the distances do not follow a fixed step
    median, mode : ns
    mode_share : share of the distances that equal the mode
    """

    step: int | None
    median: int
    mode: int
    mode_share: float


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


def within_series(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"]
) -> Int[np.ndarray, " steps"]:
    """Positive distances between consecutive timestamps of the same series, ns."""
    order = np.lexsort((timestamps, keys))
    steps = np.diff(timestamps[order])
    return steps[(np.diff(keys[order]) == 0) & (steps > 0)]


def find_cadence(steps: Int[np.ndarray, " steps"]) -> Cadence | None:
    """The fixed step that the distances follow; None without distances.

    The most frequent distance is the step if most distances agree with it. If timestamps jitter, it
    is the usual step nearest to the median: 5 minutes for 299 to 301 seconds.

    >>> find_cadence(np.array([3600, 3600, 7200, 3600]) * 10**9).step // 10**9
    3600
    """
    if not len(steps):
        return None
    values, counts = np.unique(steps, return_counts=True)
    mode, share = int(values[np.argmax(counts)]), float(counts.max() / len(steps))
    median = int(np.median(steps))
    step = (
        mode
        if share >= MODE_SHARE and abs(mode - median) <= SIMILAR * median
        else _near(steps, median)
    )
    return Cadence(step, median, mode, share)


def _near(steps: np.ndarray, median: int) -> int | None:
    if np.mean(np.abs(steps - median) <= SIMILAR * median) < MODE_SHARE:
        return None
    usual = USUAL_STEPS * NS["s"]
    nearest = int(usual[np.argmin(np.abs(usual - median))])
    return nearest if abs(nearest - median) <= SIMILAR / 2 * median else None


def frequency_text(step: int) -> str:
    """A duration in the largest unit that divides it, as params.yaml writes it.

    >>> frequency_text(300_000_000_000), frequency_text(86_400_000_000_000)
    ('5min', '1D')
    """
    unit, size = next((unit, size) for unit, size in NS.items() if step % size == 0)
    return f"{step // size}{unit}"
