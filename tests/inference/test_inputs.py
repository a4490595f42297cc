import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import DataContractError, MissingCovariateError, TooLittleDataError
from spline_lstm.core.params_data import OutliersParams, SmoothingParams
from spline_lstm.core.reading import Reading
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.reading import future_frame, history_frame
from spline_lstm.series.preprocess import preprocess
from spline_lstm.tables.frames import plain_frame
from spline_lstm.tables.raw_table import typed_table
from spline_lstm.windows.gather import gather_future, gather_inputs
from spline_lstm.windows.origins import find_origins
from tests.builders import HOUR, START, make_preprocess_params, make_schema

LOOKBACK, HORIZON = 5, 3
SCHEMA = make_schema(
    series_col="shop",
    target_cols=["y", "z"],
    dynamic_covariates=[
        {"name": "temp"},
        {"name": "open", "dtype": "boolean", "known_future": True, "missing": "zero"},
        {"name": "price", "known_future": True},
        {"name": "kind", "dtype": "categorical"},
        {
            "name": "weather",
            "dtype": "categorical",
            "encoding": "embedding",
            "dim": 2,
            "missing": "unknown_token",
        },
    ],
    calendar_features={"enabled": True, "features": ["hour_sin", "dow_cos"]},
    static_covariates=[{"name": "region", "dim": 2}, {"name": "shop", "dim": 2}],
)


DELAYS = {"temp": 2, "kind": 1, "weather": 3}
DELAYED = SCHEMA.model_copy(
    update={
        "dynamic_covariates": tuple(
            item.model_copy(update={"delay": DELAYS.get(item.name, 0)})
            for item in SCHEMA.dynamic_covariates
        )
    }
)


