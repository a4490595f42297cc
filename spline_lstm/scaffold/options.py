"""What the user says to `init` on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Value of --timestamp for tables without timestamps.
NO_TIMESTAMP = "none"
Layout = Literal["long", "wide"]


@dataclass(frozen=True)
class Options:
    """What the user said; None and () leave it to the file.

    Attributes
    ----------
    timestamp : name of a column, names of several joined by ``+``, or ``none``
    series : name of a column
    targets : names of columns
    layout : long (a row has one series) or wide (a column has one series)
    frequency : a clock as in `core.clock_params.parse_clock`
    time_zone : zone of timestamps without an offset, and of the dates
    ambiguous_hour : how an hour that occurs twice is read
    holidays : calendars of the package holidays, and dates
    week_mask : open weekdays, such as Mon-Sat
    timestamp_format : ISO8601, a strftime pattern, unix_s, unix_ms or index
    separator, decimal, thousands : one character each
    encoding : name of a codec of Python
    skip_lines : lines before the header
    unit_row : True if the row under the header is not data
    missing : texts that mean "missing"
    duplicates : what becomes of rows of one series with one timestamp
    max_missing : highest share of the grid without an observed target
    columns : role -> name of a column, for tasks whose columns have roles
    kind : of a table of rows: classification or regression
    keys : option -> key of the overlay of params that says it, if the command line does not
    """

    timestamp: str | None = None
    targets: tuple[str, ...] = ()
    series: str | None = None
    layout: Layout | None = None
    frequency: str | None = None
    time_zone: str | None = None
    ambiguous_hour: Literal["order", "earlier", "later"] | None = None
    holidays: tuple[str, ...] = ()
    week_mask: str | None = None
    timestamp_format: str | None = None
    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    skip_lines: int | None = None
    unit_row: bool | None = None
    missing: tuple[str, ...] = ()
    duplicates: str | None = None
    max_missing: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["classification", "regression"] | None = None
    keys: Mapping[str, str] = field(default_factory=dict)

    def named(self, option: str, value: object) -> str:
        """An option with its value as the user said it: on the command line, or in the overlay.

        >>> Options().named("time_zone", "UTC")
        '--time-zone UTC'
        >>> Options(keys={"time_zone": "data.time_zone"}).named("time_zone", "UTC")
        'data.time_zone UTC of --params'
        """
        if option in self.keys:
            return f"{self.keys[option]} {value} of --params"
        return f"--{option.replace('_', '-')} {value}"
