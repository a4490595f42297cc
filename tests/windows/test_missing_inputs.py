"""Windows across gaps: which there are, what their inputs are, what they may know."""

import itertools

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.series.features import scaled_age
from spline_lstm.series.preprocess import preprocess
from spline_lstm.windows.windows import make_windows
from tests.builders import (
    HOUR,
    START,
    hours,
    make_preprocess_params,
    make_schema,
    make_table,
    make_window_params,
)

LOOKBACK, MAX_GAP, SHARE = 12, 2, 0.5
OPTIONS = TargetOptions(max_missing_inputs=SHARE)
SCHEMA = make_schema(series_col="shop", target_cols=["y", "z"])


def panel(seed=0, rows=200):
    """Two shops with gaps of every length; z of the second begins late."""
    random = np.random.default_rng(seed)
    series = {}
    for shop in ("a", "b"):
        values = random.normal(10, 2, (rows, 2))
        for begin in range(20, rows - 20, 25):
            values[begin : begin + random.integers(1, 14), random.integers(0, 2)] = np.nan
        series[shop] = (hours(rows), values)
    series["b"][1][:30, 1] = np.nan
    return make_table(series, ("y", "z"))


def prepared(table, share=SHARE, **changes):
    params = make_preprocess_params(max_gap=MAX_GAP, **changes)
    options = TargetOptions(max_missing_inputs=share)
    result = preprocess(table, SCHEMA, params, where="panel", options=options)
    windows = make_windows(
        result.arrays,
        result.preprocessor.scaler,
        result.preprocessor.clock,
        make_window_params(lookback=LOOKBACK, max_missing_inputs=share),
    )
    return result, windows


def last_seen(values):
    """Row of the last observation up to each row; -1 before the first."""
    rows = np.where(np.isnan(values), -1, np.arange(len(values)))
    return np.maximum.accumulate(rows)


def test_windows_cross_gaps_up_to_their_share():
    table = panel()
    _, windows = prepared(table)
    expected = []
    for start, end in itertools.pairwise(table.series_offsets):
        ages = [np.arange(end - start) - last_seen(table.values[start:end, t]) for t in (0, 1)]
        born = [last_seen(table.values[start:end, t]) >= 0 for t in (0, 1)]
        silent = (ages[0] > MAX_GAP) | (ages[1] > MAX_GAP)
        for origin in range(LOOKBACK, end - start - 1):
            inputs = slice(origin - LOOKBACK, origin)
            labels = table.values[start + origin : start + origin + 2]
            if (
                silent[inputs].sum() <= SHARE * LOOKBACK
                and born[0][inputs].all()
                and born[1][inputs].all()
                and not np.isnan(labels).all()
            ):
                expected.append(start + origin)
    in_splits = set(windows.origins.tolist())
    embargoed = set(expected) - in_splits
    assert in_splits <= set(expected)
    # All but the origins between two splits.
    assert len(embargoed) < 20
    _, whole = prepared(table, share=0.0)
    assert set(whole.origins) < in_splits


def test_inputs_hold_the_last_observation_and_channels_tell_how_old_it_is():
    table = panel()
    result, windows = prepared(table, fill="linear")
    batch = windows.gather_origins(windows.origins)
    assert windows.feature_names == ("y", "z", "y_mask", "y_age", "z_mask", "z_age")
    assert result.preprocessor.mask_indices == (2, 4)
    assert np.isfinite(batch.X).all()
    raw, history = result.arrays.raw_target, windows.history(batch)
    for index, origin in enumerate(batch.origin.tolist()):
        start = table.series_offsets[batch.series[index]]
        rows = np.arange(origin - LOOKBACK, origin)
        for target in (0, 1):
            last = start + last_seen(raw[start:origin, target])[rows - start]
            age = rows - last
            mask, found = batch.X[index, :, 2 + 2 * target], batch.X[index, :, 3 + 2 * target]
            np.testing.assert_array_equal(mask, age == 0)
            np.testing.assert_allclose(found, scaled_age(age), rtol=1e-6)
            silent = age > MAX_GAP
            np.testing.assert_array_equal(history[index, silent, target], raw[last[silent], target])


def test_share_of_missing_inputs_is_counted():
    _, windows = prepared(panel())
    shares = windows.missing_inputs("train")
    assert shares.min() == 0.0
    assert 0.0 < shares.max() <= SHARE
    _, whole = prepared(panel(), share=0.0)
    assert (whole.missing_inputs("train") == 0.0).all()
    assert set(whole.splits["train"]) == set(windows.splits["train"][shares == 0.0])


def frame_of(table):
    """The table as rows for serving; a row of which nothing is known is left out."""
    parts = []
    for name, (start, end) in zip(
        table.series_names, itertools.pairwise(table.series_offsets), strict=True
    ):
        part = pd.DataFrame(table.values[start:end], columns=["y", "z"])
        part.insert(0, "time", pd.to_datetime(table.timestamps[start:end]))
        part.insert(1, "shop", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def test_serving_gives_the_windows_of_the_pipeline_and_refuses_the_same():
    table = panel()
    result, windows = prepared(table)
    frame = frame_of(table)
    chosen = set(windows.origins.tolist())
    checked = 0
    for row in range(60, 180, 7):
        # Cut before the row: what a forecast at it may know.
        history = frame[frame["time"] < pd.Timestamp(START + row * HOUR)]
        origins = [int(start) + row for start in table.series_offsets[:-1]]
        if all(origin in chosen for origin in origins):
            inputs = serving_inputs(
                result.preprocessor, history, lookback=LOOKBACK, horizon=2, where="history"
            )
            batch = windows.gather_origins(np.array(origins))
            np.testing.assert_array_equal(inputs.X, batch.X)
            checked += 1
    assert checked > 3
    silent = frame[frame["time"] < pd.Timestamp(START + 60 * HOUR)].copy()
    silent.loc[silent["time"] >= pd.Timestamp(START + 49 * HOUR), "y"] = np.nan
    with pytest.raises(TooLittleDataError, match=r"max_missing_inputs 0\.5 of them may be"):
        serving_inputs(result.preprocessor, silent, lookback=LOOKBACK, horizon=2, where="history")