def raw_frame(seed: int, rows: int = 130, jitter: float = 0.0) -> pd.DataFrame:
    """Three shops: a daily course, noise, missing values and rows.

    Timestamps are off the hour by up to `jitter` hours.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for number, shop in enumerate(("a", "b", "c")):
        hours = np.arange(rows) + 7 * number
        part = pd.DataFrame(
            {
                "time": pd.to_datetime(
                    START + hours * HOUR + (rng.uniform(0, jitter, rows) * HOUR).astype("int64")
                ),
                "shop": shop,
                "y": 10 * np.sin(hours * np.pi / 12)
                + rng.normal(size=rows)
                + 100 * (rng.random(rows) < 0.02),
                "z": rng.normal(size=rows).cumsum(),
                "temp": rng.normal(size=rows),
                "open": rng.integers(0, 2, rows).astype(bool),
                "price": rng.normal(size=rows),
                "kind": rng.choice(["x", "y", "z"], rows),
                "weather": rng.choice(["sun", "rain"], rows),
                "region": "north" if number else "south",
            }
        )
        for name in ("y", "z", "temp", "kind"):
            part[name] = part[name].mask(rng.random(rows) < 0.15)
        parts.append(part[(rng.random(rows) < 0.9) | (np.arange(rows) < 2)])
    return pd.concat(parts, ignore_index=True)


def preprocessed(frame, schema=SCHEMA, **options):
    params = make_preprocess_params(**{"feature_mode": "multivariate", "max_gap": 4, **options})
    table = typed_table(
        plain_frame(frame, schema, "raw"),
        schema,
        where="raw",
        reading=Reading(duplicates="last"),
    )
    result = preprocess(table, schema, params, where="raw", reading=Reading(duplicates="last"))
    return result, result.preprocessor, table


def served(preprocessor, history, future=None, **lengths):
    return serving_inputs(
        preprocessor,
        history_frame(preprocessor, history, "history"),
        future=None if future is None else future_frame(preprocessor, future, "future"),
        **{"lookback": LOOKBACK, "horizon": HORIZON, **lengths},
    )


OPTIONS = {
    "fill": st.sampled_from(["linear", "pchip", "akima", "cubic", "seasonal"]),
    "outliers": st.builds(
        OutliersParams,
        method=st.sampled_from(["off", "mark", "replace"]),
        window=st.sampled_from([3, 12]),
        threshold=st.just(4.0),
    ),
    "smoothing": st.builds(
        SmoothingParams,
        method=st.sampled_from(["off", "replace", "channel"]),
        strength=st.sampled_from([None, 2.0]),
    ),
    "scaler": st.sampled_from(["standard", "robust", "minmax"]),
    "scaler_scope": st.sampled_from(["global", "per_series"]),
    "was_missing": st.booleans(),
    "snap": st.sampled_from([0.2, 0.5]),
    "season": st.sampled_from([None, 24]),
    "feature_mode": st.sampled_from(["multivariate", "univariate"]),
}


@settings(max_examples=16)
@given(
    options=st.fixed_dictionaries(OPTIONS),
    seed=st.integers(0, 99),
    jitter=st.sampled_from([0.0, 0.9]),
    place=st.floats(0.3, 1.0),
    late=st.booleans(),
    start=st.sampled_from(["end", "last-observed", "timestamp"]),
)
def test_history_cut_at_an_origin_gives_the_window_of_the_pipeline(
    options, seed, jitter, place, late, start
):
    frame = raw_frame(seed, jitter=jitter)
    result, preprocessor, table = preprocessed(frame, DELAYED if late else SCHEMA, **options)
    arrays = result.arrays
    candidates = find_origins(arrays, LOOKBACK, HORIZON)
    instant = int(arrays.timestamps[candidates[int(place * (len(candidates) - 1))]])
    before = frame["time"].astype("datetime64[ns]").astype("int64") < instant
    compared = 0
    for shop in ("a", "b", "c"):
        own = frame["shop"] == shop
        begin, end = arrays.series_offsets[table.series_names.index(shop) :][:2].tolist()
        history, future = frame[before & own], frame[~before & own]
        if start == "last-observed":
            history = history[history[["y", "z"]].notna().any(axis=1)]
        if history.empty:
            continue
        last = int(history["time"].astype("datetime64[ns]").astype("int64").max())
        row = begin + (last - int(arrays.timestamps[begin])) // HOUR + 1
        if start == "timestamp":
            row = begin + (instant - int(arrays.timestamps[begin])) // HOUR
        if row not in candidates or row >= end:
            continue
        times = frame["time"].astype("datetime64[ns]").astype("int64")
        if start == "last-observed":
            # Rows without targets follow, as in a file that is filled in later.
            blank = times > last
            history = frame.assign(**{name: frame[name].mask(blank) for name in ("y", "z")})[own]
            future = None
        if start == "timestamp":
            history, future = frame[own], None
        if late:
            # What is published late is not in the file yet.
            for name, delay in DELAYS.items():
                unknown = times >= int(arrays.timestamps[row]) - delay * HOUR
                history = history.assign(**{name: history[name].mask(unknown)})
        given = pd.Timestamp(instant) if start == "timestamp" else start
        inputs = served(preprocessor, history, future, start=given, absent="blank")
        moved = int(history["time"].astype("datetime64[ns]").astype("int64").max()) >= int(
            arrays.timestamps[row]
        )
        assert len(inputs.notes) == int(moved)
        assert inputs.series == (shop,)
        assert inputs.timestamps[:, 0].tolist() == [int(arrays.timestamps[row])]
        origin = np.array([row])
        X = gather_inputs(arrays.scaled, arrays.causal, arrays.known_at, origin, LOOKBACK)
        X_future = gather_future(arrays.scaled, origin, HORIZON, arrays.future_indices)
        assert inputs.X.tobytes() == X.tobytes()
        assert inputs.X_future.tobytes() == X_future.tobytes()
        assert inputs.X_static.tolist() == [
            arrays.static_ids[table.series_names.index(shop)].tolist()
        ]
        compared += 1
    assume(compared)


def small_frame(rows=60):
    """One shop, hourly, y = z = row, price = 2 row, open every other row."""
    number = np.arange(rows)
    columns = {
        "y": number + 0.0,
        "z": number % 7 + 0.0,
        "temp": 1.0 * (number % 3),
        "open": number % 2,
    }
    columns |= {
        "price": 2.0 * number,
        "kind": "x",
        "weather": "sun",
        "region": "north",
        "shop": "a",
    }
    return pd.DataFrame({"time": pd.to_datetime(START + number * HOUR, utc=True), **columns})


@pytest.fixture(scope="module")
def shop():
    return preprocessed(small_frame())[1]


def test_the_origin_is_the_first_grid_row_after_the_last_timestamp(shop):
    frame = small_frame(70)
    for late, origin in ((0, 41), (20, 41), (40, 41)):
        history = frame[:41].copy()
        history.loc[40, "time"] += pd.Timedelta(minutes=late)
        assert served(shop, history, frame).timestamps[:, 0].tolist() == [START + origin * HOUR]


def test_frames_with_text_timestamps_or_an_index_give_the_same_inputs(shop):
    frame = small_frame()
    history, future = frame[:40], frame[40:]
    expected = served(shop, history, future).X.tobytes()
    text = history.assign(time=history["time"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    assert (
        served(shop, text, future.assign(time=future["time"].dt.tz_localize(None))).X.tobytes()
        == expected
    )
    assert (
        served(
            shop, history.set_index(["shop", "time"]), future.set_index(["shop", "time"])
        ).X.tobytes()
        == expected
    )
    csv = history.to_csv(index=False).encode()
    assert served(shop, csv, future.to_csv(index=False).encode()).X.tobytes() == expected


def test_values_known_in_advance_are_handed_on(shop):
    frame = small_frame()
    inputs = served(shop, frame[:40], frame[40:43])
    price = [str(shop.features[index]) for index in shop.future_indices].index("price")
    center, scale = (
        getattr(shop.scaler, key)[shop.features.index("price")] for key in ("center", "scale")
    )
    np.testing.assert_allclose(
        inputs.X_future[0, :, price] * scale + center, [80.0, 82.0, 84.0], rtol=1e-6
    )


def test_a_short_history_says_how_many_rows_are_missing(shop):
    frame = small_frame()
    with pytest.raises(
        TooLittleDataError,
        match=r"series 'a': 2 of the 5 rows before 2020-01-01T03:00:00Z are missing",
    ):
        served(shop, frame[:3], frame[3:])


def test_a_long_gap_in_the_lookback_is_named(shop):
    frame = small_frame()
    frame.loc[30:37, "y"] = np.nan
    with pytest.raises(
        TooLittleDataError,
        match=r"3 of the 5 rows .* 3 of them in a gap of a target beyond .*max_gap 4",
    ):
        served(shop, frame[:40], frame[40:])
    assert served(shop, frame[:45], frame[45:]).X.shape == (1, 5, len(shop.features))


def test_what_is_known_in_advance_must_cover_the_horizon(shop):
    frame = small_frame()
    with pytest.raises(
        MissingCovariateError, match=r"'price' .* no value at 2020-01-02T18:00:00Z; give"
    ) as caught:
        served(shop, frame[:40], frame[40:42])
    # `open` is not named: by the schema an empty cell of it is zero.
    assert "open" not in str(caught.value)
    with pytest.raises(
        MissingCovariateError, match=r"'price' .* 2020-01-02T16:00:00Z, 2020-01-02T17"
    ):
        served(shop, frame[:40])
    with pytest.raises(MissingCovariateError, match="required covariate 'price'"):
        served(shop, frame[:40], frame[40:].drop(columns="price"))


def test_a_bad_cell_of_what_is_known_in_advance_is_named_by_its_own_row(shop):
    frame = small_frame()
    future = frame[40:].assign(price=frame["price"].astype(object))
    future.loc[42, "price"] = "dear"
    with pytest.raises(DataContractError, match=r"^future row 2: column 'price' contains 'dear'"):
        served(shop, frame[:40], future)
    timestamps = frame[40:].assign(time=frame["time"].dt.strftime("%Y-%m-%d %H:%M"))
    timestamps.loc[41, "time"] = "noon"
    with pytest.raises(DataContractError, match=r"^future row 1: timestamp 'noon'"):
        served(shop, frame[:40], timestamps)
    # Rows before the origin are ignored, whatever they contain.
    assert served(shop, frame[:45], future).X_future.shape[1] == 3


def test_only_what_the_model_reads_is_required(shop):
    frame = small_frame()
    with pytest.raises(MissingCovariateError, match="required covariate 'temp'"):
        served(shop, frame[:40].drop(columns="temp"), frame[40:])
    univariate = preprocessed(frame, feature_mode="univariate")[1]
    assert served(univariate, frame.loc[:39, ["time", "shop", "y", "z"]]).X.shape == (1, 5, 2)


def test_a_series_that_training_did_not_see_has_the_unknown_ids_and_the_common_scaling():
    _, preprocessor, _ = preprocessed(raw_frame(0), scaler_scope="per_series")
    frame = small_frame().assign(shop="new", region="west")
    inputs = served(preprocessor, frame[:40], frame[40:])
    assert inputs.X_static.tolist() == [[0, 0]]
    assert inputs.scaler_rows.tolist() == [-1]
    center, scale = (
        preprocessor.scaler.center[-1, 0],
        preprocessor.scaler.scale[-1, 0],
    )
    np.testing.assert_allclose(inputs.X[0, :, 0] * scale + center, [35, 36, 37, 38, 39], rtol=1e-5)


def test_serving_imports_no_jax_and_none_of_what_only_some_tables_need():
    code = "import sys, spline_lstm.inference.inputs; print(sorted({%s} & set(sys.modules)))"
    heavy = (
        "'jax', 'tensorflow', 'scipy.interpolate', 'scipy.signal', 'scipy.ndimage', "
        "'scipy.optimize', 'pandera.api'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def two_shops():
    """Shop a goes on to the end; b has ended 40 rows before, c has 3 rows, d no target."""
    frame = small_frame(80)
    early = frame[:40].assign(shop="b")
    late = frame[-3:].assign(shop="c")
    silent = frame.assign(shop="d", y=np.nan, z=np.nan)
    return pd.concat([frame, early, late, silent], ignore_index=True)


LEFT_OUT = (
    "history: series 'c' has 3 rows from the first to the last observed target, but needs 5; it "
    "has no forecast",
    "history: series 'd' has no observed target, but needs 5; it has no forecast",
)
ENDED = (
    "history, series 'b': ends 40 rows before 2020-01-04T08:00:00Z, where the forecast starts, but "
    "needs the 5 rows before it; give newer rows or another start; it has no forecast"
)


def test_series_without_a_forecast_are_left_out_by_name():
    frame = two_shops()
    preprocessor = preprocessed(frame)[1]
    ahead = small_frame(90)[80:]
    future = pd.concat([ahead, ahead.assign(shop="b")])
    inputs = served(preprocessor, frame, future, start="2020-01-04 08:00")
    assert inputs.series == ("a",)
    assert inputs.warnings == (*LEFT_OUT, ENDED)
    # By default each series goes on after its own end.
    inputs = served(preprocessor, frame, pd.concat([small_frame(45)[40:].assign(shop="b"), ahead]))
    assert inputs.series == ("a", "b")
    assert inputs.warnings == LEFT_OUT
    assert inputs.notes[0] == (
        "the series end at different rows: 1 forecast starts at 2020-01-04T08:00:00Z, 'b' at "
        "2020-01-02T16:00:00Z"
    )
    # A start in the middle is before all that is known of c.
    inputs = served(preprocessor, frame[frame["shop"] != "c"], start="2020-01-02 12:00")
    assert inputs.series == ("a", "b")


def test_a_start_before_a_series_leaves_it_out():
    frame = pd.concat([small_frame(80), small_frame(80)[40:].assign(shop="b")])
    inputs = served(preprocessed(frame)[1], frame, start="2020-01-02 12:00")
    assert inputs.series == ("a",)
    assert [text.split(": ")[0] for text in inputs.warnings] == ["history, series 'b'"]


@pytest.mark.parametrize("policy", ["skip", "error"])
def test_no_series_left_or_the_policy_error_is_an_error(policy):
    frame = small_frame(80)
    both = pd.concat([frame, frame[:40].assign(shop="b")])
    preprocessor = replace(preprocessed(both)[1], short_series=policy)
    start = "2020-01-04 08:00" if policy == "error" else "2020-03-01"
    with pytest.raises(TooLittleDataError) as caught:
        served(preprocessor, both, start=start)
    assert [line.split(":")[0] for line in caught.value.lines] == (
        ["history, series 'b'"]
        if policy == "error"
        else ["history, series 'a'", "history, series 'b'"]
    )


def test_many_series_without_a_forecast_take_few_lines():
    frame = small_frame(20)
    short = [frame[-2:].assign(shop=f"s{number:02}") for number in range(30)]
    frame = pd.concat([frame, *short])
    warnings = served(preprocessed(frame)[1], frame, small_frame(30)[20:]).warnings
    assert len(warnings) == 9
    assert warnings[-1].startswith("22 more series for such reasons: 's08', ")
    assert warnings[-1].endswith("'s15', and 14 others; it has no forecast")
