"""Random files of random layouts are read as they were written, or refused with a clear line."""

import json
import re
from contextlib import suppress

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import parse_schema
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from tests.builders import mutate
from tests.tables.layout_cases import Case, cases

EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 8),
        st.text(st.characters(max_codepoint=255), max_size=3)
        | st.sampled_from(
            ["1970-01-01", "NaT", "1e999", '"', "\n", "2023-02-30", ";;", "-0", "24"]
        ),
    ),
    max_size=6,
)

# What a message must name: a line of the file, a column, or a setting.
NAMED = re.compile(r"row \d+|column '|table_format|data\.")


def as_mapping(table: RawTable) -> dict[tuple[str, int], float | None]:
    names = np.array(table.series_names, dtype=object)[table.series]
    values = [None if np.isnan(value) else float(value) for value in table.values[:, 0]]
    return dict(zip(zip(names, table.timestamps.tolist(), strict=True), values, strict=True))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_a_table_comes_back_as_written_or_a_line_names_what_is_wrong(case: Case):
    note(case.content.decode("latin-1")[:2000])
    note(json.dumps(case.schema))
    schema = parse_schema(json.dumps(case.schema), "schema")
    reading = Reading(**case.reading)
    lines: tuple[str, ...] = ()
    try:
        table = read_raw_table(case.content, schema, where="file.csv", reading=reading)
    except SplineLstmError as error:
        lines = error.lines
    else:
        assert not case.must_fail
        assert as_mapping(table) == case.values
    assert not lines or case.must_fail or case.may_fail, lines
    for line in lines:
        assert "\n" not in line
        assert line.startswith("file.csv")
        assert NAMED.search(line), line


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(), cases(), EDITS)
def test_a_table_under_another_declaration_is_read_or_refused(case: Case, other: Case, edits):
    """A damaged file, and the columns and settings of two files mixed: never another error."""
    text = mutate(case.content.decode("latin-1"), edits)
    content = text.encode("latin-1", errors="replace")
    for schema in (
        case.schema,
        {**case.schema, "table_format": other.schema["table_format"]},
        {**case.schema, "timestamp_col": other.schema["timestamp_col"]},
    ):
        with suppress(SplineLstmError):
            parsed = parse_schema(json.dumps(schema), "schema")
            read_raw_table(content, parsed, where="file.csv", reading=Reading(**other.reading))
