"""Random files of random layouts, with what must be read from them.

The writers know only `csv`, `datetime` and `zoneinfo`: nothing of the reader is used.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
# Days on which the clocks of Berlin or New York change, and others.
DAYS = ("2023-10-28", "2023-10-28", "2023-03-25", "2023-11-04", "2023-03-11", "2024-02-28")
STEPS = {"hour": timedelta(hours=1), "half": timedelta(minutes=30), "day": timedelta(days=1)}
# In each table one number that no other pair of marks reads.
SURE = 1234567.25
Rows = list[list[str]]


@dataclass(frozen=True)
class Case:
    """A file, how it is declared, and what is in it.

    Attributes
    ----------
    content, schema, reading : the file, its schema, and arguments of `Reading`
    values : (series, timestamp in ns or index) -> value, None where missing
    must_fail : the declaration is wrong, or the file is
    may_fail : the hour that occurs twice is cut at an end of a series
    """

    content: bytes
    schema: dict[str, Any]
    reading: dict[str, Any]
    values: dict[tuple[str, int], float | None]
    must_fail: bool = False
    may_fail: bool = False


@dataclass(frozen=True)
class Dialect:
    """How cells become text, and bytes."""

    separator: str = ","
    decimal: str = "."
    thousands: str | None = None
    encoding: str = "utf-8"
    skip_lines: int = 0
    unit_row: bool = False
    missing: str = ""

    def number(self, value: float | None) -> str:
        """The text of a value."""
        if value is None:
            return self.missing
        marks = str.maketrans({",": self.thousands or "", ".": self.decimal})
        return f"{value:,.2f}".translate(marks)

    def content(self, header: Sequence[str], rows: Rows) -> bytes:
        """The file."""
        text = io.StringIO()
        for number in range(self.skip_lines):
            text.write(f"Report {number}: daily\n")
        writer = csv.writer(text, delimiter=self.separator, lineterminator="\n")
        writer.writerow(header)
        if self.unit_row:
            writer.writerow(["kWh"] * len(header))
        writer.writerows(rows)
        return text.getvalue().encode(self.encoding)

    def declared(self) -> dict[str, Any]:
        """The keys of `table_format`; a byte order mark needs none."""
        keys = {
            "separator": self.separator,
            "decimal": self.decimal,
            "thousands": self.thousands,
            "skip_lines": self.skip_lines,
            "unit_row": self.unit_row,
            "missing_markers": [self.missing] if self.missing else [],
        }
        if self.encoding not in ("utf-8", "utf-8-sig", "utf-16"):
            keys["encoding"] = self.encoding
        return keys


@dataclass(frozen=True)
class Times:
    """The timestamps of a table: instants or index, their texts, their declaration."""

    instants: list[int]
    header: list[str]
    cells: Rows
    declared: dict[str, Any]
    form: str | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    may_fail: bool = False


def dialects() -> st.SearchStrategy[Dialect]:
    """Any marks, encodings and lines that are not data."""

    def fits(dialect: Dialect) -> bool:
        return dialect.separator != dialect.decimal != dialect.thousands

    return st.builds(
        Dialect,
        separator=st.sampled_from([",", ";", "\t", "|"]),
        decimal=st.sampled_from([".", ","]),
        thousands=st.sampled_from([None, ".", ",", "'", " ", "\u00a0"]),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
        skip_lines=st.integers(0, 2),
        unit_row=st.booleans(),
        missing=st.sampled_from(["", "n/a", "-"]),
    ).filter(fits)


@st.composite
def times(draw: st.DrawFn, count: int) -> Times:
    """Timestamps of `count` rows."""
    kind = draw(st.sampled_from(["iso", "offset", "pattern", "unix", "index", "none", "composed"]))
    if kind == "none":
        return Times(list(range(count)), [], [[] for _ in range(count)], {"timestamp_col": None})
    if kind == "index":
        start, step = draw(st.integers(-50, 5000)), draw(st.integers(1, 10))
        numbers = [start + step * row for row in range(count)]
        cells = [[str(number)] for number in numbers]
        return Times(numbers, ["Zähler"], cells, {"timestamp_col": "Zähler"}, "index")
    zone = draw(st.none() | st.sampled_from(ZONES))
    step = STEPS[draw(st.sampled_from(sorted(STEPS)))]
    start = datetime.fromisoformat(draw(st.sampled_from(DAYS))).replace(tzinfo=UTC)
    start += timedelta(hours=draw(st.integers(0, 30))) * (step < timedelta(days=1))
    moments = [start + step * row for row in range(count)]
    local = [moment.astimezone(ZoneInfo(zone or "UTC")) for moment in moments]
    instants = [int((moment - EPOCH).total_seconds()) * 10**9 for moment in moments]
    if kind == "unix":
        cells = [[str(instant // 10**9)] for instant in instants]
        return Times(instants, ["Zähler"], cells, {"timestamp_col": "Zähler"}, "unix_s")
    if kind == "offset":
        cells = [[moment.isoformat()] for moment in local]
        reading = {"time_zone": draw(st.sampled_from([None, "Asia/Tokyo"]))}
        return Times(instants, ["Zeit"], cells, {"timestamp_col": "Zeit"}, None, reading)
    reading = {"time_zone": zone}
    cut = zone is not None and _is_cut(local, ZoneInfo(zone))
    if kind == "composed":
        header, cells, form = draw(_composed(local))
        return Times(instants, header, cells, {"timestamp_col": header}, form, reading, cut)
    form = (
        draw(st.sampled_from(["%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M"])) if kind == "pattern" else None
    )
    cells = [[moment.strftime(form or "%Y-%m-%d %H:%M")] for moment in local]
    return Times(instants, ["Zeit"], cells, {"timestamp_col": "Zeit"}, form, reading, cut)


@st.composite
def _composed(draw: st.DrawFn, local: list[datetime]) -> tuple[list[str], Rows, str | None]:
    whole = all(moment.minute == 0 for moment in local)
    kinds = ["date and time", "pattern", "numbers", *(["date and hour"] if whole else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "date and hour":
        cells = [[f"{moment:%Y-%m-%d}", str(moment.hour)] for moment in local]
        return ["dteday", draw(st.sampled_from(["hr", "n"]))], cells, None
    if kind == "date and time":
        return ["Date", "Time"], [[f"{m:%Y-%m-%d}", f"{m:%H:%M:%S}"] for m in local], None
    if kind == "pattern":
        cells = [[f"{moment:%d/%m/%Y}", f"{moment:%H.%M}"] for moment in local]
        return ["Date", "Time"], cells, "%d/%m/%Y %H.%M"
    header = ["minute", "year", "month", "day", "hour"]
    cells = [[str(part) for part in (m.minute, m.year, m.month, m.day, m.hour)] for m in local]
    return header, cells, None


def _is_cut(local: list[datetime], zone: ZoneInfo) -> bool:
    """Not all rows of a repeated hour can be told apart: a part of them is beyond an end."""

    def twice(moment: datetime) -> bool:
        return moment.utcoffset() != moment.replace(fold=1 - moment.fold).utcoffset() and (
            moment.replace(fold=0).utcoffset() > moment.replace(fold=1).utcoffset()
        )

    folds = {moment.fold for moment in local if twice(moment)}
    midnight = all((moment.hour, moment.minute) == (0, 0) for moment in local)
    return len(folds) == 1 and not midnight


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A file of any layout, declared as it is, or with one wrong setting or cell."""
    wide = draw(st.booleans())
    count = draw(st.integers(2, 40))
    table = draw(times(count))
    dialect = draw(dialects())
    names = draw(st.lists(st.sampled_from(["a", "Ä 1", "01", "1"]), min_size=1, max_size=3,
                          unique=True))  # fmt: skip
    grid = {name: draw(_column(count)) for name in names}
    grid[names[0]][draw(st.integers(0, count - 1))] = SURE
    file = _wide_file if wide else _long_file
    case = file(dialect, table, grid)
    fault = draw(
        st.sampled_from([None, None, "marks", "cell", "encoding", "units", "copy", "other"])
    )
    return _with_fault(draw, case, dialect, table, grid, fault, file)


