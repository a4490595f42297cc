import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spline_lstm.tables.synthetic import stores

CLEAN = {"missing": 0.0, "blocks": 0.0, "outliers": 0.0, "jitter_s": 0, "duplicates": 0.0}


def test_csv_bytes_are_equal_in_every_process():
    program = (
        "import hashlib; from spline_lstm.tables.synthetic import stores;"
        "table = stores(n_stores=2, days=40).to_csv(index=False);"
        "print(hashlib.sha256(table.encode()).hexdigest())"
    )
    # Another seed of Python's hashes than this process has.
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2",
        },
        cwd=Path(__file__).parents[1],
        capture_output=True,
        check=True,
        text=True,
    )
    here = stores(n_stores=2, days=40).to_csv(index=False).encode()
    assert other.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_columns_and_types_are_those_of_the_contract():
    panel = stores(n_stores=2, days=30)
    assert list(panel.columns) == [
        "store_id",
        "timestamp",
        "demand",
        "temp",
        "promo",
        "region",
        "truth",
    ]
    assert str(panel["timestamp"].dt.tz) == "UTC"
    assert panel["store_id"].unique().tolist() == ["S00", "S01"]
    assert set(panel["promo"]) == {0, 1}
    assert not panel.drop(columns="demand").isna().any(axis=None)
    assert (
        panel.groupby("store_id")["timestamp"]
        .apply(lambda timestamps: timestamps.is_monotonic_increasing)
        .all()
    )


def test_without_defects_the_table_is_complete_and_equals_the_truth():
    panel = stores(n_stores=3, days=30, **CLEAN)
    hours = pd.date_range("2023-01-02", periods=720, freq="h", tz="UTC")
    assert len(panel) == 3 * 720
    for _, store in panel.groupby("store_id"):
        assert (store["timestamp"].to_numpy() == hours.to_numpy()).all()
        assert (store["demand"] == store["truth"]).all()


def test_without_noise_demand_is_the_formula_of_the_docstring():
    panel = stores(n_stores=1, days=60, noise=0.0, **CLEAN)
    timestamps, k, n = panel["timestamp"].dt, np.arange(1440), 1440
    shape = (
        0.35
        + np.exp(-(((timestamps.hour - 8) / 2.2) ** 2) / 2)
        + 1.2 * np.exp(-(((timestamps.hour - 17) / 2.8) ** 2) / 2)
    )
    week = np.array([1.05, 1.0, 1.0, 1.02, 1.1, 0.85, 0.7])[timestamps.day_of_week]
    trend = 1 + 0.15 * np.sin(2 * np.pi * k / n) + 0.0001 * k / 24
    heat = 1 + 0.012 * np.maximum(panel["temp"] - 18, 0) - 0.006 * np.maximum(5 - panel["temp"], 0)
    size = panel["truth"] / (shape * week * trend * heat * (1 + 0.35 * panel["promo"]))
    # The stored temperature is rounded to 0.01 degrees: 0.006 * 0.005 of the demand.
    np.testing.assert_allclose(size, size[0], rtol=2e-4)
    assert 20 < size[0] < 200


def test_promotions_are_planned_blocks():
    promo = stores(n_stores=1, days=365, **CLEAN)["promo"].to_numpy()
    starts, ends = np.flatnonzero(np.diff(promo) == 1) + 1, np.flatnonzero(np.diff(promo) == -1) + 1
    assert set(starts % 24) == {8}
    assert set(ends - starts) == {60}
    assert set(np.diff(starts) // 24) == {11, 12, 13, 14, 15, 16}


def test_defects_come_at_their_rates():
    hours = 6 * 365 * 24
    panel = stores(missing=0.1, blocks=0.1, outliers=0.01, jitter_s=300, duplicates=0.02)
    twice = panel.duplicated(["store_id", "timestamp"])
    assert twice.sum() / hours == pytest.approx(0.02 * 0.9, rel=0.15)
    single = panel[~twice]
    lost = hours - single["demand"].notna().sum()
    assert lost / hours == pytest.approx(1 - 0.9 * np.exp(-0.1), rel=0.05)
    assert single["demand"].isna().sum() / lost == pytest.approx(0.5, abs=0.06)
    known = single.dropna()
    factor = (known["demand"] / known["truth"]).round(2)
    assert (factor != 1).mean() == pytest.approx(0.01, rel=0.15)
    assert set(factor.unique()) <= {1.0, 0.05, 3.5, 6.0}
    off = panel["timestamp"] - panel["timestamp"].dt.round("h")
    assert off.abs().max() == pd.Timedelta(seconds=300)


def test_duplicates_repeat_the_whole_row():
    panel = stores(n_stores=2, days=60, duplicates=0.05)
    assert panel.duplicated(["store_id", "timestamp"]).sum() == panel.duplicated().sum() > 50


@pytest.mark.parametrize(
    "defect", [{"missing": 0.3}, {"blocks": 0.3}, {"outliers": 0.1}, {"jitter_s": 900}]
)
def test_a_defect_changes_no_truth(defect):
    clean = stores(n_stores=2, days=30, **CLEAN)
    panel = stores(n_stores=2, days=30, **{**CLEAN, **defect})
    assert not panel.equals(clean)
    panel["timestamp"] = panel["timestamp"].dt.round("h")
    columns = ["store_id", "timestamp", "temp", "promo", "region", "truth"]
    assert len(panel[columns].merge(clean[columns])) == len(panel)


def test_a_further_store_changes_none_of_the_others():
    few, more = stores(n_stores=2, days=30), stores(n_stores=3, days=30)
    pd.testing.assert_frame_equal(few, more[more["store_id"] < "S02"])


def test_another_seed_gives_another_panel():
    first, second = (stores(n_stores=1, days=30, seed=seed, **CLEAN) for seed in (1, 2))
    assert (first["truth"] != second["truth"]).mean() > 0.99


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_stores": 0},
        {"days": 20},
        {"noise": -1.0},
        {"missing": 1.0},
        {"blocks": -0.1},
        {"jitter_s": 1800},
    ],
)
def test_sizes_and_rates_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        stores(**wrong)
