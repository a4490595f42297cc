"""The audit finds nothing in the task as it is, and each of three planted leaks."""

from types import MappingProxyType

import numpy as np
import pytest

from spline_lstm.core.errors import LeakageError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.market import features, preprocess, windows
from spline_lstm.market.audit import audit_bars, audit_direction
from tests.market.builders import direction_schema, read


def audit(frame, params):
    return audit_bars(read(frame), direction_schema(), params, origins=6, seed=1)


def test_nothing_changes_with_the_future(frame, params):
    result = audit(frame, params)
    assert result.findings == ()
    assert min(result.inputs.values()) >= 6
    assert min(result.labels.values()) > 50


def test_a_planted_feature_of_tomorrows_close_is_found(frame, params, monkeypatch):
    def tomorrow(bars):
        return np.append(bars.close[1:], bars.close[-1]) / bars.close - 1

    planted = MappingProxyType(dict(features.FEATURES) | {"return_1": tomorrow})
    monkeypatch.setattr(features, "FEATURES", planted)
    findings = audit(frame, params).findings
    assert {finding.split for finding in findings} == {"train", "validation", "test"}
    assert all("return_1 (" in finding.what for finding in findings)


def test_a_scaler_fitted_on_all_rows_is_found(frame, params, monkeypatch):
    monkeypatch.setattr(preprocess, "training_rows", lambda panel, instants: panel.known)
    findings = audit(frame, params).findings
    # Windows of the training split use the constants of the whole training split, by design.
    assert {finding.split for finding in findings} == {"validation", "test"}


def test_a_split_without_purge_is_found(frame, params, monkeypatch):
    monkeypatch.setattr(windows, "label_ends", lambda arrays, origins, horizon: origins - 1)
    findings = audit(frame, params).findings
    assert {finding.what for finding in findings} == {"its label is of the next split"}
    assert {finding.split for finding in findings} == {"train", "validation"}


def test_the_audit_of_a_folder_says_what_was_compared(tmp_path, frame, params, monkeypatch):
    raw = Pipeline(tmp_path).raw_csv
    raw.parent.mkdir(parents=True)
    raw.write_bytes(frame.to_csv(index=False).encode())
    (tmp_path / params.data.schema_file).parent.mkdir(parents=True)
    schema = direction_schema().model_dump_json(by_alias=True)
    (tmp_path / params.data.schema_file).write_text(schema)
    text = audit_direction(tmp_path, params, 2, 0)
    assert text.startswith("windows compared bit by bit: ")
    monkeypatch.setattr(windows, "label_ends", lambda arrays, origins, horizon: origins - 1)
    with pytest.raises(LeakageError, match="its label is of the next split"):
        audit_direction(tmp_path, params, 2, 0)
