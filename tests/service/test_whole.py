"""Whole windows are read without a grid, and give the bits that the grid gives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock_params import parse_clock
from spline_lstm.core.params_data import OutliersParams
from spline_lstm.service.quick import plain_table, quick_inputs
from spline_lstm.service.rows import Rows
from spline_lstm.service.whole import whole_inputs
from tests.service.examples import target_model
from tests.service.test_quick import bits, rows_of

MODELS = [
    target_model(fill="cubic", snap="interpolate"),
    target_model(fill="akima", snap=0.1, scaler="minmax"),
    target_model(panel=True, scaler_scope="per_series", scaler="robust"),
    target_model(targets=("y", "z"), scaler="none"),
    target_model(),
]
PREPROCESSORS = [model.preprocessor for model in MODELS]
# Days of a place whose 29th of March has 23 hours.
ZONE = "Europe/Berlin"
PREPROCESSORS.append(replace(PREPROCESSORS[-1], clock=parse_clock("D", zone=ZONE)))
LOOKBACK, ASKED = 12, {"lookback": 12, "horizon": 3, "start": "last-observed"}


def table_of(preprocessor, group):
    table = plain_table(group, preprocessor)
    assert table is not None
    return table


def histories(preprocessor, rng, count=40):
    """A history per series, of which only the last rows are without gaps and on their rows."""
    targets = preprocessor.targets
    for name in ("b", "new") if preprocessor.schema.series_col else ("",):
        whole = rows_of((10 + rng.normal(size=count)).tolist(), name, targets)
        if preprocessor.clock.kind == "calendar":
            days = pd.date_range("2020-03-01", periods=count, freq="D", tz=ZONE)
            times = days.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ").tolist()
            whole = Rows(name, times, whole.columns, {}, None)
        older = count - LOOKBACK - 1
        kept = [*(rng.random(older) > 0.2), *[True] * (LOOKBACK + 1)]
        chosen = np.flatnonzero(kept).tolist()
        times = [whole.timestamps[row] for row in chosen]
        columns = {key: [cells[row] for row in chosen] for key, cells in whole.columns.items()}
        for cells in columns.values():
            cells[1] = None
        yield Rows(name, times, columns, {}, None)


@pytest.mark.parametrize("preprocessor", PREPROCESSORS)
def test_the_grid_gives_the_same_bits(preprocessor):
    rng = np.random.default_rng(3)
    for _ in range(24):
        table = table_of(preprocessor, list(histories(preprocessor, rng)))
        found = whole_inputs(preprocessor, table, **ASKED)
        expected = quick_inputs(preprocessor, table, **ASKED)
        assert found is not None
        assert expected is not None
        assert bits(found) == bits(expected)


def test_other_windows_are_left_to_the_grid():
    preprocessor = target_model().preprocessor
    wave = (10 + np.sin(np.arange(40) / 4)).tolist()

    def found(rows, **changes):
        table = table_of(preprocessor, [rows])
        return whole_inputs(preprocessor, table, **{**ASKED, **changes})

    rows = rows_of(wave, "")
    assert found(rows) is not None
    assert found(rows, start="end") is not None
    assert found(rows, start=rows.timestamps[-1]) is None
    assert found(rows, lookback=41) is None
    empty = rows_of([*wave[:-3], None, *wave[-2:]], "")
    away = rows_of(wave, "", kept=[True] * 35 + [False] + [True] * 4)
    assert found(empty) is None
    assert found(away) is None
    for place, is_whole in ((-1, False), (-LOOKBACK, False), (-LOOKBACK - 1, False), (-20, True)):
        times = list(rows.timestamps)
        # Ten minutes after the hour.
        times[place] = times[place].replace(":00:00Z", ":10:00Z")
        beside = Rows("", times, rows.columns, {}, None)
        assert (found(beside) is not None) == is_whole


@pytest.mark.parametrize(
    "changes",
    [
        {"was_missing": True},
        {"outliers": OutliersParams(method="replace", window=24, threshold=6.0)},
    ],
)
def test_features_that_look_further_are_left_to_the_grid(changes):
    preprocessor = target_model(**changes).preprocessor
    table = table_of(preprocessor, [rows_of(np.arange(40.0).tolist(), "")])
    assert whole_inputs(preprocessor, table, **ASKED) is None


def test_series_that_end_at_different_rows_are_left_to_the_grid():
    preprocessor = target_model(panel=True).preprocessor
    group = [rows_of(np.arange(count).tolist(), name) for name, count in (("a", 40), ("b", 41))]
    assert whole_inputs(preprocessor, table_of(preprocessor, group), **ASKED) is None
