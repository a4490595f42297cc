import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.artifacts import read_arrays, read_json, with_run_id, write_arrays, write_json
from spline_lstm.core.errors import ArtifactError, TooLittleDataError
from spline_lstm.series.preprocess import preprocess
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.gather import gather_inputs, gather_targets
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.windows import SPLITS, Windows, load_windows, make_windows, window_arrays
from tests.builders import (
    HOUR,
    HOURLY,
    hours,
    identity_scaler,
    make_all_windows,
    make_arrays,
    make_preprocess_params,
    make_schema,
    make_table,
    make_window_params,
)


def changed(arrays: AsOfArrays, **parts) -> AsOfArrays:
    return AsOfArrays(**{**vars(arrays), **parts})


def one_split(arrays: AsOfArrays) -> AsOfArrays:
    """The same arrays with splits such that each has windows of horizon 1 without embargo."""
    first = int(arrays.timestamps[0])
    return changed(arrays, split_instants=np.array([first + 10 * HOUR, first + 20 * HOUR]))


def origins_of(arrays: AsOfArrays, **params) -> list[int]:
    return make_windows(
        arrays, identity_scaler(len(arrays.feature_names)), HOURLY, make_window_params(**params)
    ).origins.tolist()


# --- shapes and contents --------------------------------------------------------------------------


def test_thirty_rows_give_twenty_four_windows():
    batch = make_all_windows(make_arrays(rows=30, features=3)).gather("train")
    assert batch.X.shape == (24, 5, 3)
    assert batch.y.shape == batch.mask.shape == (24, 2)
    assert (batch.X.dtype, batch.y.dtype, batch.mask.dtype) == (np.float32, np.float32, bool)
    assert batch.origin.tolist() == list(range(5, 29))


def test_the_first_window_holds_the_rows_before_its_origin_and_the_labels_from_it_on():
    """Feature f of row r is 10 r + f; the target is feature 0."""
    batch = make_all_windows(make_arrays(rows=30, features=3)).gather("train")
    assert batch.X[0].tolist() == [[10.0 * row + f for f in range(3)] for row in range(5)]
    assert batch.y[0].tolist() == [50.0, 60.0]


def test_labels_run_step_by_step_and_target_by_target():
    batch = make_all_windows(make_arrays(rows=30, features=3, targets=2)).gather("train")
    assert batch.y[0].tolist() == [50.0, 51.0, 60.0, 61.0]


def test_labels_that_were_not_observed_are_zero_and_masked():
    arrays = make_arrays()
    arrays.observed[6] = False
    arrays.raw_target[6] = np.nan
    batch = make_all_windows(arrays).gather("train")
    assert batch.y[0].tolist() == [50.0, 0.0]
    assert batch.mask[0].tolist() == [True, False]


def test_a_window_takes_what_was_known_before_its_origin():
    """Row 3 becomes known at row 6: windows at 5 and 6 see the held value, that at 7 the spline."""
    arrays = make_arrays(features=1)
    arrays.known_at[3] = 6
    X = make_all_windows(arrays).gather("train").X[:, :, 0]
    assert [X[0, 3], X[1, 2], X[2, 1]] == [-30.0, -30.0, 30.0]


def random_arrays(seed: int, rows: int = 40, features: int = 3, targets: int = 2) -> AsOfArrays:
    rng = np.random.default_rng(seed)
    arrays = make_arrays(rows=rows, features=features, targets=targets)
    observed = rng.random((rows, targets)) < 0.8
    return changed(
        arrays,
        scaled=rng.normal(size=(rows, features)).astype(np.float32),
        causal=rng.normal(size=(rows, features)).astype(np.float32),
        known_at=(np.arange(rows)[:, None] + rng.integers(0, 5, (rows, features))).astype(np.int32),
        observed=observed,
        raw_target=np.where(observed, rng.normal(size=(rows, targets)), np.nan),
    )


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 5))
def test_gathering_agrees_with_a_loop_over_windows_rows_and_features(seed, lookback, horizon):
    arrays = random_arrays(seed)
    scaler = Scaler("standard", np.array([0.5, -1.0, 2.0]), np.array([2.0, 0.25, 1.0]))
    windows = make_all_windows(arrays, lookback, horizon)
    windows = Windows(arrays, scaler, HOURLY, lookback, horizon, windows.origins, windows.split)
    batch = windows.gather("train")
    for index, origin in enumerate(windows.origins):
        for step in range(lookback):
            for feature in range(3):
                row = origin - lookback + step
                known = arrays.known_at[row, feature] < origin
                assert (
                    batch.X[index, step, feature]
                    == (arrays.scaled if known else arrays.causal)[row, feature]
                )
        for step in range(horizon):
            for target in range(2):
                raw, column = arrays.raw_target[origin + step, target], step * 2 + target
                assert batch.mask[index, column] == (not np.isnan(raw))
                expected = (
                    0.0 if np.isnan(raw) else (raw - scaler.center[target]) / scaler.scale[target]
                )
                assert batch.y[index, column] == np.float32(expected)


