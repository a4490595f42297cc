"""Arrays straight to inputs give the bits of the library's way, or leave it to that way."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.params_data import OutliersParams
from spline_lstm.service.bodies import OneSeries
from spline_lstm.service.forecasts import model_inputs
from spline_lstm.service.quick import plain_table, quick_inputs
from spline_lstm.service.rows import Rows
from tests.service.examples import hours, target_model

BODY = OneSeries(timestamps=["2020-02-01T00:00:00Z"], values=[1.0])
MODELS = [
    target_model(),
    target_model(fill="cubic", snap="interpolate"),
    target_model(fill="akima", snap=0.1),
    target_model(panel=True, fill="linear", scaler_scope="per_series"),
    target_model(targets=("y", "z"), fill="pchip"),
    target_model(
        outliers=OutliersParams(method="replace", window=24, threshold=6.0),
        was_missing=True,
    ),
]
CELLS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=60)


def rows_of(cells, name, targets=("y",), kept=None):
    times = hours(len(cells))
    columns = {target: [*cells] for target in targets}
    if kept is not None:
        times = [time for time, keep in zip(times, kept, strict=True) if keep]
        columns = {
            target: [cell for cell, keep in zip(column, kept, strict=True) if keep]
            for target, column in columns.items()
        }
    return Rows(name, times, columns, {}, None)


def bits(inputs):
    arrays = (inputs.X, inputs.X_future, inputs.X_static, inputs.timestamps, inputs.history)
    return (
        [(array.dtype, array.shape, array.tobytes()) for array in arrays],
        inputs.scaler_rows.tolist(),
        inputs.series,
        inputs.notes,
        inputs.warnings,
    )


@pytest.mark.parametrize("index", range(len(MODELS)))
@settings(max_examples=50)
@given(st.data())
def test_both_ways_give_the_same_bits_or_the_same_error(index, data):
    model = MODELS[index]
    targets = model.preprocessor.targets
    names = ("a", "new") if model.is_panel else ("",)
    group = []
    for name in names:
        cells = data.draw(CELLS)
        kept = data.draw(
            st.lists(
                st.sampled_from((True, True, True, False)), min_size=len(cells), max_size=len(cells)
            )
        )
        kept[0] = True
        group.append(rows_of(cells, name, targets, kept))
    start = data.draw(st.sampled_from(("last-observed", "end", "2020-02-02 06:00")))
    body = BODY.model_copy(update={"start": start})
    assert outcome(model, body, group, quick=True) == outcome(model, body, group, quick=False)


def outcome(model, body, group, *, quick):
    """Bits of the inputs, or the lines of the error."""
    try:
        return bits(model_inputs(model, body, group, quick=quick)[1])
    except SplineLstmError as error:
        return error.exit_code, error.lines


def long_history(rng, name, targets):
    """1,500 hours with noise, of which some rows are away, some cells empty, some times beside."""
    count = 1500
    kept = np.flatnonzero(rng.random(count) > rng.choice([0.0, 0.05, 0.2]))
    beside = rng.integers(-900, 900, len(kept)) * (rng.random(len(kept)) < rng.choice([0.0, 0.5]))
    times = pd.Timestamp("2020-02-01") + pd.to_timedelta(3600 * kept + beside, unit="s")
    columns = {}
    for target in targets:
        cells = 10 + np.sin(kept / 4) + rng.normal(size=len(kept))
        cells[rng.random(len(kept)) < rng.choice([0.0, 0.03])] = np.nan
        columns[target] = [None if np.isnan(cell) else cell for cell in cells]
    return Rows(name, times.strftime("%Y-%m-%dT%H:%M:%SZ").tolist(), columns, {}, None)


@pytest.mark.parametrize("index", range(len(MODELS)))
def test_both_ways_give_the_same_bits_of_long_histories(index):
    """The quick way leaves out rows that are too old to matter."""
    model, rng = MODELS[index], np.random.default_rng(index)
    names, targets = ("a", "new") if model.is_panel else ("",), model.preprocessor.targets
    quick = 0
    for _ in range(24):
        group = [long_history(rng, name, targets) for name in names]
        expected = outcome(model, BODY, group, quick=False)
        assert outcome(model, BODY, group, quick=True) == expected
        table = plain_table(group, model.preprocessor)
        assert table is not None
        found = quick_inputs(
            model.preprocessor, table, lookback=12, horizon=3, start="last-observed"
        )
        quick += found is not None
    assert quick >= 12


@pytest.mark.parametrize("index", range(len(MODELS)))
def test_a_plain_history_takes_the_quick_way(index):
    model = MODELS[index]
    wave = (10 + np.sin(np.arange(60) / 4)).tolist()
    names = ("b", "a") if model.is_panel else ("",)
    group = [rows_of(wave, name, model.preprocessor.targets) for name in names]
    table = plain_table(group, model.preprocessor)
    assert table is not None
    inputs = quick_inputs(model.preprocessor, table, lookback=12, horizon=3, start="last-observed")
    assert inputs is not None
    assert bits(inputs) == bits(model_inputs(model, BODY, group, quick=False)[1])


@pytest.mark.parametrize(
    "times",
    [
        ["2020-02-01T01:00:00Z", "2020-02-01T00:00:00Z"],
        ["2020-02-01T00:00:00Z", "2020-02-01T00:00:00Z"],
        ["2020-02-01T00:00:00Z", "2020-02-01T01:00:00"],
        ["2020-02-01T00:00:00+01:00", "2020-02-01T01:00:00+01:00"],
        ["2020-02-30T00:00:00Z", "2020-03-01T01:00:00Z"],
        ["2020-02-01", "2020-02-02"],
        ["2020-02-01T00:00:00Z\n2020-02-01T00:30:00Z", "2020-02-01T01:00:00Z"],
        ["1500-02-01T00:00:00Z", "1500-02-01T01:00:00Z"],
        [1, 2],
    ],
)
def test_odd_timestamps_are_left_to_the_library(times):
    rows = Rows("", times, {"y": [1.0, 2.0]}, {}, None)
    assert plain_table([rows], MODELS[0].preprocessor) is None


def test_naive_timestamps_are_plain_in_utc_only():
    rows = Rows("", ["2020-02-01 00:00:00", "2020-02-01 01:00:00"], {"y": [1.0, 2.0]}, {}, None)
    preprocessor = MODELS[0].preprocessor
    assert plain_table([rows], preprocessor) is not None
    reading = type(preprocessor.reading)(time_zone="Europe/Berlin")
    there = replace(preprocessor, reading=reading)
    assert plain_table([rows], there) is None
