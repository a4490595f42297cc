"""What a window of daily bars contains, and which split it belongs to."""

import numpy as np
import pytest

import spline_lstm
from spline_lstm.core.artifacts import write_arrays
from spline_lstm.core.errors import ArtifactError, TooLittleDataError
from spline_lstm.core.params_file import params_text
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.market.audit import audit_bars
from spline_lstm.market.bars import bars_of
from spline_lstm.market.features import LONGEST, NAMES, daily_features
from spline_lstm.market.preprocess import preprocess_bars
from spline_lstm.market.windows import (
    DirectionWindows,
    direction_window_files,
    label_ends,
    load_direction_windows,
    make_direction_windows,
    windows_of_days,
)
from spline_lstm.windows.windows import SPLITS
from tests.market.builders import direction_params, direction_schema, read

HORIZON = 5


def days(frame):
    return np.unique(read(frame).timestamps)


def test_a_batch_has_the_scaled_features_of_its_last_days(frame, params, preprocessed, windows):
    batch = windows.gather("validation")
    assert batch.X.shape[1:] == (20, len(NAMES))
    assert batch.X.dtype == np.float32
    assert np.isfinite(batch.X).all()
    for row in (0, len(batch.X) - 1):
        bars = bars_of(read(frame), params.direction.columns)[int(batch.series[row])]
        last = int(np.searchsorted(bars.timestamps, batch.origin_time[row]))
        expected = windows.scaler.transform(daily_features(bars)[last - 19 : last + 1])
        np.testing.assert_array_equal(batch.X[row], expected.astype(np.float32))


