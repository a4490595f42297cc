"""An unknown file as a table: CSV by its text, Parquet by its types."""

from spline_lstm.core.errors import UsageError
from spline_lstm.core.formatting import listed
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.read_text import read_text_table
from spline_lstm.scaffold.table import Marks, Table
from spline_lstm.tables.parquet import is_parquet, parquet_frame, parquet_header

# What only text leaves open.
TEXT_OPTIONS = ("separator", "decimal", "thousands", "encoding", "skip_lines", "unit_row")


def read_table(content: bytes, where: str, options: Options = Options()) -> Table:  # noqa: B008
    """The columns of a CSV or Parquet file.

    Raises
    ------
    UsageError
        The file leaves open how its text is to be read, or options say it of a Parquet file.
    DataContractError
        A Parquet file is damaged or has no rows.
    """
    if not is_parquet(content):
        return read_text_table(content, where, options)
    given = [
        f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
        for name in TEXT_OPTIONS
        if (value := getattr(options, name)) is not None
    ]
    if given:
        raise UsageError(
            f"{where} is a Parquet file, whose cells have types; leave out {listed(given)}: "
            "only text is read so"
        )
    frame = parquet_frame(content, where, parquet_header(content, where))
    return Table(frame, Marks("."), None)