@pytest.mark.parametrize("seed", range(3))
def test_numpy_and_jax_gather_the_same_bits(seed):
    arrays = random_arrays(seed)
    parts = (arrays.scaled, arrays.causal, arrays.known_at, np.arange(6, 40))
    on_device = jax.jit(lambda *parts: gather_inputs(*parts, 6, xp=jnp))(
        *(jnp.asarray(part) for part in parts)
    )
    assert np.asarray(on_device).tobytes() == gather_inputs(*parts, 6).tobytes()


@pytest.mark.parametrize("targets", [[0, 1], [1, 2], [2, 0], [1]])
def test_the_history_is_what_was_known_of_the_targets_before_the_origin(targets):
    arrays = random_arrays(0, targets=len(targets))
    arrays = changed(arrays, target_indices=np.array(targets, dtype=np.int32))
    origins = np.array([30, 7, 8, 40])
    found = gather_targets(arrays, origins, 6)
    for index, origin in enumerate(origins):
        for step, row in enumerate(range(origin - 6, origin)):
            for target, feature in enumerate(targets):
                known = arrays.known_at[row, feature] < origin
                values = arrays.filled_target if known else arrays.causal_target
                assert found[index, step, target] == values[row, target]


def test_future_and_static_inputs_belong_to_the_window():
    """Feature f of row r is 10 r + f; 2 and 0 are known in the future; series 2 has ids 7 and 8."""
    arrays = changed(
        make_arrays(series_rows=(20, 12)),
        future_indices=np.array([2, 0]),
        static_ids=np.array([[5, 6], [7, 8]], dtype=np.int32),
    )
    windows = make_all_windows(arrays)
    batch = windows.gather_origins(np.array([5, 25]))
    assert batch.X_future.tolist() == [
        [[52.0, 50.0], [62.0, 60.0]],
        [[252.0, 250.0], [262.0, 260.0]],
    ]
    assert batch.X_static.tolist() == [[5, 6], [7, 8]]
    assert windows.future_names == ("f2", "f0")


def test_labels_are_scaled_with_the_constants_of_their_series():
    arrays = make_arrays(series_rows=(20, 12), features=1)
    scaler = Scaler("standard", np.array([[0.0], [200.0], [0.0]]), np.array([[1.0], [10.0], [1.0]]))
    windows = make_all_windows(arrays)
    windows = Windows(arrays, scaler, HOURLY, 5, 2, windows.origins, windows.split)
    batch = windows.gather_origins(np.array([5, 25]))
    assert batch.y.tolist() == [[50.0, 60.0], [5.0, 6.0]]
    assert windows.to_data_units(batch.y, batch.series)[:, :, 0].tolist() == [
        [50.0, 60.0],
        [250.0, 260.0],
    ]


@pytest.mark.parametrize("size", [1, 7, 24, 1000])
def test_batches_joined_are_the_whole_split(size):
    windows = make_all_windows(random_arrays(0))
    whole = windows.gather("train")
    batches = list(windows.batches("train", size))
    assert max(len(batch.X) for batch in batches) <= size
    for name, array in vars(whole).items():
        np.testing.assert_array_equal(
            np.concatenate([vars(batch)[name] for batch in batches]), array
        )


def test_a_split_without_windows_has_no_batches():
    assert list(make_all_windows(make_arrays()).batches("test", 10)) == []


def test_labels_in_data_units_are_the_raw_observations():
    arrays = random_arrays(1)
    scaler = Scaler("standard", np.array([120.0, -1e6, 0.0]), np.array([35.0, 1e-3, 1.0]))
    windows = make_all_windows(arrays)
    windows = Windows(
        arrays, scaler, HOURLY, windows.lookback, windows.horizon, windows.origins, windows.split
    )
    batch = windows.gather("train")
    units = windows.to_data_units(batch.y)
    assert (units.shape, units.dtype) == ((len(batch.y), 2, 2), np.float64)
    rows = windows.origins[:, None] + np.arange(2)
    mask = batch.mask.reshape(units.shape)
    tolerance = np.array([1e-4, 1e-1])
    assert (
        np.abs(units - arrays.raw_target[rows])[mask]
        <= np.broadcast_to(tolerance, units.shape)[mask]
    ).all()