def test_the_label_is_whether_the_adjusted_close_rises_enough(frame, windows):
    batch = windows.gather("test")
    own = frame.set_index(["symbol", "date"])["adj_close"]
    names = sorted(frame["symbol"].unique())
    for row in (0, len(batch.X) // 2):
        symbol = names[int(batch.series[row])]
        series = own[symbol]
        dates = series.index.to_numpy().astype("datetime64[ns]").view(np.int64)
        at = int(np.searchsorted(dates, batch.origin_time[row]))
        change = series.iloc[at + HORIZON] / series.iloc[at] - 1
        assert batch.y[row, 0] == float(change > 0.03)
        assert windows.forward_return(batch)[row] == pytest.approx(change)


def test_labels_that_are_not_known_yet_are_masked(windows):
    batch = windows.gather("test")
    unknown = np.isnan(windows.forward_return(batch))
    np.testing.assert_array_equal(~batch.mask[:, 0], unknown)
    # The last days of each of three symbols.
    assert unknown.sum() == 3 * HORIZON
    assert windows.gather("train").mask.all()


def test_all_symbols_are_split_at_the_same_dates_with_purge_and_embargo(frame, windows):
    shared, bounds = days(frame), windows.arrays.split_instants
    starts = np.searchsorted(shared, bounds)
    previous = None
    for name in SPLITS:
        origins = windows.splits[name]
        decided = np.searchsorted(shared, windows.arrays.timestamps[origins - 1])
        ends = np.searchsorted(
            shared, windows.arrays.timestamps[label_ends(windows.arrays, origins, HORIZON)]
        )
        if previous is not None:
            boundary = starts[SPLITS.index(name) - 1]
            # The labels before end before the boundary; no input after it reaches back over it.
            assert previous.max() == boundary - 1
            assert decided.min() - (LONGEST + 20 - 1) == boundary
        previous = ends


def test_the_span_of_a_split_is_that_of_its_days(frame, windows):
    first, last = windows.labelled_span(windows.splits["test"])
    assert last == days(frame)[-1]
    assert first == windows.gather("test").origin_time.min()


def test_an_embargo_of_the_params_counts(frame, preprocessed, windows):
    params = direction_params({"window.embargo": 3})
    other = make_direction_windows(preprocessed.arrays, preprocessed.preprocessor, params)
    gained = len(other.splits["test"]) - len(windows.splits["test"])
    assert gained == 3 * (LONGEST + 20 - 1 - 3)


def test_the_scaler_knows_the_training_days_only(frame, params, preprocessed):
    first = preprocessed.arrays.split_instants[0]
    rows = [
        daily_features(bars)[bars.timestamps < first][LONGEST:]
        for bars in bars_of(read(frame), params.direction.columns)
    ]
    known = np.concatenate(rows)
    scaler = preprocessed.preprocessor.scaler
    np.testing.assert_allclose(scaler.center, known.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(scaler.scale, known.std(axis=0), rtol=1e-9, atol=1e-12)


def test_windows_for_scoring_end_with_the_last_day(frame, preprocessed, params):
    arrays, fitted = preprocessed.arrays, preprocessed.preprocessor
    windows = windows_of_days(arrays, fitted, params)
    batch = windows.gather_origins(windows.origins)
    newest = {int(series): batch.origin_time[batch.series == series].max() for series in range(3)}
    assert set(newest.values()) == {days(frame)[-1]}
    assert not len(windows.splits["train"])


def test_a_symbol_that_nothing_is_known_of_has_no_window(preprocessed, params):
    late = {"window.lookback": 640}
    with pytest.raises(TooLittleDataError, match="split has no window with a label"):
        make_direction_windows(
            preprocessed.arrays, preprocessed.preprocessor, direction_params(late)
        )


def test_of_three_symbols_one_beats_the_median(preprocessed):
    params = direction_params({"direction.label": "median"})
    windows = make_direction_windows(preprocessed.arrays, preprocessed.preprocessor, params)
    batch = windows.gather("train")
    of_all = np.isin(batch.origin_time, batch.origin_time[batch.series == 2])
    assert windows.target_names == ("beats_median",)
    assert batch.y[of_all & batch.mask[:, 0]].mean() == pytest.approx(1 / 3)


def test_no_input_of_a_symbol_with_holes_reaches_over_a_boundary(frame):
    params = direction_params()
    holes = (frame["symbol"] == "B") & (np.arange(len(frame)) % 5 == 0)
    fitted = preprocess_bars(read(frame[~holes]), direction_schema(), params, where="test")
    windows = make_direction_windows(fitted.arrays, fitted.preprocessor, params)
    for name, boundary in zip(SPLITS[1:], fitted.preprocessor.split_instants, strict=True):
        origins = windows.splits[name]
        assert (windows.arrays.timestamps[origins - 20 - LONGEST] >= boundary).all()


def test_no_label_of_the_median_is_decided_in_the_next_split(frame):
    params = direction_params({"direction.label": "median"})
    boundary = days(frame)[np.searchsorted(days(frame), _instants(frame, params)[0])]
    # A symbol that is not traded for four weeks before the boundary and two after it.
    dates = frame["date"].to_numpy().astype("datetime64[ns]").view(np.int64)
    since, until = (boundary + weeks * 7 * 86_400 * 10**9 for weeks in (-4, 2))
    halted = frame[(frame["symbol"] != "B") | (dates < since) | (dates > until)]
    table, schema = read(halted), direction_schema()
    result = audit_bars(table, schema, params, origins=2)
    assert result.labels["train"] > 0
    assert result.findings == ()


def _instants(frame, params):
    return preprocess_bars(
        read(frame), direction_schema(), params, where="test"
    ).preprocessor.split_instants


@pytest.fixture
def folder(tmp_path, preprocessed, params):
    """What the stages preprocess and window leave."""
    pipeline = Pipeline(tmp_path)
    preprocessed.write(pipeline)
    files = direction_window_files(tmp_path, params)
    write_arrays(pipeline.windows, files.arrays)
    return tmp_path


def test_loaded_windows_are_those_that_were_made(folder, windows):
    loaded = load_direction_windows(folder)
    for split in SPLITS:
        for own, other in zip(
            vars(windows.gather(split)).values(), vars(loaded.gather(split)).values(), strict=True
        ):
            np.testing.assert_array_equal(own, other)
    assert loaded.target_names == ("rises",)
    np.testing.assert_array_equal(loaded.forward, windows.forward)


def test_the_public_function_loads_the_windows_of_the_task(folder, params):
    (folder / "params.yaml").write_text(params_text(params), encoding="utf-8")
    assert isinstance(spline_lstm.load_windows(folder), DirectionWindows)


def test_windows_of_another_run_are_refused(folder, frame, params, preprocessed):
    arrays = dict(np.load(Pipeline(folder).windows))
    write_arrays(Pipeline(folder).windows, arrays | {"source_id": np.array("other")})
    with pytest.raises(ArtifactError, match="different runs"):
        load_direction_windows(folder)
