"""Dates to score at: what was known at the end of a date is what came before the next one."""

from datetime import date, timedelta

import numpy as np
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import UsageError
from spline_lstm.core.time_zones import DAY_NS, local_times, to_instants

EPOCH = date(1970, 1, 1)


def check_date(text: str, clock: Clock) -> None:
    """Refuse a text that is not a date of the clock with UsageError."""
    _number(text, clock)


def end_of(text: str, clock: Clock) -> int:
    """The instant at which a date ends in the zone of the clock; of an index the next number.

    Raises
    ------
    UsageError
        The text is not a date, or not a whole number of an index.
    """
    return int(_ends(np.array([_number(text, clock)], dtype=np.int64), clock)[0])


def dates_from(
    text: str, instants: Int[np.ndarray, " rows"], clock: Clock
) -> list[tuple[str, int]]:
    """The dates with rows, from one on: the text of each, and the instant at which it ends.

    Raises
    ------
    UsageError
        The text is not a date, or no row has it or a later one.
    """
    first = _number(text, clock)
    if clock.kind != "index":
        instants = local_times(instants, clock.zone) // DAY_NS
    numbers = np.unique(instants[instants >= first])
    if not len(numbers):
        raise UsageError(f"no row of the data is from {text} or later; give an earlier date")
    texts = [_text(number, clock) for number in numbers.tolist()]
    return list(zip(texts, _ends(numbers, clock).tolist(), strict=True))


def _ends(numbers: Int[np.ndarray, " dates"], clock: Clock) -> Int[np.ndarray, " dates"]:
    """The instant after the last one of each date."""
    if clock.kind == "index":
        return numbers + 1
    return to_instants((numbers + 1) * DAY_NS, clock.zone)


def _number(text: str, clock: Clock) -> int:
    """Days since 1970, or the number of an index."""
    try:
        if clock.kind == "index":
            return int(text)
        return (date.fromisoformat(text) - EPOCH).days
    except ValueError:
        form = "a whole number" if clock.kind == "index" else "a date such as 2024-03-01"
        raise UsageError(f"{text!r} is not {form}, as the clock {clock.frequency} asks") from None


def _text(number: int, clock: Clock) -> str:
    return str(number) if clock.kind == "index" else str(EPOCH + timedelta(days=number))
