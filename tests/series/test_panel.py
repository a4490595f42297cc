"""Series of a panel: how long they last, which are too short, and whether they differ."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.clock_inference import bind
from spline_lstm.core.errors import DataContractError, TooLittleDataError
from spline_lstm.core.params_data import SmoothingParams
from spline_lstm.series.grid import lay_out
from spline_lstm.series.panel import alive, has_target
from spline_lstm.series.preprocess import preprocess
from spline_lstm.windows.preprocessor import Preprocessor
from tests.builders import HOUR, hours, make_preprocess_params, make_schema, make_table

NAN = np.nan


def wave(rows, level=10.0, size=3.0, seed=0):
    noise = np.random.default_rng(seed).normal(size=rows)
    return level + size * (np.sin(2 * np.pi * np.arange(rows) / 24) + 0.2 * noise)


def ragged(rows=200):
    """Three normal series, one that ended, one of nine values, one without any."""
    begins = {"a": 0, "b": 50, "c": 120, "ended": 0, "short": rows - 9, "empty": rows}
    series = {}
    for number, (name, begin) in enumerate(begins.items()):
        values = wave(rows, seed=number)
        values[:begin] = NAN
        if name == "ended":
            values[150:] = NAN
        series[name] = (hours(rows), values)
    return make_table(series)


def run(table, *, needed=30, short_series="skip", **changes):
    return preprocess(
        table,
        make_schema(),
        make_preprocess_params(**changes),
        where="t.csv",
        needed=needed,
        short_series=short_series,
    )


@given(
    gaps=st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=4),
)
def test_a_series_is_alive_from_its_first_to_its_last_observed_target(gaps):
    series = {
        str(number): (hours(len(present)), np.where(present, 1.0, NAN))
        for number, present in enumerate(gaps)
    }
    table = make_table(series)
    clock = bind(make_preprocess_params().clock(), table.timestamps)
    found = alive(lay_out(table, clock, 0.5), has_target(table, ("y",)))
    expected = []
    for present in gaps:
        seen = np.flatnonzero(present)
        rows = np.arange(len(present))
        expected.append((rows >= seen[0]) & (rows <= seen[-1]) if len(seen) else rows < 0)
    np.testing.assert_array_equal(found, np.concatenate(expected))


def test_blanks_at_the_ends_are_neither_gaps_nor_filled_and_short_series_are_named():
    result = run(ragged())
    quality, names = result.quality, result.table.series_names
    assert names == ("a", "b", "c", "ended")
    assert quality["skipped_series"] == [
        {"series": "short", "rows": 9, "needed": 30},
        {"series": "empty", "rows": 0, "needed": 30},
    ]
    assert [row["missing_share"] for row in quality["per_series"]] == [0.0] * 4
    assert quality["columns"][0]["gaps"] == quality["columns"][0]["filled_rows"] == 0
    assert (
        "2 series are too short and left out (data.short_series: skip): 'short', 'empty'"
        in quality["warning_summary"]
    )
    assert (
        "series 'short' has 9 rows from the first to the last observed target, but needs 30; "
        "it is left out (data.short_series: skip)" in quality["warnings"]
    )
    filled = result.arrays.filled_target[:, 0].reshape(4, 200)
    assert np.isnan(filled[1, :50]).all()
    assert np.isnan(filled[3, 150:]).all()
    assert result.preprocessor.skipped == {"short": 9, "empty": 0}
    json.dumps(quality, allow_nan=False)


def test_policy_error_and_a_panel_of_short_series_end_with_a_line_for_each():
    with pytest.raises(TooLittleDataError) as caught:
        run(ragged(), short_series="error")
    assert [line.startswith("t.csv: series") for line in caught.value.lines] == [True, True, False]
    assert "2 of 6 series are too short; bring more rows" in caught.value.lines[-1]
    with pytest.raises(TooLittleDataError) as caught:
        run(ragged(), needed=500)
    assert "6 of 6 series are too short" in caught.value.lines[-1]


def test_an_empty_column_of_a_wide_table_is_a_short_series():
    table = replace(ragged(), blank_series=("nothing",))
    result = run(table)
    assert result.quality["skipped_series"][0] == {"series": "nothing", "rows": 0, "needed": 30}
    assert result.preprocessor.skipped == {"nothing": 0, "short": 9, "empty": 0}
    with pytest.raises(TooLittleDataError, match="series 'nothing' has no observed target"):
        run(table, short_series="error")
    one = replace(make_table({"a": (hours(200), wave(200))}), blank_series=("nothing",))
    assert run(one).preprocessor.skipped == {"nothing": 0}
    with pytest.raises(TooLittleDataError, match="series 'nothing' has no observed target"):
        run(one, short_series="error")


def constants(rows=200):
    week = np.array([5.0, 7, 9, 4, 3, 8, 6])
    return make_table(
        {
            "constant": (hours(rows), np.full(rows, 51653410816.0)),
            "normal": (hours(rows), wave(rows)),
            "weekly": (hours(rows), week[np.arange(rows) % 7]),
            "zero": (hours(rows), np.zeros(rows)),
        }
    )


@pytest.mark.parametrize("scope", ["global", "per_series", "auto"])
def test_constant_series_have_the_scale_of_the_others_and_are_named(scope, tmp_path):
    result = run(constants(), scaler_scope=scope)
    preprocessor = result.preprocessor
    assert preprocessor.constants == {"y": {"constant": 51653410816.0, "zero": 0.0}}
    assert [row["series"] for row in result.quality["constant_series"]] == ["constant", "zero"]
    assert any("2 series are constant" in text for text in result.quality["warning_summary"])
    if scope == "global":
        assert not preprocessor.scaler.per_series
    else:
        scale = preprocessor.scaler.scale[:-1, 0]
        assert scale[[0, 3]].tolist() == [np.median(scale[1:3])] * 2
        assert preprocessor.scaler.center[[0, 3], 0].tolist() == [51653410816.0, 0.0]
    assert np.isfinite(result.arrays.scaled).all()
    preprocessor.save(tmp_path / "preprocessor.json")
    again = Preprocessor.load(tmp_path / "preprocessor.json").limits
    np.testing.assert_array_equal(again.constants, preprocessor.limits.constants)
    with pytest.raises(DataContractError, match="constant in the training split of the series"):
        run(constants(), scaler_scope=scope, short_series="error")


@pytest.mark.parametrize("scope", ["global", "per_series", "auto"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"snap": "auto"}, {"smoothing": SmoothingParams(method="replace", strength=None)}],
)
def test_how_long_a_series_goes_on_after_the_training_split_changes_no_other(scope, changes):
    """Series b has 20 training rows and goes on, or ends there and is left out."""
    rows, trained = 200, 140
    found = []
    for end in (rows, trained):
        b = wave(rows, level=500.0, seed=1)
        b[:120] = b[end:] = NAN
        beside = hours(rows) + np.where(np.arange(rows) % 2, HOUR // 4, 0)
        table = make_table({"a": (hours(rows), wave(rows)), "b": (beside, b)})
        result = run(table, scaler_scope=scope, **changes)
        fitted, arrays = result.preprocessor, result.arrays
        assert fitted.series == (("a", "b") if end == rows else ("a",))
        assert fitted.scaler.per_series == (scope != "global")
        assert len(fitted.strengths.get("y", {})) in (0, len(fitted.series))
        only_a = fitted.of_series(("a",))
        constants = only_a.scaler.to_json(), only_a.strengths, fitted.params, fitted.neutral
        windows = (part[:rows].tobytes() for part in (arrays.scaled, arrays.causal))
        found.append((*constants, *windows))
    assert found[0] == found[1]


def test_series_that_begin_after_the_training_split_lend_no_scale():
    table = constants()
    late = np.append(np.full(180, NAN), wave(20, level=900.0, size=90.0))
    series = {
        name: (hours(200), table.values[start : start + 200, 0])
        for name, start in zip(table.series_names, table.series_offsets[:-1], strict=True)
    }
    more = make_table({**series, "late": (hours(200), late), "later": (hours(200), late)})
    one, two = (
        run(each, scaler_scope="per_series", needed=10).preprocessor.scaler
        for each in (table, more)
    )
    np.testing.assert_array_equal(one.scale[:4], two.scale[:4])
    np.testing.assert_array_equal(two.scale[4:], [two.scale[-1]] * 3)


def test_a_panel_of_only_constants_is_refused_as_one_constant_series_is():
    rows = np.ones(100)
    with pytest.raises(DataContractError, match="'y' is constant in the training split; nothing"):
        run(make_table({"a": (hours(100), rows), "b": (hours(100), 2 * rows)}))
    with pytest.raises(DataContractError, match="'y' is constant in the training split; nothing"):
        run(make_table({"": (hours(100), rows)}))


@pytest.mark.parametrize(
    ("level", "size", "scope", "reason"),
    [
        (10.0, 3.0, "global", "no two series differ by more than the limit 10"),
        (25.0, 3.0, "global", "no two series differ"),
        (100.0, 3.0, "per_series", "the means of 'y' lie"),
        (10.0, 60.0, "per_series", "the standard deviations of 'y' differ by a factor of"),
        (5e10, 3.0, "per_series", "the means of 'y' lie"),
    ],
)
def test_auto_scales_each_series_where_levels_or_scales_differ(level, size, scope, reason):
    one, two = wave(200), wave(200, level, size, seed=1)
    # What happens after the training split decides nothing.
    two[150:] *= -1e3
    table = make_table({"one": (hours(200), one), "two": (hours(200), two)})
    result = run(table, scaler_scope="auto")
    assert result.quality["scaler_scope"] == scope
    assert result.quality["scaler_scope_reason"].startswith(reason)
    assert result.preprocessor.to_json()["scaler"]["scope"] == scope
    # The same arrays as if it had been asked for.
    asked = run(table, scaler_scope=scope)
    assert asked.arrays.scaled.tobytes() == result.arrays.scaled.tobytes()


def test_levels_of_5e10_beside_1e_7_keep_their_digits():
    meter, trace = wave(200, 51653410816.0, 50.0), wave(200, 1e-7, 1e-8, seed=1)
    table = make_table({"meter": (hours(200), meter), "trace": (hours(200), trace)})
    result = run(table, scaler_scope="auto")
    z = result.arrays.scaled[:, 0].astype(np.float64)
    rows = np.repeat([0, 1], 200)
    back = result.preprocessor.scaler.inverse(z[:, None], rows)[:, 0]
    raw = np.concatenate([meter, trace])
    sizes = np.repeat([50.0, 1e-8], 200)
    assert (np.abs(back - raw) / sizes).max() < 1e-5
    np.testing.assert_array_equal(result.arrays.filled_target[:, 0], raw)


def test_observations_outside_of_the_bounds_are_a_warning():
    values = wave(200)
    values[[20, 180]] = -1.0
    schema = make_schema(target_bounds=[0, None])
    result = preprocess(
        make_table({"": (hours(200), values)}), schema, make_preprocess_params(), where="t"
    )
    (text,) = [text for text in result.quality["warnings"] if "target_bounds" in text]
    assert text.startswith("2 observed values of 'y' lie outside of target_bounds")
    assert result.arrays.target_bounds.tolist() == [[0.0, np.inf]]