def _column(count: int) -> st.SearchStrategy[list[float | None]]:
    cents = st.integers(-(10**8), 10**8).map(lambda number: number / 100)
    return st.lists(st.none() | cents, min_size=count, max_size=count)


def _schema(dialect: Dialect, table: Times, **keys: Any) -> dict[str, Any]:
    table_format = dialect.declared()
    if table.form is not None:
        table_format["timestamp_format"] = table.form
    return {"version": 1, **table.declared, **keys, "table_format": table_format}


def _wide_file(dialect: Dialect, table: Times, grid: dict[str, list[float | None]]) -> Case:
    rows = [
        [*cells, *(dialect.number(column[row]) for column in grid.values())]
        for row, cells in enumerate(table.cells)
    ]
    schema = _schema(
        dialect,
        table,
        target_cols=["Wert"],
        series_col="Reihe",
        wide={"columns": list(grid), "value": "Wert", "series": "Reihe"},
    )
    values = {}
    for name, column in grid.items():
        present = [row for row, value in enumerate(column) if value is not None]
        # Blanks before the first and after the last value are not rows.
        for row in range(present[0], present[-1] + 1) if present else ():
            values[name, table.instants[row]] = column[row]
    content = dialect.content([*table.header, *grid], rows)
    return Case(content, schema, table.reading, values, may_fail=table.may_fail)


