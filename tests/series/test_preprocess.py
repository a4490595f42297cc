import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import DataContractError, SchemaError, TooLittleDataError
from spline_lstm.core.params_data import OutliersParams, SmoothingParams
from spline_lstm.core.reading import Reading
from spline_lstm.core.target_options import PLAIN, TargetOptions
from spline_lstm.series.grid import NEVER
from spline_lstm.series.preprocess import Preprocessed, preprocess
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.windows.gather import gather_inputs
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.windows import make_windows
from tests.builders import (
    HOUR,
    HOURLY,
    START,
    hours,
    make_preprocess_params,
    make_schema,
    make_table,
    make_window_params,
)

CALENDAR = {"enabled": True, "features": ["hour_sin", "hour_cos", "dow_sin"]}
WIDE = {"dynamic_covariates": [{"name": "price"}], "calendar_features": CALENDAR}


def wave(rows: int) -> np.ndarray:
    """Rows 0, 1, 2, ... with the value row mod 7."""
    return np.arange(rows) % 7.0


def run(series: dict[str, tuple], schema: dict | None = None, **params) -> Preprocessed:
    schema = make_schema(**(schema or {}))
    columns = (*schema.target_cols, *(item.name for item in schema.dynamic_covariates))
    return preprocess(
        make_table(series, columns), schema, make_preprocess_params(**params), where="raw.csv"
    )


def refusal(series: dict[str, tuple], **params) -> str:
    with pytest.raises(DataContractError) as caught:
        run(series, **params)
    message = str(caught.value)
    assert message.startswith("raw.csv")
    return message


def two_columns(rows: int) -> dict[str, tuple]:
    return {"": (hours(rows), np.column_stack([wave(rows), 100.0 + np.arange(rows)]))}


def quality_of(result: Preprocessed, column: str) -> dict:
    return next(part for part in result.quality["columns"] if part["column"] == column)


# --- shapes and names -----------------------------------------------------------------------------


def test_features_come_targets_first_then_covariates_then_calendar():
    result = run(two_columns(40), WIDE, feature_mode="multivariate")
    arrays = result.arrays
    names = ["y", "price", "hour_sin", "hour_cos", "dow_sin"]
    assert arrays.feature_names.tolist() == list(result.preprocessor.features) == names
    assert arrays.target_indices.tolist() == [0]
    assert arrays.scaled.shape == arrays.causal.shape == arrays.known_at.shape == (40, 5)
    assert arrays.raw_target.shape == arrays.observed.shape == (40, 1)
    assert (arrays.scaled.dtype, arrays.causal.dtype, arrays.known_at.dtype) == (
        np.float32,
        np.float32,
        np.int32,
    )
    assert (arrays.timestamps.dtype, arrays.valid.dtype, arrays.observed.dtype) == (
        np.int64,
        bool,
        bool,
    )


def test_univariate_mode_keeps_the_targets_alone():
    result = run(two_columns(40), WIDE, feature_mode="univariate")
    assert result.preprocessor.features == ("y",)
    assert len(result.preprocessor.scaler.center) == 1


def test_several_targets_are_the_first_features():
    schema = {"target_cols": ["y", "z"], "dynamic_covariates": [{"name": "price"}]}
    values = np.column_stack([wave(40), wave(40)[::-1], wave(40)])
    result = run({"": (hours(40), values)}, schema, feature_mode="multivariate")
    assert result.preprocessor.features == ("y", "z", "price")
    assert result.arrays.target_indices.tolist() == [0, 1]
    np.testing.assert_array_equal(result.arrays.raw_target, values[:, :2])


def test_scores_are_the_values_minus_center_by_scale():
    result = run(two_columns(40), WIDE, feature_mode="multivariate")
    scaler = result.preprocessor.scaler
    np.testing.assert_allclose(
        scaler.inverse(result.arrays.scaled)[:, 0], wave(40), rtol=1e-6, atol=1e-6
    )
    assert scaler.center[2:].tolist() == [0.0, 0.0, 0.0]
    assert scaler.scale[2:].tolist() == [1.0, 1.0, 1.0]