def test_the_scaler_of_the_targets_follows_their_positions():
    arrays = changed(make_arrays(features=3, targets=2), target_indices=np.array([2, 0]))
    scaler = Scaler("standard", np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    windows = Windows(arrays, scaler, HOURLY, 5, 2, np.arange(5, 29), np.zeros(24, dtype=np.uint8))
    assert windows.target_scaler.center.tolist() == [3.0, 1.0]
    assert windows.target_names == ("f2", "f0")
    assert windows.feature_names == ("f0", "f1", "f2")


def test_origin_times_and_series_belong_to_the_first_forecast_row():
    arrays = make_arrays(series_rows=(20, 12))
    windows = make_all_windows(arrays)
    batch = windows.gather_origins(np.array([5, 18, 25, 30]))
    assert batch.series.tolist() == [0, 0, 1, 1]
    assert batch.origin_time.tolist() == hours(20)[[5, 18, 5, 10]].tolist()


# --- which origins --------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_origins_start_after_the_lookback_and_keep_the_stride(stride):
    found = origins_of(
        one_split(make_arrays(rows=30)), lookback=4, horizon=1, embargo=0, stride=stride
    )
    assert found == list(range(4, 30, stride))


def test_no_window_crosses_a_hole():
    """48 hours without data in an hourly series, from the raw table to the origins."""
    rows = np.setdiff1d(np.arange(400), np.arange(150, 198))
    table = make_table({"": (hours(400)[rows], (rows % 24).astype(float))})
    result = preprocess(table, make_schema(), make_preprocess_params(max_gap=6), where="raw.csv")
    windows = make_windows(
        result.arrays,
        result.preprocessor.scaler,
        HOURLY,
        make_window_params(lookback=24),
    )
    origins = windows.origins
    assert len(origins) > 200
    crossing = (origins > 156) & (origins < 198 + 24)
    assert not crossing.any()
    for name in SPLITS:
        assert np.isfinite(windows.gather(name).X).all()


def test_a_single_invalid_input_row_removes_just_the_windows_that_hold_it():
    arrays = one_split(make_arrays(rows=30))
    arrays.valid[12] = False
    found = origins_of(arrays, lookback=4, horizon=1, embargo=0)
    assert sorted(set(range(4, 30)) - set(found)) == [13, 14, 15, 16]


def test_windows_without_one_observed_label_are_left_out():
    arrays = one_split(make_arrays(rows=30))
    arrays.observed[12:15] = False
    found = origins_of(arrays, lookback=4, horizon=2, embargo=0)
    assert {12, 13} & set(found) == set()
    assert {11, 14} <= set(found)


def test_no_window_reaches_into_another_series():
    arrays = make_arrays(series_rows=(40, 25, 6, 40))
    windows = make_windows(arrays, identity_scaler(3), HOURLY, make_window_params())
    starts = arrays.series_offsets[windows.gather_origins(windows.origins).series]
    ends = arrays.series_offsets[windows.gather_origins(windows.origins).series + 1]
    assert (windows.origins - 5 >= starts).all()
    assert (windows.origins + 2 <= ends).all()


@pytest.mark.parametrize("rows", [(1, 60), (60, 1), (1, 1, 60)])
def test_a_series_of_a_single_row_disturbs_no_other(rows):
    arrays = make_arrays(series_rows=rows)
    late = hours(60)[30]
    single = np.concatenate([np.full(count, count == 1) for count in rows])
    arrays.timestamps[single] = late
    alone = make_windows(make_arrays(rows=60), identity_scaler(3), HOURLY, make_window_params())
    windows = make_windows(arrays, identity_scaler(3), HOURLY, make_window_params())
    assert {name: len(origins) for name, origins in windows.splits.items()} == {
        name: len(origins) for name, origins in alone.splits.items()
    }


# --- splits ---------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.integers(1, 8),
    st.integers(1, 5),
    st.integers(1, 3),
    st.none() | st.integers(0, 6),
    st.sampled_from([(90,), (90, 70)]),
)
def test_no_label_stands_within_the_embargo_of_another_split(
    lookback, horizon, stride, embargo, rows
):
    arrays = make_arrays(series_rows=rows)
    params = make_window_params(lookback=lookback, horizon=horizon, stride=stride, embargo=embargo)
    windows = make_windows(arrays, identity_scaler(3), HOURLY, params)
    distance = horizon if embargo is None else embargo
    ahead = HOUR * np.arange(horizon)
    labels = {
        name: (arrays.timestamps[origins][:, None] + ahead).ravel()
        for name, origins in windows.splits.items()
    }
    assert labels["train"].max() < arrays.split_instants[0]
    assert labels["validation"].max() < arrays.split_instants[1]
    assert labels["validation"].min() - labels["train"].max() > distance * HOUR
    assert labels["test"].min() - labels["validation"].max() > distance * HOUR
    assert labels["validation"].min() >= arrays.split_instants[0] + distance * HOUR
    assert labels["test"].min() >= arrays.split_instants[1] + distance * HOUR


