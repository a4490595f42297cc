import subprocess
import sys

import pytest

from spline_lstm.core import errors
from spline_lstm.core.errors import SplineLstmError, report
from spline_lstm.page.errors import PageError
from spline_lstm.service.errors import ServiceError

EXIT_CODES = {
    "UsageError": 2,
    "ParamsError": 10,
    "SchemaError": 11,
    "DataContractError": 12,
    "MissingCovariateError": 13,
    "TooLittleDataError": 14,
    "ArtifactError": 15,
    "DivergedError": 16,
    "ExportError": 17,
    "GateError": 18,
    "LeakageError": 19,
    "ExperimentError": 20,
    "StoreError": 21,
    "MissingPackageError": 22,
    "WorkerError": 23,
}


def test_every_error_has_its_documented_exit_code():
    found = {
        name: value.exit_code
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, SplineLstmError)
        and value is not SplineLstmError
    }
    assert found == EXIT_CODES


def test_no_two_errors_share_a_title_or_an_exit_code():
    kinds = [getattr(errors, name) for name in EXIT_CODES] + [PageError, ServiceError]
    assert len({kind.title for kind in kinds}) == len(kinds)
    assert len({kind.exit_code for kind in kinds}) == len(kinds)


def test_a_message_of_several_lines_becomes_one():
    assert str(errors.ParamsError("a\n  b\r\n\tc")) == "a b c"


@pytest.mark.parametrize("name", EXIT_CODES)
def test_report_prints_one_line_and_returns_the_code(name, capsys, monkeypatch):
    monkeypatch.delenv("SPLINE_LSTM_DEBUG", raising=False)
    error = getattr(errors, name)("params.yaml: seed = -1:\nmust be 0 or more")
    assert report(error) == EXIT_CODES[name]
    captured = capsys.readouterr()
    assert (
        captured.err
        == f"{error.exit_code} {error.title}: params.yaml: seed = -1: must be 0 or more\n"
    )
    assert captured.out == ""


def test_several_violations_are_a_line_each(capsys):
    error = errors.DataContractError(
        "raw.csv row 3: no timestamp", "raw.csv row 9:\n'x' is not a number"
    )
    assert report(error) == 12
    expected = (
        "12 data contract: raw.csv row 3: no timestamp\n"
        "12 data contract: raw.csv row 9: 'x' is not a number\n"
    )
    assert capsys.readouterr().err == expected
    assert str(error) == "raw.csv row 3: no timestamp"


@pytest.mark.parametrize("limit", [10, 80])
def test_long_values_are_cut_to_the_limit_and_short_ones_are_not(limit):
    assert errors.shorten("ab", limit) == "'ab'"
    assert len(errors.shorten("x" * 1000, limit)) == limit


@pytest.mark.parametrize(("value", "traced"), [("1", True), ("0", False), ("", False)])
def test_debug_variable_adds_the_traceback(value, traced, capsys, monkeypatch):
    monkeypatch.setenv("SPLINE_LSTM_DEBUG", value)
    try:
        raise errors.GateError("too slow")
    except errors.GateError as error:
        report(error)
    lines = capsys.readouterr().err.splitlines()
    assert (lines[0] == "Traceback (most recent call last):") == traced
    assert lines[-1] == "18 gate: too slow"


def test_report_survives_text_that_no_encoding_holds():
    program = (
        "from spline_lstm.core.errors import *; "
        "raise SystemExit(report(SchemaError('name \\ud800')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 11
    assert done.stderr == b"11 schema: name \\ud800\n"
