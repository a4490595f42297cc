"""Open days: which days of a week people work or trade, and on which holidays they do not."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import lazy_loader
import numpy as np

# Few pipelines count holidays; the package takes a quarter of a second to load.
holidays: Any = lazy_loader.load("holidays")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WORKING_WEEK = "Mon Tue Wed Thu Fri"


def closed_days(
    names: Sequence[str], first_year: int, last_year: int
) -> tuple[np.ndarray, np.ndarray]:
    """Holidays of the calendars and dates in `names`, and weekend days that are worked instead.

    Returns
    -------
    closed, working : datetime64[D], increasing
    """
    closed: set[Any] = {np.datetime64(name, "D") for name in names if name[0].isdigit()}
    working: set[Any] = set()
    for name in names:
        if not name[0].isdigit():
            known = _holiday_calendar(name, range(first_year, last_year + 1))
            closed |= {np.datetime64(date, "D") for date in known}
            working |= {np.datetime64(date, "D") for date in getattr(known, "weekend_workdays", ())}
    return tuple(np.array(sorted(each), dtype="datetime64[D]") for each in (closed, working))  # pyright: ignore[reportReturnType]


def _holiday_calendar(name: str, years: range) -> Any:
    if name in _markets():
        return holidays.financial_holidays(name, years=years)
    country, _, subdivision = name.partition("-")
    return holidays.country_holidays(country, subdiv=subdivision or None, years=years)


@cache
def _markets() -> frozenset[str]:
    return frozenset(holidays.list_supported_financial())


def parse_closed(names: str | Sequence[str]) -> tuple[str, ...]:
    """Check names of holiday calendars and dates, and sort them.

    Raises
    ------
    ValueError
        A text is neither a date nor a calendar of the package holidays.

    >>> parse_closed(["NYSE", "2024-12-24", "NYSE"])
    ('2024-12-24', 'NYSE')
    """
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if not (re.fullmatch(r"\d{4}-\d\d-\d\d", name) and _is_date(name)) and not _is_known(name):
            raise ValueError(
                f"{name!r} is neither a date such as 2024-12-24 nor a calendar of the package "
                "holidays; write a market such as NYSE, a country such as US, or a part of a "
                "country such as DE-BY"
            )
    return tuple(sorted(set(names)))


def _is_date(text: str) -> bool:
    try:
        np.datetime64(text, "D")
    except ValueError:
        return False
    return True


def _is_known(name: str) -> bool:
    country, dash, subdivision = name.partition("-")
    countries = holidays.list_supported_countries()
    if country in countries:
        return not dash or subdivision in countries[country]
    return name in _markets()


def weekend_of(names: Sequence[str]) -> str | None:
    """Week mask of the first market or country in `names`: SA rests on Friday and Saturday."""
    for name in names:
        if not name[0].isdigit():
            rest = getattr(_holiday_calendar(name, range(2020, 2021)), "weekend", {5, 6})
            return " ".join(day for index, day in enumerate(WEEKDAYS) if index not in rest)
    return None


def parse_week_mask(text: str) -> str:
    """Open weekdays, each by its name, from a list or a range.

    Raises
    ------
    ValueError
        A word is not a weekday, or no day is open.

    >>> parse_week_mask("Mon-Thu Sat")
    'Mon Tue Wed Thu Sat'
    """
    open_days: set[int] = set()
    for word in text.replace(",", " ").replace("\N{EN DASH}", "-").split():
        first, dash, last = word.title().partition("-")
        last = last if dash else first
        if first not in WEEKDAYS or last not in WEEKDAYS:
            raise ValueError(
                f"{word!r} is not a weekday; write days such as Mon Tue Wed Thu Fri Sat, or Mon-Sat"
            )
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
        open_days |= {(begin + days) % 7 for days in range((end - begin) % 7 + 1)}
    if not open_days:
        raise ValueError("a week needs at least one open day, such as Mon-Sat")
    return " ".join(WEEKDAYS[day] for day in sorted(open_days))
