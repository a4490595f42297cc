"""Every clock through the whole flow: raw rows, windows, the timestamps of forecasts, no leak."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import bind
from spline_lstm.core.clock_params import parse_clock
from spline_lstm.core.errors import SchemaError
from spline_lstm.core.params_data import SplitParams
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema
from spline_lstm.core.yaml_files import render_params
from spline_lstm.evaluation.leakage import audit, build
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.reading import history_frame
from spline_lstm.series.preprocess import Preprocessed, preprocess
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.gather import gather_inputs
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import make_windows
from stages import evaluate, ingest, report, train_flax_rnn, window
from stages import preprocess as preprocess_stage
from tests.builders import ROOT, make_preprocess_params, make_schema, make_table, make_window_params

BERLIN = "Europe/Berlin"
LOOKBACK, HORIZON = 5, 3
# Frequency, time zone, closed days: one of each kind, and days of unequal length.
CLOCKS = [
    ("1h", None, ()),
    ("1h", BERLIN, ()),
    ("24h", BERLIN, ()),
    ("D", BERLIN, ()),
    ("D", "America/Santiago", ()),
    ("B", None, ("US",)),
    ("B+16h", "America/New_York", ("NYSE",)),
    ("W-SUN", BERLIN, ()),
    ("ME", None, ()),
    ("MS+14D", BERLIN, ()),
    ("QS-OCT", None, ()),
    ("observed B", None, ()),
    ("observed", BERLIN, ()),
    ("index 10", None, ()),
]


def schema_of(frequency: str, **changes) -> Schema:
    """Column `time`, target `y`; whole numbers if the frequency counts them."""
    if frequency.startswith("index"):
        changes["table_format"] = {"timestamp_format": "index"}
    return make_schema(**changes)


def instants_of(frequency: str, start: str, rows: int, zone: str | None = None) -> np.ndarray:
    """Timestamps that pandas gives, int64 ns."""
    dates = pd.date_range(start, periods=rows, freq=frequency, tz=zone or "UTC")
    return dates.as_unit("ns").asi8.copy()


def one_series(timestamps: np.ndarray) -> RawTable:
    """Values that repeat every seven rows, and rise."""
    rows = np.arange(len(timestamps))
    return make_table({"": (timestamps, np.sin(rows * 2 * np.pi / 7) + rows / 100)})


@pytest.mark.parametrize(("frequency", "warned"), [("ME", True), ("MS", False)])
def test_dates_beside_the_rows_of_a_calendar_are_a_warning(frequency, warned):
    timestamps = instants_of("MS", "2010-01-01", 120)
    params = make_preprocess_params(frequency=frequency, max_missing=0.3)
    quality = preprocess(one_series(timestamps), make_schema(), params, where="table").quality
    lines = [text for text in quality["warnings"] if "beside the rows of the clock ME" in text]
    assert bool(lines) == warned
    assert all(line.startswith("120 of 120 timestamps") for line in lines)


def forecast_dates(
    timestamps: np.ndarray,
    frequency: str,
    zone: str | None = None,
    holidays: tuple[str, ...] = (),
    history: int | None = None,
) -> list[str]:
    """Texts of the rows that follow the first `history` rows (by default all of them)."""
    params = make_preprocess_params(frequency=frequency, holidays=holidays, max_missing=0.3)
    made = preprocess(
        one_series(timestamps),
        make_schema(),
        params,
        where="table",
        reading=Reading(time_zone=zone),
    )
    fitted = Preprocessor.from_json(json.loads(json.dumps(made.preprocessor.to_json())))
    rows = pd.DatetimeIndex(timestamps[:history].view("datetime64[ns]"), tz="UTC")
    frame = pd.DataFrame({"time": rows, "y": np.arange(len(rows)) * 0.5})
    inputs = serving_inputs(
        fitted, history_frame(fitted, frame, "h"), lookback=LOOKBACK, horizon=HORIZON
    )
    return fitted.clock.extended(timestamps).texts_of(inputs.timestamps[0])


# --- the timestamps of forecasts ------------------------------------------------------------------


def test_after_the_end_of_january_come_the_ends_of_february_and_march():
    timestamps = instants_of("ME", "2015-01-31", 109)
    assert forecast_dates(timestamps, "ME") == [
        "2024-02-29T00:00:00Z",
        "2024-03-31T00:00:00Z",
        "2024-04-30T00:00:00Z",
    ]


def test_business_days_leave_out_weekends_and_holidays():
    # 4 July 2024 is a Thursday on which the exchange is closed.
    timestamps = instants_of("B", "2023-01-02", 392)
    timestamps = timestamps[parse_clock("B", holidays=("NYSE",)).locate(timestamps)[1] == 0]
    assert pd.Timestamp(timestamps[-1]) == pd.Timestamp("2024-07-02")
    assert forecast_dates(timestamps, "B", holidays=("NYSE",)) == [
        "2024-07-03T00:00:00Z",
        "2024-07-05T00:00:00Z",
        "2024-07-08T00:00:00Z",
    ]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2023-12-01", ["2024-03-30T00:00:00+01:00", "2024-03-31T00:00:00+01:00",
                        "2024-04-01T00:00:00+02:00"]),
        ("2024-06-29", ["2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00",
                        "2024-10-29T00:00:00+01:00"]),
    ],
)  # fmt: skip
def test_days_of_a_zone_start_at_midnight_across_both_changes_of_clocks(start, expected):
    assert forecast_dates(instants_of("D", start, 120, BERLIN), "D", BERLIN) == expected


def test_hours_of_a_zone_are_an_hour_apart_across_a_change_of_clocks():
    timestamps = instants_of("1h", "2024-03-25", 146, BERLIN)
    assert forecast_dates(timestamps, "1h", BERLIN) == [
        "2024-03-31T03:00:00+02:00",
        "2024-03-31T04:00:00+02:00",
        "2024-03-31T05:00:00+02:00",
    ]


def test_observed_dates_are_rows_and_a_rule_follows_them():
    timestamps = instants_of("B", "2023-01-02", 200)
    timestamps = np.delete(timestamps, [37, 38, 90])
    dates = forecast_dates(timestamps, "observed B", history=35)
    # From within the dates that training has seen, the dates that follow, two of them left out.
    assert dates == [f"2023-02-{day}T00:00:00Z" for day in (20, 21, 24)]
    later = forecast_dates(timestamps, "observed B")
    expected = pd.bdate_range(pd.Timestamp(timestamps[-1]), periods=4)[1:]
    assert later == [f"{day:%Y-%m-%d}T00:00:00Z" for day in expected]


def test_dates_that_only_the_history_has_are_rows_of_an_observed_clock():
    timestamps = np.delete(instants_of("B", "2023-01-02", 200), [153, 154])
    fitted = made_of(one_series(timestamps[:150]), "observed B", None).preprocessor
    dates = pd.DatetimeIndex(timestamps[:160].view("datetime64[ns]"), tz="UTC")
    frame = pd.DataFrame({"time": dates, "y": np.arange(160.0)})
    inputs = serving_inputs(fitted, history_frame(fitted, frame, "h"), lookback=10, horizon=HORIZON)
    known = fitted.target_scaler.inverse(inputs.X[:, :, 0, None].astype(np.float64))
    np.testing.assert_allclose(known[0, :, 0], np.arange(150, 160), atol=1e-4)
    expected = pd.bdate_range(dates[-1], periods=4)[1:]
    assert inputs.timestamps[0].tolist() == expected.as_unit("ns").asi8.tolist()


def test_an_index_counts_in_its_step_and_has_gaps_but_no_calendar():
    numbers = 100 + 10 * np.delete(np.arange(200), [50, 51, 120])
    params = make_preprocess_params(frequency="index 10")
    made = preprocess(one_series(numbers), schema_of("index 10"), params, where="table")
    assert made.arrays.timestamps.tolist() == list(range(100, 2100, 10))
    assert np.flatnonzero(~made.arrays.observed[:, 0]).tolist() == [50, 51, 120]
    assert made.quality["median_step"] == "10"
    assert (made.quality["first_timestamp"], made.quality["last_timestamp"]) == ("100", "2090")
    schema = schema_of("index 10", calendar_features={"enabled": True, "features": ["hour_sin"]})
    with pytest.raises(SchemaError, match="counts rows, which have no calendar"):
        preprocess(
            one_series(numbers),
            schema,
            params.model_copy(update={"feature_mode": "multivariate"}),
            where="table",
        )


def test_a_clock_of_instants_needs_instants_and_an_index_whole_numbers():
    numbers = make_preprocess_params(frequency="index 10")
    with pytest.raises(SchemaError, match="are instants, but preprocess.frequency is index 10"):
        preprocess(one_series(np.arange(0, 999, 10)), make_schema(), numbers, where="table")
    with pytest.raises(SchemaError, match="are whole numbers, but preprocess.frequency is 1h"):
        preprocess(
            one_series(np.arange(0, 999, 10)),
            schema_of("index"),
            make_preprocess_params(),
            where="table",
        )


# --- grid, gaps, seasons, calendar ----------------------------------------------------------------


def made_of(table: RawTable, frequency: str, zone: str | None, **params) -> Preprocessed:
    return preprocess(
        table,
        schema_of(frequency),
        make_preprocess_params(frequency=frequency, **params),
        where="table",
        reading=Reading(time_zone=zone),
    )


def test_weekends_and_holidays_are_no_gaps_of_business_days():
    clock = parse_clock("B", holidays=("NYSE",))
    timestamps = clock.range(*(pd.Timestamp(day).value for day in ("2023-01-02", "2024-06-28")))
    made = made_of(one_series(timestamps), "B", None, holidays=("NYSE",), max_missing=0.01)
    assert made.arrays.observed.all()
    assert made.arrays.timestamps.tolist() == timestamps.tolist()
    assert made.quality["columns"][0]["missing_share"] == 0
    assert made.quality["off_grid_timestamps"] == 0


@pytest.mark.parametrize(
    ("frequency", "season"),
    [("ME", 12), ("QS", 4), ("B", 5), ("D", 7), ("1h", 24), ("6h", 4)],
)
def test_the_season_that_is_found_is_one_of_the_clock(frequency, season):
    timestamps = instants_of(frequency, "1990-01-01", 40 * season)
    rows = np.arange(len(timestamps))
    table = make_table({"": (timestamps, np.sin(rows * 2 * np.pi / season))})
    made = made_of(table, frequency, None, fill="seasonal")
    assert made.preprocessor.seasons == {"y": season}


def test_calendar_features_are_those_of_the_wall_clock():
    timestamps = instants_of("1h", "2024-03-29", 240, BERLIN)
    schema = make_schema(
        calendar_features={"enabled": True, "features": ["hour_sin", "is_holiday"], "country": "DE"}
    )
    params = make_preprocess_params(frequency="1h", feature_mode="multivariate")
    arrays = preprocess(
        one_series(timestamps), schema, params, where="table", reading=Reading(time_zone=BERLIN)
    ).arrays
    local = pd.DatetimeIndex(timestamps.view("datetime64[ns]"), tz="UTC").tz_convert(BERLIN)
    np.testing.assert_allclose(arrays.scaled[:, 1], np.sin(2 * np.pi * local.hour / 24), atol=1e-6)
    # Good Friday and Easter Monday 2024, from midnight to midnight in Berlin.
    free = pd.Index(local.strftime("%Y-%m-%d")).isin(["2024-03-29", "2024-04-01"])
    assert arrays.scaled[:, 2].astype(bool).tolist() == free.tolist()


def test_dates_of_a_split_are_instants_of_the_zone_or_numbers_of_an_index():
    timestamps = instants_of("D", "2024-01-01", 200, BERLIN)
    split = SplitParams(dates=("2024-05-01", "2024-06-01"))
    made = made_of(one_series(timestamps), "D", BERLIN, split=split)
    texts = made.preprocessor.clock.texts_of(made.preprocessor.split_instants)
    assert texts == ["2024-05-01T00:00:00+02:00", "2024-06-01T00:00:00+02:00"]
    numbers = SplitParams(dates=(1000, 1505))
    made = made_of(one_series(np.arange(0, 2000, 10)), "index 10", None, split=numbers)
    assert made.preprocessor.split_instants.tolist() == [1000, 1510]


# --- windows and serving, on any clock ------------------------------------------------------------


@st.composite
def clocks(draw) -> tuple[Clock, str, str | None, tuple[str, ...]]:
    """A clock anchored to some day, and how the params ask for it."""
    frequency, zone, closed = draw(st.sampled_from(CLOCKS))
    clock = parse_clock(frequency, zone=zone, holidays=closed)
    first = draw(st.integers(0, 20_000)) * 10
    if clock.kind != "index":
        first = int(pd.Timestamp("1995-01-01").value) + first * 36 * 10**12
    if clock.kind == "observed":
        rule = clock.rule or parse_clock("D", zone=zone)
        return rule.anchored(first), frequency, zone, closed
    return clock.anchored(first), frequency, zone, closed


@st.composite
def tables(draw) -> tuple[RawTable, str, str | None, tuple[str, ...]]:
    """Two series of a clock with gaps; some timestamps lie between rows, if the clock has rows."""
    clock, frequency, zone, closed = draw(clocks())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    jitter = 0.0 if frequency.startswith("observed") else draw(st.sampled_from([0.0, 0.2, 0.6]))
    series = {}
    for number, name in enumerate(("a", "b")):
        rows = np.flatnonzero(rng.random(110) > 0.15) + 3 * number
        places = rows + jitter * rng.random(len(rows))
        values = np.sin(rows / 3) + rng.normal(size=len(rows)) * 0.1
        series[name] = (np.unique(clock.timestamps_of(places)), values)
    shortest = {name: min(len(times), len(values)) for name, (times, values) in series.items()}
    table = make_table({k: (t[: shortest[k]], v[: shortest[k]]) for k, (t, v) in series.items()})
    return table, frequency, zone, closed


FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(tables(), st.sampled_from(["pchip", "cubic", "seasonal"]))
def test_no_window_knows_the_future_on_any_clock(case, fill):
    table, frequency, zone, closed = case
    params = make_preprocess_params(
        frequency=frequency, holidays=closed, fill=fill, season=7 if fill == "seasonal" else None
    )
    clock = bind(params.clock(zone), table.timestamps)
    schema = schema_of(frequency, series_col="s")
    result = audit(
        table, schema, params, make_window_params(), clock=clock, origins=3, seed=len(table.values)
    )
    assert sum(result.compared.values()) >= 6
    assert result.differences == ()


@FEW
@given(tables())
def test_rows_of_any_clock_are_windows_and_history_gives_them_again(case):
    table, frequency, zone, closed = case
    params = make_preprocess_params(frequency=frequency, holidays=closed)
    clock = bind(params.clock(zone), table.timestamps)
    schema = schema_of(frequency, series_col="s")
    fitted, arrays = build(table, schema, params, clock=clock)
    assert Clock.from_json(json.loads(json.dumps(clock.to_json()))) == clock
    windows = make_windows(arrays, fitted.scaler, clock, make_window_params(), needed=())
    embargo = windows.horizon
    bounds = clock.first_rows(arrays.split_instants)
    for (name, origins), begin, end in zip(
        windows.splits.items(), (None, *bounds), (*bounds, None), strict=True
    ):
        rows = clock.locate(arrays.timestamps[origins])[0]
        assert begin is None or (rows >= begin + embargo).all(), name
        assert end is None or (rows + windows.horizon <= end).all(), name
    if clock.kind == "index":
        return
    origin = int(windows.origins[-1])
    instant = int(arrays.timestamps[origin])
    known = table.timestamps < instant
    frame = pd.DataFrame(
        {
            "time": pd.DatetimeIndex(table.timestamps[known].view("datetime64[ns]"), tz="UTC"),
            "s": np.array(table.series_names)[table.series[known]],
            "y": table.values[known, 0],
        }
    )
    name = table.series_names[arrays.row_series[origin]]
    frame = frame[frame["s"] == name]
    last = frame["time"].iloc[-1].as_unit("ns").value
    if clock.locate(np.array([last]))[0][0] + 1 != clock.locate(np.array([instant]))[0][0]:
        return
    inputs = serving_inputs(fitted, history_frame(fitted, frame, "h"), lookback=LOOKBACK, horizon=2)
    expected = gather_inputs(
        arrays.scaled, arrays.causal, arrays.known_at, np.array([origin]), LOOKBACK
    )
    assert inputs.X.tobytes() == expected.tobytes()
    assert inputs.timestamps[0].tolist() == arrays.timestamps[origin : origin + 2].tolist()


# --- the stages -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("times", "values", "first", "words"),
    [
        (
            np.delete(np.arange(1000, 4000, 10), [40, 41]),
            {"preprocess.frequency": "index 10"},
            "1120",
            "rows of index 10",
        ),
        (
            pd.bdate_range("2023-01-02", periods=300).delete([40, 80]).strftime("%Y-%m-%d"),
            {"preprocess.frequency": "observed", "data.time_zone": BERLIN},
            "2023-01-18T00:00:00+01:00",
            "The grid is the dates that occur in the data; after them it follows B.",
        ),
    ],
    ids=["index", "observed"],
)
def test_the_stages_run_from_a_file_to_the_report(
    times, values, first, words, tmp_path, no_pictures
):
    rows = np.arange(len(times))
    frame = pd.DataFrame(
        {"time": times, "y": np.round(np.sin(rows * 2 * np.pi / 7) + rows / 50, 4)}
    )
    (tmp_path / "data/source").mkdir(parents=True)
    frame.to_csv(tmp_path / "data/source/table.csv", index=False)
    schema = {"version": 1, "timestamp_col": "time", "target_cols": ["y"]}
    if "index 10" in values.values():
        schema["table_format"] = {"timestamp_format": "index"}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    values = {
        "data.source": "data/source/table.csv",
        "data.schema_file": "schema.json",
        "window.lookback": 12,
        "window.horizon": 3,
        "model.type": "linear",
        "evaluate.season": None,
        **values,
    }
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(render_params(text, values), encoding="utf-8")
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    for stage in (ingest, preprocess_stage, window, train_flax_rnn, evaluate, report):
        stage.main(tmp_path)
    splits = json.loads((tmp_path / "metrics/evaluate.json").read_text())["splits"]
    assert splits[0]["first"] == first
    assert words in (tmp_path / "plots/report.md").read_text(encoding="utf-8")
    forecasts = pd.read_parquet(tmp_path / "data/predictions.parquet")
    steps = forecasts[forecasts["origin"] == forecasts["origin"].iloc[0]]
    known = set(pd.DatetimeIndex(times).tz_localize(BERLIN)) if words[0] == "T" else set(times)
    assert set(steps["timestamp"]) <= known
