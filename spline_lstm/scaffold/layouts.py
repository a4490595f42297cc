"""Wide tables: a column for each series."""

from collections.abc import Mapping
from dataclasses import dataclass

from spline_lstm.core.errors import UsageError
from spline_lstm.scaffold.column_types import Column
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.timestamp_columns import Timestamps, list_names

FEWEST_SERIES = 2


@dataclass(frozen=True)
class Wide:
    """The columns that are series, and how reading names what they become.

    Attributes
    ----------
    columns : one per series
    value : name of the target
    series : name of the series key
    """

    columns: tuple[str, ...]
    value: str = "value"
    series: str = "series"


def wide_layout(
    columns: Mapping[str, Column], timestamps: Timestamps, options: Options, where: str
) -> tuple[Wide, dict[str, str]]:
    """The series of a wide table, and column -> why it is none.

    Empty and constant columns are series, too: what becomes of them is a policy of the pipeline.

    Raises
    ------
    UsageError
        Fewer than two columns can be series.
    """
    free = [name for name in columns if name not in timestamps.columns]
    chosen = options.targets or tuple(
        name
        for name in free
        if columns[name].kind != "text"
        and name not in timestamps.others
        and not name.startswith("Unnamed:")
    )
    text = next((name for name in chosen if columns[name].kind == "text"), None)
    if text is not None:
        raise UsageError(f"{where}: the column {text!r} contains text, not the numbers of a series")
    if len(chosen) < FEWEST_SERIES:
        raise UsageError(
            f"{where}: --layout wide needs {FEWEST_SERIES} columns with numbers or more; it has "
            f"{list_names(chosen) or 'none'}"
        )
    left_out = {name: _reason(columns[name], options) for name in free if name not in chosen}
    return Wide(chosen, _unused("value", columns), _unused("series", columns)), left_out


def _reason(column: Column, options: Options) -> str:
    if options.targets:
        return "not among the --target columns"
    return "is text" if column.kind == "text" else "is not a series"


def _unused(name: str, columns: Mapping[str, Column]) -> str:
    while name in columns:
        name += "_"
    return name
