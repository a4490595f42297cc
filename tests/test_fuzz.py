"""Malformed tables and schemas: success or an error for users, and never half an output."""

import json
import os
import re
import shutil
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import SplineLstmError
from stages import ingest, preprocess, window
from tools.import_closure import ROOT

pytestmark = pytest.mark.usefixtures("no_pictures")

ROWS = [
    f"2024-01-{1 + i // 24:02d}T{i % 24:02d}:00:00,{'ab'[i % 2]},{10 + i % 7}.5,{i % 3},"
    f"{'NA' if i % 11 == 0 else i}"
    for i in range(90)
]
TABLE = "time,series,y,kind,x\n" + "\n".join(ROWS) + "\n"
SCHEMA = {
    "version": 1,
    "timestamp_col": "time",
    "series_col": "series",
    "target_cols": ["y"],
    "dynamic_covariates": [
        {"name": "kind", "dtype": "categorical", "encoding": "one_hot", "required": False},
        {"name": "x", "dtype": "float", "known_future": True},
    ],
    "calendar_features": {"enabled": True, "features": ["hour_sin", "dow_cos"]},
    "table_format": {"missing_markers": ["NA"]},
}
PARAMS = {
    "source: bokeh_sampledata/CGM": "source: raw.csv",
    "schema_file: configs/covariates/glucose.json": "schema_file: schema.json",
    "feature_mode: univariate": "feature_mode: multivariate",
    "frequency: 5min": "frequency: 1h",
    "min_rows: 100": "min_rows: 5",
    "max_missing: 0.3": "max_missing: 0.9",
    "lookback: 24": "lookback: 3",
    "horizon: 6": "horizon: 2",
    "season: null": "season: 24",
}
PIECES = st.sampled_from(
    ["", ",", ";", "\n", "\r", '"', "'", "nan", "inf", "-1e999", "NA", "é", "\0", "2024-13-01",
     "2024-01-01T00:00:00Z",
     "9999-12-31", "0001-01-01", "1e308", "-", ".", "1,5", "true", "a", " ", "\t", "0x10", "{", "}",
     "[]", "null", "0",
     "-5", "1e400", "\ufeff", "\U0001d7d9", "00", "99999999999999999999"]
)  # fmt: skip
CODES = {10, 11, 12, 13, 14, 15}


@st.composite
def mutated(draw, text: str) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.sampled_from([0, 0, 1, 2, 5, 20, 200, 5000])))
        text = text[:begin] + draw(PIECES) * draw(st.integers(1, 3)) + text[end:]
    return text.encode(
        draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "latin-1"])), errors="replace"
    )


@pytest.fixture(scope="module")
def params_text():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for old, new in PARAMS.items():
        assert old in text
        text = text.replace(old, new)
    return text


def outcome(folder: Path, params_text: str, table: bytes, schema: bytes) -> SplineLstmError | None:
    """Run ingest, preprocess and window on a fresh folder; every output must be complete."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "params.yaml").write_text(params_text, encoding="utf-8")
    (folder / "raw.csv").write_bytes(table)
    (folder / "schema.json").write_bytes(schema)
    error = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            ingest.main(folder)
            preprocess.main(folder)
            window.main(folder)
        except SplineLstmError as caught:
            error = caught
    assert [path.name for path in folder.rglob(".tmp-*")] == []
    for path in folder.rglob("metrics/*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    if (folder / "data/raw/series.csv").exists():
        assert (folder / "data/raw/series.csv").read_bytes() == table
    return error


def check(error: SplineLstmError | None) -> None:
    if error is None:
        return
    assert error.exit_code in CODES
    for line in str(error).splitlines():
        assert line.strip()
        assert not re.search(r"Traceback|Error\(|0x[0-9a-f]{8,}", line)


def test_the_unbroken_table_goes_through(tmp_path, params_text):
    assert (
        outcome(tmp_path / "run", params_text, TABLE.encode(), json.dumps(SCHEMA).encode()) is None
    )


# SPLINE_LSTM_FUZZ=1000 makes 2,000 inputs of it.
FUZZ = settings(
    max_examples=int(os.environ.get("SPLINE_LSTM_FUZZ", "150")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    deadline=None,
)


@FUZZ
@given(table=mutated(TABLE) | st.binary(max_size=400))
def test_a_malformed_table_ends_in_success_or_an_error_for_users(tmp_path, params_text, table):
    check(outcome(tmp_path / "run", params_text, table, json.dumps(SCHEMA).encode()))


@FUZZ
@given(schema=mutated(json.dumps(SCHEMA)) | st.binary(max_size=200))
def test_a_malformed_schema_ends_in_success_or_an_error_for_users(tmp_path, params_text, schema):
    check(outcome(tmp_path / "run", params_text, TABLE.encode(), schema))