@pytest.mark.parametrize("embargo", [0, 3, None])
def test_no_label_of_validation_or_test_is_an_input_of_an_earlier_split(embargo):
    windows = make_windows(
        make_arrays(rows=100), identity_scaler(3), HOURLY, make_window_params(embargo=embargo)
    )
    inputs = {
        name: set((origins[:, None] + np.arange(-5, 0)).ravel())
        for name, origins in windows.splits.items()
    }
    labels = {
        name: set((origins[:, None] + np.arange(2)).ravel())
        for name, origins in windows.splits.items()
    }
    assert not labels["validation"] & (inputs["train"] | labels["train"])
    assert not labels["test"] & (
        inputs["train"] | inputs["validation"] | labels["train"] | labels["validation"]
    )


def test_with_an_embargo_of_the_lookback_no_training_label_is_an_input_of_validation():
    windows = make_windows(
        make_arrays(rows=100), identity_scaler(3), HOURLY, make_window_params(embargo=5)
    )
    rows = {
        name: set((origins[:, None] + np.arange(-5, 2)).ravel())
        for name, origins in windows.splits.items()
    }
    assert not rows["train"] & rows["validation"]
    assert not rows["validation"] & rows["test"]


def test_the_embargo_is_the_horizon_unless_it_is_given():
    found = [
        make_windows(
            make_arrays(rows=100),
            identity_scaler(3),
            HOURLY,
            make_window_params(horizon=3, embargo=embargo),
        ).origins
        for embargo in (None, 3, 0)
    ]
    assert found[0].tolist() == found[1].tolist()
    assert len(found[2]) == len(found[0]) + 6


def test_without_an_embargo_just_the_windows_across_a_boundary_are_left_out():
    windows = make_windows(
        make_arrays(rows=100), identity_scaler(3), HOURLY, make_window_params(horizon=3, embargo=0)
    )
    assert sorted(set(range(5, 98)) - set(windows.origins.tolist())) == [68, 69, 83, 84]


def test_several_series_are_split_at_the_same_instants():
    arrays = make_arrays(series_rows=(90, 80))
    windows = make_windows(arrays, identity_scaler(3), HOURLY, make_window_params())
    for origins in windows.splits.values():
        batch = windows.gather_origins(origins)
        firsts = [batch.origin_time[batch.series == index].min() for index in (0, 1)]
        assert firsts[0] == firsts[1]


@pytest.mark.parametrize(
    ("part", "params"),
    [
        ("train", {"lookback": 70}),
        ("validation", {"horizon": 16}),
        ("validation", {"embargo": 14}),
        ("train", {"lookback": 99}),
    ],
)
def test_a_part_without_a_window_is_an_error_that_names_it(part, params):
    with pytest.raises(TooLittleDataError, match=f"the {part} split has no window"):
        make_windows(
            make_arrays(rows=100), identity_scaler(3), HOURLY, make_window_params(**params)
        )


def test_a_test_part_that_begins_with_a_hole_up_to_its_end_is_an_error():
    arrays = make_arrays(rows=100)
    arrays.valid[80:] = False
    with pytest.raises(TooLittleDataError, match="the test split has no window"):
        make_windows(arrays, identity_scaler(3), HOURLY, make_window_params(embargo=0))


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """What the stages preprocess and window leave."""
    values = np.where(np.arange(200) % 11 == 3, np.nan, np.arange(200) % 7.0)
    table = make_table({"": (hours(200), values)})
    result = preprocess(table, make_schema(), make_preprocess_params(), where="raw.csv")
    result.arrays.save(tmp_path / "data/processed/processed.npz")
    result.preprocessor.save(tmp_path / "models/preprocessor.json")
    windows = make_windows(result.arrays, result.preprocessor.scaler, HOURLY, make_window_params())
    write_arrays(tmp_path / "data/processed/windows.npz", window_arrays(windows, materialize=False))
    return tmp_path


def rewrite(path, **parts) -> None:
    """Replace or remove (None) arrays of an .npz file."""
    content = {**read_arrays(path), **parts}
    write_arrays(path, {name: array for name, array in content.items() if array is not None})


