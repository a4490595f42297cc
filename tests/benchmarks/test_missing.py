import numpy as np
import pytest

from benchmarks.missing import ROWS, Case, deletions, fill_errors, markdown


@pytest.mark.parametrize("pattern", ["points", "blocks"])
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_the_share_is_deleted_in_the_pattern_except_for_the_ends(pattern, share):
    deleted = deletions(5000, share, pattern, seed=1)
    assert deleted.mean() == pytest.approx(share, abs=0.02)
    assert not deleted[:10].any()
    assert not deleted[-10:].any()
    # Deleted rows with a deleted neighbour after them.
    together = (deleted[:-1] & deleted[1:]).sum() / deleted.sum()
    assert together == pytest.approx(share, abs=0.05) if pattern == "points" else together > 0.85


def test_fills_with_hindsight_are_nearer_to_the_truth_than_those_of_the_origin():
    values = np.sin(np.arange(ROWS) / 8.0)
    as_of, later = fill_errors(Case(values, deletions(ROWS, 0.3, "points", seed=0)))
    assert 0 < later < as_of < 0.5


def test_the_table_compares_with_nothing_deleted():
    none = {"series": "a", "pattern": "none", "share": 0.0, "rmse": {"fill": [1.0, 3.0]}}
    half = {"series": "a", "pattern": "blocks", "share": 0.3, "rmse": {"fill": [2.0, 4.0]}}
    fills = {"fill_as_of": 0.25, "fill_hindsight": 0.125}
    rows = markdown([none | fills, half | fills]).splitlines()
    assert rows[2].split("|")[1:4] == [" a ", " nothing ", " 1.00 ± 0.50 "]
    cells = [cell.strip() for cell in rows[3].split("|")[1:-1]]
    assert cells == ["a", "30% blocks", "1.50 ± 0.50", "", "", "", "", "0.25", "0.12"]
