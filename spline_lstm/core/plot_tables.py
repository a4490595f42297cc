"""Tables that `dvc plots` draws."""

from pathlib import Path

import pandas as pd

from spline_lstm.core.artifacts import write_text


def write_plot_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, floats to six significant digits.

    A missing number is written as nan, which interrupts a line: an empty cell would be drawn as 0.
    """
    write_text(
        path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n", na_rep="nan")
    )