def test_windows_come_back_from_their_files(folder):
    windows = load_windows(folder)
    assert (windows.lookback, windows.horizon) == (5, 2)
    fresh = make_windows(windows.arrays, windows.scaler, HOURLY, make_window_params())
    assert windows.origins.tobytes() == fresh.origins.tobytes()
    assert windows.split.tobytes() == fresh.split.tobytes()
    for name in SPLITS:
        for key, array in vars(windows.gather(name)).items():
            assert array.tobytes() == vars(fresh.gather(name))[key].tobytes()


def test_a_folder_may_be_given_as_text(folder):
    assert load_windows(str(folder)).lookback == 5


def test_materialised_windows_are_those_that_are_gathered(folder):
    windows = load_windows(folder)
    path = folder / "data/processed/other.npz"
    write_arrays(path, window_arrays(windows, materialize=True))
    stored = read_arrays(path)
    batch = windows.gather_origins(windows.origins)
    assert stored["X"].tobytes() == batch.X.tobytes()
    assert stored["y"].tobytes() == batch.y.tobytes()
    assert stored["mask"].tobytes() == batch.mask.tobytes()


def test_equal_windows_give_equal_bytes(folder):
    windows = load_windows(folder)
    for name in ("a.npz", "b.npz"):
        write_arrays(folder / name, window_arrays(windows, materialize=True))
    assert (folder / "a.npz").read_bytes() == (folder / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "path",
    ["data/processed/processed.npz", "data/processed/windows.npz", "models/preprocessor.json"],
)
def test_a_missing_artefact_is_named(folder, path):
    (folder / path).unlink()
    with pytest.raises(ArtifactError, match=rf"{path} is missing"):
        load_windows(folder)


def test_windows_of_a_longer_table_are_refused(folder):
    rewrite(
        folder / "data/processed/windows.npz",
        origins=np.array([5, 250]),
        split=np.array([0, 2], dtype=np.uint8),
    )
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_windows(folder)


@pytest.mark.parametrize("origin", [2, 199, -1])
def test_origins_whose_windows_leave_the_table_are_refused(folder, origin):
    rewrite(
        folder / "data/processed/windows.npz",
        origins=np.array([origin]),
        split=np.array([0], dtype=np.uint8),
    )
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_windows(folder)


@pytest.mark.parametrize("name", ["origins", "split", "lookback", "horizon"])
def test_a_windows_file_of_another_version_is_refused(folder, name):
    rewrite(folder / "data/processed/windows.npz", **{name: None})
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_windows(folder)


@pytest.mark.parametrize("name", ["features", "scaler"])
def test_a_preprocessor_of_another_version_is_refused(folder, name):
    content = read_json(folder / "models/preprocessor.json")
    del content[name]
    write_json(folder / "models/preprocessor.json", with_run_id(content))
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_windows(folder)


@pytest.mark.parametrize(("key", "value"), [("features", ["z"]), ("features", ["y", "z"])])
def test_a_preprocessor_with_other_features_is_refused(folder, key, value):
    content = read_json(folder / "models/preprocessor.json")
    write_json(folder / "models/preprocessor.json", with_run_id({**content, key: value}))
    with pytest.raises(ArtifactError, match="come from different runs"):
        load_windows(folder)


def test_a_preprocessor_that_was_changed_is_refused(folder):
    content = read_json(folder / "models/preprocessor.json")
    content["scaler"]["scale"] = [2.0]
    write_json(folder / "models/preprocessor.json", content)
    with pytest.raises(
        ArtifactError, match=r"preprocessor\.json was changed after it was written"
    ) as error:
        load_windows(folder)
    assert error.value.exit_code == 15


def test_a_preprocessor_of_another_run_is_refused(folder):
    """Same features, another scaler: scores would come back in wrong units."""
    table = make_table({"": (hours(200), 50.0 * (np.arange(200) % 7))})
    other = preprocess(table, make_schema(), make_preprocess_params(), where="raw.csv").preprocessor
    assert (
        other.run_id
        != json.loads((folder / "models/preprocessor.json").read_text(encoding="utf-8"))["run_id"]
    )
    other.save(folder / "models/preprocessor.json")
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_windows(folder)


def test_windows_of_another_run_are_refused(folder):
    """Origins that are rows of the table, but were chosen on one with other holes."""
    values = np.where((np.arange(200) > 40) & (np.arange(200) < 60), np.nan, np.arange(200) % 7.0)
    result = preprocess(
        make_table({"": (hours(200), values)}),
        make_schema(),
        make_preprocess_params(),
        where="raw.csv",
    )
    result.arrays.save(folder / "data/processed/processed.npz")
    result.preprocessor.save(folder / "models/preprocessor.json")
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_windows(folder)
