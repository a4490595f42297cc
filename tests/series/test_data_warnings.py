import math

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock_params import parse_clock
from spline_lstm.core.params_data import DriftParams
from spline_lstm.series.data_warnings import (
    UNKNOWN,
    DataWarning,
    on_closed_days,
    summarise_warnings,
)
from spline_lstm.series.preprocess import preprocess
from spline_lstm.series.preprocess_folder import warning_lines
from tests.builders import hours, make_preprocess_params, make_schema, make_table


def drift(kind, *values, split="test", limit=0.25):
    return [
        DataWarning(kind, f"c{index}", split, value, limit) for index, value in enumerate(values)
    ]


def test_a_line_per_kind_has_the_count_and_the_worst_case():
    warnings = [*drift("psi", 0.3, 0.9, 0.5), *drift("ks", 0.4), *drift("psi", 0.8, split="x")]
    assert summarise_warnings(warnings) == [
        "drift: 4 warnings of psi in 3 columns; the worst is test: c1: psi 0.9 exceeds the limit "
        "0.25",
        "test: c0: ks 0.4 exceeds the limit 0.25",
    ]


@pytest.mark.parametrize(
    ("values", "worst"),
    [((3.0, 0.2), "c1: std_ratio 0.2 is below"), ((3.0, 0.5), "c0: std_ratio 3 exceeds"),
     ((9.0, 0.0), "c1: std_ratio 0 is below")],
)  # fmt: skip
def test_the_worst_ratio_is_the_farthest_from_one_in_either_direction(values, worst):
    (line,) = summarise_warnings(drift("std_ratio", *values, limit=2))
    assert f"the worst is test: {worst}" in line


def test_the_worst_shift_may_be_negative():
    (line,) = summarise_warnings(drift("mean_shift", 1.0, -3.0))
    assert "c1: mean_shift -3 exceeds" in line


def test_unknown_columns_share_one_line():
    warnings = [DataWarning(UNKNOWN, name) for name in "abcde"]
    assert summarise_warnings(warnings) == [
        "5 columns are not in the schema: 'a', 'b', 'c' and 2 more"
    ]
    assert summarise_warnings(warnings[:1]) == ["column 'a' is not in the schema"]
    assert math.isnan(warnings[0].value)


def test_many_columns_that_drift_give_few_lines_and_the_full_list_stays():
    names = tuple(f"c{index}" for index in range(10))
    values = np.random.default_rng(0).normal(size=(400, 11))
    values[300:] = 5 + 4 * values[300:]
    schema = make_schema(dynamic_covariates=[{"name": name} for name in names])
    params = make_preprocess_params(
        feature_mode="multivariate",
        drift=DriftParams(mean_shift=0.5, std_ratio=1.5, psi=0.25, ks=0.2),
    )
    table = make_table({"": (hours(400), values)}, ("y", *names))
    quality = preprocess(table, schema, params, where="x").quality
    assert len(quality["warnings"]) >= 40
    lines = warning_lines(quality).splitlines()
    assert len(lines) == 1 + len(quality["warning_summary"]) <= 8
    assert lines[0] == f"{len(quality['warnings'])} warnings in metrics/data.json"
    assert all(line.startswith("WARNING: drift: ") for line in lines[1:])
    for kind in ("mean_shift", "std_ratio", "psi", "ks"):
        worst = max(
            abs(np.log(row[kind])) if kind == "std_ratio" else abs(row[kind])
            for split in quality["drift"].values()
            for row in split.values()
        )
        (line,) = [text for text in lines if f"warnings of {kind}" in text]
        shown = abs(float(line.split(f"{kind} ")[-1].split()[0]))
        assert (np.log(shown) if kind == "std_ratio" else shown) == pytest.approx(worst, rel=1e-3)


def test_one_warning_is_not_called_warnings():
    rest = {"clock_note": "", "scaler_scope": "global", "scaler_scope_reason": ""}
    quality = {"warnings": ["a"], "warning_summary": ["a"], **rest}
    assert warning_lines(quality) == "1 warning in metrics/data.json\nWARNING: a"
    quality = {"warnings": [], "warning_summary": [], **rest}
    assert warning_lines(quality) == "0 warnings in metrics/data.json"


def test_a_day_is_open_whatever_the_hour():
    """Early closings on a Friday after a holiday and on a Monday; a night of Friday to Saturday."""
    zone = "America/New_York"
    times = [
        "11-27 16:00",
        "11-28 16:00",
        "11-29 13:00",
        "11-30 00:30",
        "12-01 16:00",
        "12-02 9:30",
    ]
    local = pd.DatetimeIndex([f"2024-{time}" for time in times], tz=zone).as_unit("ns")
    clock = parse_clock("B+16h", zone=zone, holidays="NYSE").anchored(local[0].value)
    closed = on_closed_days(local.asi8, clock)
    assert closed.tolist() == [False, True, False, True, True, False]
