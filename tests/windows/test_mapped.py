"""Mapped pages are given back, and passes by blocks see what a pass over all rows sees."""

import resource
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spline_lstm.evaluation.scales import percentage_floor, training_std_of
from spline_lstm.series import quality
from spline_lstm.series.quality import _sampled_rows
from spline_lstm.windows import mapped
from spline_lstm.windows.mapped import is_mapped, passing, release
from spline_lstm.windows.origins import missing_inputs
from tests.builders import make_all_windows, make_arrays, make_preprocessor, on_disk, windows_of


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.fixture
def big(tmp_path):
    """Arrays of which 32 MB are mapped."""
    values = windows_of(np.arange(1 << 23) % 7).arrays
    return on_disk(tmp_path / "arrays", [values], make_preprocessor())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_of_mapped_arrays_leave_the_process_and_keep_their_values(big):
    release(big)
    before = resident()
    every_page = np.arange(0, 1 << 23, 512)
    first = big.raw_target[every_page]
    assert resident() > before + 25e6
    release(big)
    assert resident() < before + 10e6
    assert np.array_equal(big.raw_target[every_page], first)


def test_arrays_in_memory_are_left_alone(tmp_path):
    arrays = make_arrays()
    release(arrays)
    assert not is_mapped(arrays)
    values = windows_of(np.arange(30)).arrays
    assert is_mapped(on_disk(tmp_path / "arrays", [values], make_preprocessor()))


@pytest.mark.parametrize("rows", [1, 7, 30, 1000])
def test_a_pass_sees_every_row_once(monkeypatch, rows):
    monkeypatch.setattr(mapped, "PASS_ROWS", rows)
    numbers = np.arange(30)
    slices = list(passing(make_arrays()))
    assert np.array_equal(np.concatenate([numbers[each] for each in slices]), numbers)
    assert len(slices) == -(-30 // rows)


def test_passes_by_blocks_find_what_a_pass_over_all_rows_finds(monkeypatch):
    rng = np.random.default_rng(0)
    arrays = make_arrays(features=1, series_rows=(90, 40, 70))
    observed = rng.random((200, 1)) < 0.9
    values = np.where(observed, 1e6 + rng.normal(size=(200, 1)), np.nan)
    arrays = replace(arrays, raw_target=values, observed=observed)
    windows = make_all_windows(arrays)
    train = arrays.timestamps < arrays.split_instants[0]
    seen = values[train & observed[:, 0], 0]
    whole = training_std_of(windows), percentage_floor(windows), _sampled_rows(arrays)
    # One block has the bits of NumPy's own formulas.
    assert whole[0][0] == seen.std()
    assert whole[1][0, 0] == 0.01 * np.nanmean(np.abs(values[train]), axis=0)[0]
    monkeypatch.setattr(mapped, "PASS_ROWS", 13)
    np.testing.assert_allclose(training_std_of(windows), whole[0], rtol=1e-10)
    np.testing.assert_allclose(percentage_floor(windows), whole[1], rtol=1e-14)
    for rows, expected in zip(_sampled_rows(arrays), whole[2], strict=True):
        assert np.array_equal(rows, expected)


@pytest.mark.parametrize("block", [1, 5, 13, 200])
def test_missing_rows_are_counted_across_blocks(monkeypatch, block):
    monkeypatch.setattr(mapped, "PASS_ROWS", block)
    valid = np.random.default_rng(1).random(200) < 0.7
    arrays = replace(make_arrays(features=1, series_rows=(90, 110)), valid=valid)
    origins = np.array([6, 7, 50, 90, 96, 130, 199])
    expected = [(~valid[origin - 6 : origin]).sum() for origin in origins]
    assert np.array_equal(missing_inputs(arrays, origins, 6), expected)


def test_many_rows_are_sampled_as_every_so_many_of_their_split(monkeypatch):
    monkeypatch.setattr(quality, "DRIFT_ROWS", 11)
    arrays = make_arrays(features=1, series_rows=(90, 40, 70))
    split = np.searchsorted(arrays.split_instants, arrays.timestamps, side="right")
    for block in (13, 1000):
        monkeypatch.setattr(mapped, "PASS_ROWS", block)
        for index, found in enumerate(_sampled_rows(arrays)):
            rows = np.flatnonzero(split == index)
            assert np.array_equal(found, rows[:: -(-len(rows) // 11)])