def _long_file(dialect: Dialect, table: Times, grid: dict[str, list[float | None]]) -> Case:
    rows = [
        [name, *cells, dialect.number(column[row])]
        for name, column in grid.items()
        for row, cells in enumerate(table.cells)
    ]
    schema = _schema(dialect, table, target_cols=["Größe"], series_col="Reihe")
    values = {
        (name, table.instants[row]): value
        for name, column in grid.items()
        for row, value in enumerate(column)
    }
    content = dialect.content(["Reihe", *table.header, "Größe"], rows)
    return Case(content, schema, table.reading, values, may_fail=table.may_fail)


def _with_fault(draw, case, dialect, table, grid, fault, file) -> Case:
    """The case with one thing wrong, if there is a way to make it so."""
    wrong = replace(case, must_fail=True)
    declared = case.schema["table_format"]
    if fault == "marks" and (dialect.decimal, dialect.thousands) != (".", None):
        keys = {**declared, "decimal": ".", "thousands": None}
        if keys["separator"] != ".":
            return replace(wrong, schema={**case.schema, "table_format": keys})
    if fault == "units" and dialect.unit_row:
        keys = {**declared, "unit_row": False}
        return replace(wrong, schema={**case.schema, "table_format": keys})
    if fault == "encoding" and dialect.encoding in ("cp1252", "utf-16-le"):
        keys = {name: value for name, value in declared.items() if name != "encoding"}
        fails = dialect.encoding == "utf-16-le" or "Zähler" in table.header or file is _long_file
        changed = replace(case, schema={**case.schema, "table_format": keys})
        return replace(changed, must_fail=fails, may_fail=True)
    if fault == "cell":
        name = draw(st.sampled_from(sorted(grid)))
        row = draw(st.integers(0, len(table.instants) - 1))
        changed = {key: list(column) for key, column in grid.items()}
        changed[name][row] = SURE
        broken = file(dialect, table, changed)
        text = dialect.number(SURE).encode(dialect.encoding.removesuffix("-sig"))
        text = text.removeprefix(b"\xff\xfe")
        junk = (
            "12x4".encode(dialect.encoding).removeprefix(b"\xff\xfe").removeprefix(b"\xef\xbb\xbf")
        )
        return replace(broken, content=broken.content.replace(text, junk), must_fail=True)
    if fault == "copy" and table.header and not table.may_fail:
        lines = case.content.decode(dialect.encoding).splitlines(keepends=True)
        policy = draw(st.sampled_from(["error", "copies", "first", "last", "mean"]))
        content = "".join([*lines, lines[-1]]).encode(dialect.encoding)
        last_row_counts = file is _long_file or any(col[-1] is not None for col in grid.values())
        reading = {**case.reading, "duplicates": policy}
        fails = policy == "error" and last_row_counts
        # Where clocks are set back at midnight, 23:00 on 2023-10-28 occurs twice.
        asked = reading.get("time_zone", "UTC") is None
        return replace(case, content=content, reading=reading, must_fail=fails, may_fail=asked)
    return case