def test_a_covariate_is_scaled_as_its_schema_says_and_all_others_as_the_params_say():
    schema = {"dynamic_covariates": [{"name": "price", "dtype": "float32", "scaler": "minmax"}]}
    scaler = run(two_columns(40), schema, feature_mode="multivariate").preprocessor.scaler
    # 28 of 40 rows train.
    assert scaler.center.tolist() == pytest.approx([wave(28).mean(), 100.0])
    assert scaler.scale.tolist() == pytest.approx([wave(28).std(), 27.0])


@pytest.mark.parametrize(
    ("name", "schema", "params"),
    [
        ("y_was_missing", {}, {"was_missing": True}),
        ("y_smooth", {}, {"smoothing": SmoothingParams(method="channel", strength=1.0)}),
        ("y_mask", {}, {"options": TargetOptions(max_missing_inputs=0.5)}),
        ("y_age", {}, {"options": TargetOptions(max_missing_inputs=0.5)}),
        ("hour_sin", {"calendar_features": CALENDAR}, {}),
    ],
)
def test_a_covariate_that_is_named_like_a_derived_feature_is_refused(name, schema, params):
    schema = {"dynamic_covariates": [{"name": name}], **schema}
    options = params.pop("options", PLAIN)
    table = make_table(two_columns(40), ("y", name))
    with pytest.raises(SchemaError) as caught:
        preprocess(
            table,
            make_schema(**schema),
            make_preprocess_params(feature_mode="multivariate", **params),
            where="raw.csv",
            options=options,
        )
    assert len(caught.value.lines) == 1
    assert name in str(caught.value)


def test_a_name_that_no_feature_has_here_is_free():
    schema = {"dynamic_covariates": [{"name": "y_mask"}]}
    assert (
        "y_mask" in run(two_columns(40), schema, feature_mode="multivariate").arrays.feature_names
    )


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust", "none"])
def test_the_scaler_survives_json(kind):
    result = run(two_columns(40), WIDE, feature_mode="multivariate", scaler=kind)
    stored = Scaler.from_json(json.loads(json.dumps(result.preprocessor.scaler.to_json())))
    assert stored.kind == kind
    expected = {
        "standard": np.mean,
        "minmax": np.min,
        "robust": np.median,
        "none": lambda values: 0.0,
    }[kind]
    assert stored.center[0] == pytest.approx(expected(wave(28)), rel=1e-12)


def test_calendar_features_are_known_at_their_own_row():
    arrays = run(two_columns(40), WIDE, feature_mode="multivariate").arrays
    np.testing.assert_array_equal(arrays.known_at[:, 2], np.arange(40))
    np.testing.assert_array_equal(arrays.scaled[:, 2:], arrays.causal[:, 2:])


def test_a_covariate_that_is_silent_beyond_the_limit_stands_at_its_mean():
    series = two_columns(40)
    series[""][1][10:30, 1] = np.nan
    arrays = run(series, WIDE, feature_mode="multivariate", max_gap=3).arrays
    assert (arrays.causal[10:13, 1] == arrays.causal[9, 1]).all()
    assert (arrays.causal[13:30, 1] == 0.0).all()
    assert arrays.valid.all()


def test_a_covariate_before_its_first_value_stands_at_its_mean():
    series = two_columns(40)
    series[""][1][:5, 1] = np.nan
    arrays = run(series, WIDE, feature_mode="multivariate").arrays
    assert (arrays.causal[:5, 1] == 0.0).all()
    assert arrays.valid.all()


def test_rows_are_valid_only_where_every_target_is():
    values = np.column_stack([wave(40), wave(40)])
    values[10:20, 1] = np.nan
    arrays = run({"": (hours(40), values)}, {"target_cols": ["y", "z"]}, max_gap=2).arrays
    assert np.flatnonzero(~arrays.valid).tolist() == list(range(12, 20))


