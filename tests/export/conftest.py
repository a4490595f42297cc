"""Exports are made once per test run: importing TensorFlow takes ten seconds, a conversion one."""

import functools

import pytest

from spline_lstm.export.onnx_export import export_onnx
from spline_lstm.export.sessions import session_of
from spline_lstm.export.tflite_export import export_tflite
from tests.export.oracle import OPTIONS, make_option, make_spec

OPSET = 17


@functools.cache
def export(suffix, *arguments):
    spec = make_option(*arguments) if arguments[0] in OPTIONS else make_spec(*arguments)
    return export_onnx(spec, OPSET) if suffix == ".onnx" else export_tflite(spec)


@pytest.fixture(scope="session")
def exported():
    """suffix and the arguments of `make_spec`, or the name of an option, to the exported model."""
    return export


@pytest.fixture(scope="session")
def forecaster():
    """As `exported`, to a session."""
    return functools.cache(lambda *arguments: session_of(export(*arguments).content, arguments[0]))


@pytest.fixture(scope="session")
def wide_exports():
    """Suffix and spec to the exported model, for specs without a name."""
    return lambda suffix, spec: (
        export_onnx(spec, OPSET) if suffix == ".onnx" else export_tflite(spec)
    )
