"""The data contract, cell by cell: pandera checks the frame against the faults that parsing found.

Loaded only if a cell breaks a rule: pandera takes a second to import, and most tables are valid.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pandera.pandas as pa
from jaxtyping import Int
from pandera.errors import SchemaErrors

from spline_lstm.core.errors import shorten
from spline_lstm.tables.contract import MAX_ROWS, RULES, Violation
from spline_lstm.tables.parsing import Faults


def check_cells(
    frame: pd.DataFrame, faults: Mapping[str, Faults], lines: Int[np.ndarray, " rows"], form: str
) -> list[Violation]:
    """Violations of single cells.

    Parameters
    ----------
    frame : the table as read
    faults : column -> rule -> [rows] bool
    lines : [rows] line of the file of each row
    form : the declared form of the timestamps
    """
    columns = {
        name: pa.Column(checks=[_check(rule, mask) for rule, mask in rules.items()], nullable=True)
        for name, rules in faults.items()
    }
    try:
        pa.DataFrameSchema(columns).validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases[["column", "check"]].drop_duplicates()
        broken = [(str(column), str(rule)) for column, rule in cases.itertuples(index=False)]
        return [
            _violation(frame[column], rule, faults[column][rule], lines, form)
            for column, rule in broken
        ]
    return []


def _check(rule: str, mask: np.ndarray) -> pa.Check:
    return pa.Check(
        lambda column: pd.Series(~mask, index=column.index),
        name=rule,
        error=rule,
        n_failure_cases=1,
        ignore_na=False,
    )


def _violation(
    column: pd.Series, rule: str, mask: np.ndarray, lines: np.ndarray, form: str
) -> Violation:
    rows = np.flatnonzero(mask)
    text = RULES[rule].format(
        column=column.name, cell=shorten(str(column.iloc[rows[0]])), form=form
    )
    return Violation(
        rule, str(column.name), tuple(lines[rows[:MAX_ROWS]].tolist()), len(rows), text
    )