def test_labels_are_raw_observations_and_filled_cells_are_none():
    values = np.array([np.nan, 1, 2, np.nan, 4, 5, np.nan, 7, 8, np.nan])
    arrays = run({"": (hours(10), values)}).arrays
    np.testing.assert_array_equal(arrays.raw_target[:, 0], values)
    assert arrays.observed[:, 0].tolist() == (~np.isnan(values)).tolist()
    assert np.isnan(arrays.scaled[:, 0]).tolist() == [True] + 8 * [False] + [True]
    assert len(arrays.timestamps) == 10


def test_two_sensors_that_take_turns_in_one_table_are_both_observed():
    """Price stands 12 minutes before each full hour, y on it: neither may take the other's row."""
    timestamps = np.sort(np.concatenate([hours(40), hours(41)[1:] - HOUR // 5]))
    values = np.full((80, 2), np.nan)
    values[0::2, 0] = wave(40)
    values[1::2, 1] = 5.0 + np.arange(40)
    result = run({"": (timestamps, values)}, WIDE, feature_mode="multivariate")
    assert quality_of(result, "y")["missing_share"] <= 1 / 41
    assert quality_of(result, "price")["missing_share"] <= 1 / 40


# --- several series -------------------------------------------------------------------------------


def panel() -> dict[str, tuple]:
    """Series a covers hours 0..39, b only 10..29, off the grid of a by 12 minutes."""
    return {
        "a": (hours(40), wave(40)),
        "b": (hours(40)[10:30] + HOUR // 5, wave(40)[10:30] + 100.0),
    }


def test_series_stand_one_after_another_on_one_grid():
    arrays = run(panel()).arrays
    assert arrays.series_offsets.tolist() == [0, 40, 60]
    np.testing.assert_array_equal(arrays.timestamps, np.concatenate([hours(40), hours(40)[10:30]]))
    np.testing.assert_array_equal(
        arrays.raw_target[:, 0], np.concatenate([wave(40), wave(40)[10:30] + 100.0])
    )


def test_known_rows_count_over_all_series():
    series = panel()
    series["b"][1][5] = np.nan
    arrays = run(series).arrays
    assert arrays.known_at[45, 0] == 46
    assert arrays.known_at[[0, 39, 40, 59], 0].tolist() == [0, 39, 40, 59]


def test_no_value_passes_from_one_series_to_the_next():
    series = panel()
    series["b"][1][:3] = np.nan
    series["a"][1][-2:] = np.nan
    arrays = run(series).arrays
    assert np.isnan(arrays.causal[40:43, 0]).all()
    assert not arrays.valid[40:43].any()
    assert (arrays.known_at[[38, 39, 40, 41, 42], 0] == NEVER).all()


def test_the_parts_begin_at_the_same_instants_in_every_series():
    result = run(panel(), train=0.7, validation=0.15)
    assert result.arrays.split_instants.tolist() == [hours(40)[28], hours(40)[34]]
    seen = np.concatenate([wave(40)[:28], wave(40)[10:28] + 100.0])
    assert result.preprocessor.scaler.center[0] == pytest.approx(seen.mean(), rel=1e-12)


def test_blanks_at_the_ends_of_a_series_are_no_gaps():
    series = panel()
    series["a"][1][-2:] = np.nan
    series["b"][1][:3] = np.nan
    result = run(series)
    found = quality_of(result, "y")
    assert (found["gaps"], found["longest_gap_steps"], found["missing_share"]) == (0, 0, 0.0)
    assert [row["missing_share"] for row in result.quality["per_series"]] == [0.0, 0.0]
    assert np.isnan(result.arrays.filled_target[38:43]).all()
    series["a"][1][30:34] = np.nan
    found = quality_of(run(series), "y")
    assert (found["gaps"], found["longest_gap_steps"]) == (1, 4)


# --- split and scaler -----------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [40, 100, 1000])
def test_the_parts_have_their_shares_of_the_rows(rows):
    arrays = run({"": (hours(rows), wave(rows))}).arrays
    counts = np.diff([0, *np.searchsorted(arrays.timestamps, arrays.split_instants), rows])
    np.testing.assert_allclose(counts, [0.7 * rows, 0.15 * rows, 0.15 * rows], atol=1)


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("value", [1e6, -1e6, np.nan])
def test_scaler_ignores_validation_and_test_rows(kind, value):
    values = wave(100)
    other = values.copy()
    other[70] = value
    other[85] = value
    plain, perturbed = (
        run({"": (hours(100), column)}, scaler=kind).preprocessor.scaler.to_json()
        for column in (values, other)
    )
    assert plain == perturbed


def test_scaler_sees_the_last_training_row():
    values = wave(100)
    values[69] = 1e6
    scaler = run({"": (hours(100), values)}, scaler="minmax").preprocessor.scaler
    assert scaler.scale[0] == 1e6


def test_scaler_ignores_filled_values():
    values = 100.0 * (np.arange(100) % 3 == 0)
    values[30:33] = np.nan
    scaler = run({"": (hours(100), values)}).preprocessor.scaler
    assert scaler.center[0] == pytest.approx(np.nanmean(values[:70]), rel=1e-12)


# --- contract -------------------------------------------------------------------------------------


def test_too_few_rows_are_refused():
    assert "99 rows are fewer than preprocess.min_rows = 100" in refusal(
        {"": (hours(99), wave(99))}, min_rows=100
    )
    run({"": (hours(100), wave(100))}, min_rows=100)


def test_too_many_missing_values_are_refused_with_their_share():
    values = wave(100)
    # Blanks at the start would be no gap.
    values[1:32] = np.nan
    assert "31.0% of the grid rows have no 'y'" in refusal(
        {"": (hours(100), values)}, max_missing=0.3
    )
    values[31] = 1.0
    run({"": (hours(100), values)}, max_missing=0.3)


def test_a_grid_that_is_much_finer_than_the_data_is_refused_with_the_cadence():
    message = refusal({"": (hours(100), wave(100))}, frequency="1min", max_missing=0.3)
    assert "0 days 01:00:00" in message
    assert "preprocess.frequency" in message


def test_a_grid_of_nanoseconds_is_refused_before_it_fills_the_memory():
    assert "preprocess.frequency" in refusal(
        {"": (hours(100), wave(100))}, frequency="1ns", max_missing=0.9
    )


@pytest.mark.parametrize(
    "values", [np.full(100, 3.0), np.concatenate([np.full(70, 3.0), wave(30)])]
)
def test_a_target_that_is_constant_in_training_is_refused(values):
    assert "target 'y' is constant" in refusal({"": (hours(100), values)})


def test_a_target_without_training_rows_is_refused():
    values = wave(100)
    values[:80] = np.nan
    assert "target 'y'" in refusal({"": (hours(100), values)})


def test_a_constant_covariate_is_no_error():
    result = run(
        {"": (hours(40), np.column_stack([wave(40), np.full(40, 3.0)]))},
        WIDE,
        feature_mode="multivariate",
    )
    assert (result.arrays.scaled[:, 1] == 0.0).all()


def test_a_span_of_three_centuries_is_refused_or_right():
    """Its length in ns does not fit into 64 bits: the rows must not wrap around."""
    timestamps = np.datetime64("1700-01-01", "ns").astype(np.int64) + 365 * 24 * HOUR * np.arange(
        0, 290
    )
    timestamps = np.append(timestamps, np.datetime64("2020-01-01", "ns").astype(np.int64))
    try:
        arrays = run({"": (timestamps, wave(291))}, frequency="365D").arrays
    except DataContractError:
        return
    assert (np.diff(arrays.timestamps) == 365 * 24 * HOUR).all()
    assert arrays.observed.sum() == 291


@pytest.mark.parametrize("size", ["1e300", "1e38", "1e20"])
@pytest.mark.parametrize("scaler", ["standard", "minmax", "robust", "none"])
def test_values_beyond_float32_are_scaled_or_refused(size, scaler):
    text = "time,y\n" + "".join(
        f"{START // 10**9 + 3600 * row},{1 + row % 7}{size[1:]}\n" for row in range(100)
    )
    schema = make_schema(table_format={"timestamp_format": "unix_s"})
    try:
        table = read_raw_table(text.encode(), schema, where="raw.csv", reading=Reading())
        arrays = preprocess(
            table, schema, make_preprocess_params(scaler=scaler), where="raw.csv"
        ).arrays
    except DataContractError:
        assert size != "1e20"
        return
    assert np.isfinite(arrays.scaled).all()


def test_a_value_that_models_cannot_read_is_named_with_its_timestamp():
    values = wave(100)
    values[[40, 60]] = 1e39, -2e30
    with pytest.raises(DataContractError) as caught:
        run({"a": (hours(100), wave(100)), "b": (hours(100), values)})
    at = np.datetime64(int(hours(100)[40]), "ns").astype("datetime64[s]")
    assert f"column 'y' has 1e+39 at {at}Z of series 'b' (1 more value like it); values" in str(
        caught.value
    )
    assert "must be within ±1e+30" in str(caught.value)


# --- what is written ------------------------------------------------------------------------------


def test_the_quality_report_counts_what_can_be_counted_by_hand():
    """Hours 0..99 without 10..12 and 20..29; row 50 is six minutes late; 60 and 61 are empty."""
    kept = np.setdiff1d(np.arange(100), [10, 11, 12, *range(20, 30)])
    timestamps = hours(100)[kept]
    timestamps[kept == 50] += HOUR // 10
    values = np.where(np.isin(kept, [60, 61]), np.nan, wave(100)[kept])
    result = run({"": (timestamps, values)}, max_gap=6)
    expected = {
        "missing_share": 0.15,
        "filled_rows": 5,
        "gaps": 3,
        "longest_gap_steps": 10,
        "gaps_beyond_limit": 1,
    }
    found = quality_of(result, "y")
    assert {key: found[key] for key in expected} == expected
    assert result.quality["rows"] == 87
    assert result.quality["grid_rows"] == 100
    assert result.quality["series"] == 1
    assert result.quality["median_step"] == "0 days 01:00:00"
    assert result.quality["off_grid_timestamps"] == 2
    assert result.quality["first_timestamp"] == "2020-01-01T00:00:00Z"
    assert result.quality["last_timestamp"] == "2020-01-05T03:00:00Z"


def test_preprocessor_and_report_are_plain_json():
    result = run(two_columns(40), WIDE, feature_mode="multivariate")
    for content in (result.preprocessor.to_json(), result.quality):
        assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_run_id_follows_data_and_params():
    base = run(two_columns(40), WIDE)
    assert base.preprocessor.run_id == run(two_columns(40), WIDE).preprocessor.run_id
    others = [
        run(two_columns(41), WIDE),
        run(two_columns(40), WIDE, fill="pchip"),
        run(two_columns(40), WIDE, max_gap=5),
        run(two_columns(40), WIDE, snap=0.4),
        run(two_columns(40), WIDE, scaler="minmax"),
        run(two_columns(40), WIDE, feature_mode="multivariate"),
    ]
    ids = [result.preprocessor.run_id for result in (base, *others)]
    assert len(set(ids)) == len(ids)


def test_equal_tables_give_equal_arrays_bit_by_bit():
    first, second = (
        run(two_columns(40), WIDE, feature_mode="multivariate", fill="pchip").arrays
        for _ in range(2)
    )
    for name, array in vars(first).items():
        assert array.tobytes() == getattr(second, name).tobytes()


# --- nothing at or after the origin ---------------------------------------------------------------

STEP = HOUR // 10  # timestamps of the property tests are whole tenths of a grid step
VALUE = st.one_of(
    st.just(np.nan), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, allow_subnormal=False)
)
TENTHS = st.sets(st.integers(0, 290), min_size=1, max_size=25).map(sorted)
FUTURES = st.sets(st.integers(0, 80), max_size=8).map(sorted)


def random_values(seed: int, rows: int, size: float = 1.0, missing: float = 0.2) -> np.ndarray:
    """Two columns with round and unround values, and this share of their cells missing."""
    rng = np.random.default_rng(seed)
    values = (
        np.where(
            rng.random((rows, 2)) < 0.5, rng.integers(-3, 4, (rows, 2)), rng.normal(size=(rows, 2))
        )
        * size
    )
    values[rng.random((rows, 2)) < missing] = np.nan
    return values


@st.composite
def panels(draw):
    """A panel of one to three series, and the same with all from an instant on replaced.

    The first series spans 300 tenths in both, the others less, so that the splits keep their
    instants; two fixed values keep its target from being constant.
    """
    instant = draw(st.integers(16, 30))
    before, after = {}, {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        timestamps, later = (
            draw(TENTHS),
            [time for time in draw(FUTURES) if instant * 10 + time < 300],
        )
        # Timestamps just before the instant may stand for the row at it, unless nearer ones follow.
        timestamps = sorted(
            {
                *timestamps,
                *(instant * 10 - early for early in draw(st.sets(st.integers(1, 5), max_size=2))),
            }
        )
        if name == "a":
            timestamps, later = sorted({0, 10, *timestamps, 300}), [*later, 300 - instant * 10]
        # Of series with few targets it depends on the future whether they have one at all.
        share = draw(st.sampled_from([0.2, 0.7]))
        values = random_values(draw(st.integers(0, 2**32 - 1)), len(timestamps), missing=share)
        if name == "a":
            values[[0, timestamps.index(10)]] = [[1.0, 2.0], [3.0, 4.0]]
        past = np.array(timestamps) < instant * 10
        if not past.any():
            continue  # a series that begins after the origin has no window there
        size = draw(st.sampled_from([1.0, 1e9]))
        future = random_values(draw(st.integers(0, 2**32 - 1)), len(later), size)
        other = np.append(
            np.array(timestamps)[past], instant * 10 + np.array(later, dtype=np.int64)
        )
        before[name] = (START + STEP * np.array(timestamps), values)
        after[name] = (START + STEP * other, np.concatenate([values[past], future]))
    return instant, before, after


OPTIONS = st.fixed_dictionaries(
    {
        "snap": st.sampled_from([0.0, 0.1, 0.3, 0.5, "interpolate", "auto"]),
        "fill": st.sampled_from(["linear", "pchip", "akima", "cubic", "seasonal"]),
        "season": st.sampled_from([None, 4]),
        "max_gap": st.integers(0, 6),
        "feature_mode": st.sampled_from(["univariate", "multivariate"]),
        "scaler": st.sampled_from(["standard", "minmax", "robust", "none"]),
        "scaler_scope": st.sampled_from(["global", "per_series", "auto"]),
        "was_missing": st.booleans(),
        "outliers": st.sampled_from(
            [
                OutliersParams(method=method, window=3, threshold=2.0)
                for method in ("off", "mark", "replace")
            ]
        ),
        "smoothing": st.sampled_from(
            [
                SmoothingParams(method=method, strength=strength)
                for method, strength in (("off", None), ("replace", 5.0), ("channel", 0.5))
            ]
        ),
    }
)


@settings(max_examples=200)
@given(panels(), OPTIONS)
def test_nothing_at_or_after_an_origin_changes_a_bit_of_its_window(case, options):
    """Origins in the validation and the test part, from the raw table to X."""
    instant, *tables = case
    first, second = (run(table, WIDE, train=0.5, validation=0.2, **options) for table in tables)
    names = [result.preprocessor.series for result in (first, second)]
    # A series is in a table if any of its cells has a value, whenever that is.
    if names[0] == names[1]:
        assert first.preprocessor.to_json() == second.preprocessor.to_json()
    assert (
        first.preprocessor.scaler.overall.to_json() == second.preprocessor.scaler.overall.to_json()
    )
    for name in {*names[0]} & {*names[1]}:
        windows = [
            inputs_at(result.arrays, result.preprocessor.series.index(name), START + HOUR * instant)
            for result in (first, second)
        ]
        rows = min(len(window[0]) for window in windows)
        (X, valid), (other_X, other_valid) = ((X[:rows], valid[:rows]) for X, valid in windows)
        assert X.tobytes() == other_X.tobytes()
        assert valid.tobytes() == other_valid.tobytes()
        assert not np.isnan(X[valid]).any()


def inputs_at(arrays, index: int, instant: int) -> tuple[np.ndarray, np.ndarray]:
    """X and validity of all rows of a series before `instant`, seen from there."""
    start, end = arrays.series_offsets[index : index + 2]
    origin = start + (instant - int(arrays.timestamps[start])) // HOUR
    known = min(end, origin) - start
    # A series that ends earlier has no rows up to the origin; those it has are seen from there.
    padding = ((0, max(origin - end, 0)), (0, 0))
    scaled, causal, known_at = (
        np.pad(array[start:end], padding)
        for array in (arrays.scaled, arrays.causal, arrays.known_at - start)
    )
    X = gather_inputs(scaled, causal, known_at, np.array([origin - start]), int(origin - start))[0]
    return X[:known], arrays.valid[start : start + known]


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["linear", "pchip", "akima", "cubic", "seasonal"]),
    st.sampled_from([0.0, 0.3, 0.5]),
    st.sampled_from(["off", "replace", "channel"]),
)
def test_nothing_after_the_training_part_changes_a_training_window(seed, fill, snap, smoothing):
    rng = np.random.default_rng(seed)
    timestamps = np.unique(np.append(rng.integers(0, 1200, 150), [0, 1200]))
    values = random_values(seed, len(timestamps))
    later = (
        START + STEP * timestamps >= START + HOUR * 85
    )  # the validation part begins at row 85 of 121
    other = values.copy()
    other[later] = rng.choice([np.nan, 1e6, -1e6, 0.0], size=(int(later.sum()), 2))
    options = {
        "feature_mode": "multivariate",
        "fill": fill,
        "snap": snap,
        "smoothing": SmoothingParams(method=smoothing, strength=None),
        "outliers": OutliersParams(method="replace", window=5, threshold=3.0),
    }
    found = []
    for column in (values, other):
        result = run({"": (START + STEP * timestamps, column)}, WIDE, **options)
        assert result.arrays.split_instants[0] == START + HOUR * 85
        found.append((result.preprocessor.to_json(), training_batch(result)))
    assert found[0][0] == found[1][0]
    for name, array in found[0][1].items():
        assert array.tobytes() == found[1][1][name].tobytes()


def training_batch(result: Preprocessed) -> dict[str, np.ndarray]:
    windows = make_windows_without_error(result)
    return vars(windows.gather_origins(windows.splits["train"]))


def make_windows_without_error(result: Preprocessed):
    """All windows, also where the perturbation leaves none in the test part."""
    arrays, scaler = result.arrays, result.preprocessor.scaler
    rows = len(arrays.timestamps)
    padded = arrays.observed.copy()
    padded[-20:] = True
    assert rows > 20
    valid = arrays.valid.copy()
    valid[85:] = True
    try:
        return make_windows(
            type(arrays)(**{**vars(arrays), "observed": padded, "valid": valid}),
            scaler,
            HOURLY,
            make_window_params(),
        )
    except TooLittleDataError:
        pytest.fail("the padded arrays hold a window in every part")


@pytest.mark.parametrize("hour", [0, 16])
def test_rows_on_closed_days_are_counted(hour):
    days = START + (np.arange(70) * 24 + hour) * HOUR
    found = run({"": (days, wave(70))}, frequency="B", week_mask="Mon-Sat").quality
    said = "10 of 70 timestamps are on a closed day"
    assert [said in text for text in found["warning_summary"]].count(True) == 1
    open_days = days[(days // (24 * HOUR) + 3) % 7 < 6]  # 1970-01-01 was a Thursday.
    found = run({"": (open_days, wave(60))}, frequency="B", week_mask="Mon-Sat").quality
    assert not any("closed" in text for text in found["warnings"])
