"""Rows on disk are decoded to the bits that were written, however they are asked for."""

from dataclasses import replace

import numpy as np
import pytest

from spline_lstm.core.errors import ArtifactError
from spline_lstm.windows import stored_rows
from spline_lstm.windows.array_files import ROW_ARRAYS, load_folder
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.stored_rows import NEVER
from tests.builders import HOUR, hours, make_preprocessor, on_disk

LENGTHS = (50, 1, 33)


def part(number: int, lengths=LENGTHS, kind="narrow", uneven=False) -> AsOfArrays:
    """A partition with gaps, late values, a covariate and a calendar feature."""
    rng, rows = np.random.default_rng(number), sum(lengths)
    values = rng.normal(size=(rows, 1))
    if kind == "narrow":
        values = values.astype(np.float32).astype(np.float64)
    elif kind == "decimal":
        values = np.round(values, 2)
    observed = rng.random((rows, 1)) < 0.9
    filled, causal = np.where(observed, values, 0.5), np.where(observed, values, -0.25)
    causal[:3] = np.nan
    price, month = rng.normal(size=(2, rows, 1)).astype(np.float32)
    own = np.arange(rows)[:, None]
    known_at = np.where(observed, own, own + rng.integers(1, 9, (rows, 1)))
    known_at[5] = NEVER
    scaled, early = ((each / 3.0).astype(np.float32) for each in (filled, causal))
    timestamps = np.concatenate([hours(length) for length in lengths])
    if uneven:
        timestamps[7:20] += HOUR
    return AsOfArrays(
        scaled=np.hstack([scaled, price, month]),
        causal=np.hstack([early, np.where(observed, price, np.float32(0)), month]),
        known_at=np.hstack([known_at, own + 2, np.full((rows, 1), -1)]).astype(np.int32),
        valid=~np.isnan(causal[:, 0]),
        raw_target=np.where(observed, values, np.nan),
        filled_target=filled,
        causal_target=causal,
        observed=observed,
        timestamps=timestamps,
        series_offsets=np.cumsum([0, *lengths]),
        static_ids=np.zeros((len(lengths), 0), dtype=np.int32),
        feature_names=np.array(["y", "price", "month"]),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=hours(2),
    )


def fitted():
    scaler = Scaler("standard", np.zeros(3), np.array([3.0, 1.0, 1.0]))
    return make_preprocessor(
        features=("y", "price", "month"), scaler=scaler, neutral=(0.0, 0.0, 0.0)
    )


def joined(parts) -> dict[str, np.ndarray]:
    """The arrays of all rows one after another, which count from the first one."""
    start, moved = 0, []
    for each in parts:
        is_row = (each.known_at >= 0) & (each.known_at < NEVER)
        moved.append(replace(each, known_at=np.where(is_row, each.known_at + start, each.known_at)))
        start += len(each.timestamps)
    names = [name for name in ROW_ARRAYS if name != "replaced"]
    return {name: np.concatenate([getattr(each, name) for each in moved]) for name in names}


PANELS = {
    "one partition": [part(0)],
    "several": [part(0), part(1, (70,)), part(2)],
    "decimals": [part(0, kind="decimal"), part(1, kind="decimal")],
    "each type": [part(0), part(1, kind="decimal"), part(2, kind="wide"), part(3)],
    "uneven": [part(0), part(1, uneven=True)],
}


@pytest.mark.parametrize("panel", PANELS)
def test_what_is_decoded_has_the_bits_of_what_was_written(tmp_path, monkeypatch, panel):
    monkeypatch.setattr(stored_rows, "DECODED_ROWS", 17)
    arrays = on_disk(tmp_path / "arrays", PANELS[panel], fitted())
    for name, expected in joined(PANELS[panel]).items():
        found = getattr(arrays, name)
        assert found.shape == expected.shape
        assert np.asarray(found).dtype == found.dtype == expected.dtype
        assert np.asarray(found).tobytes() == expected.tobytes(), name


@pytest.mark.parametrize("panel", ["several", "each type"])
def test_rows_are_chosen_as_from_a_numpy_array(tmp_path, panel):
    arrays = on_disk(tmp_path / "arrays", PANELS[panel], fitted())
    rng = np.random.default_rng(0)
    for name, expected in joined(PANELS[panel]).items():
        found, count = getattr(arrays, name), len(expected)
        numbers = rng.integers(-count, count, (6, 4))
        flags = rng.random(count) < 0.3
        keys = [numbers, numbers[0], flags, 5, -1, slice(3, 99), slice(99, 3), slice(None, None, 7)]
        keys += [
            slice(count, count),
            slice(0, 0),
            slice(count, None, 7),
            (slice(count, count), ...),
        ]
        if expected.ndim == 2:
            column = np.arange(expected.shape[1])[::-1]
            keys += [(numbers[:, :, None], column), (slice(20, 80), column), (flags, 0), (7, 0)]
            keys += [(slice(None), 0), np.repeat(flags[:, None], expected.shape[1], axis=1)]
        for key in keys:
            np.testing.assert_array_equal(found[key], expected[key])
        with pytest.raises(IndexError):
            found[np.array([0, count])]
    np.testing.assert_array_equal(
        arrays.observed & (arrays.raw_target > 0), arrays.observed[:] & (arrays.raw_target[:] > 0)
    )


def test_what_follows_from_something_else_takes_no_bytes(tmp_path):
    parts = [part(number, (20_000,)) for number in range(2)]
    on_disk(tmp_path / "arrays", parts, fitted())
    rows, full = 40_000, 8_000
    # One target and two features in four bytes; 28 bytes of a row in full, two marks in bits.
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "arrays").iterdir()}
    assert "timestamps.npy" not in sizes
    assert sum(sizes.values()) < rows * (12 + 0.2) + full * 37 + 10_000


def test_scores_that_do_not_follow_from_their_targets_are_refused(tmp_path):
    wrong = part(0)
    wrong.scaled[9, 0] += 1
    with pytest.raises(ValueError, match="do not follow"):
        on_disk(tmp_path / "arrays", [wrong], fitted())


def test_a_damaged_file_is_named(tmp_path):
    on_disk(tmp_path / "arrays", [part(0)], fitted())
    (tmp_path / "arrays/marks.npy").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"marks\.npy cannot be read"):
        load_folder(tmp_path / "arrays")
    (tmp_path / "arrays/rules.npz").unlink()
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_folder(tmp_path / "arrays")
