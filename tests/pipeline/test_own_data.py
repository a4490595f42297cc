"""From a file to a forecast: one `init`, all stages, one `predict` of the exported file.

The next timestamps cross a month end, a holiday and a weekend, a change of clocks.
"""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.clock_params import parse_clock
from spline_lstm.core.parallel import ENGINES
from stages import (
    backtest,
    benchmark,
    evaluate,
    export,
    ingest,
    preprocess,
    report,
    train_flax_rnn,
    window,
)
from tests.pipeline.conftest import Clone, make_clone

# Only the pipelines that DVC runs draw their pictures.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_pictures")]

STAGES = (
    ingest,
    preprocess,
    window,
    train_flax_rnn,
    evaluate,
    export,
    benchmark,
    backtest,
    report,
)

# Training and the gate are tested elsewhere.
TINY = """
model: {type: linear}
export: {variants: [], golden_windows: 16}
benchmark: {calls: 100, warmup_calls: 10, repeats: 10, max_p95_ms: 1000.0}
backtest: {folds: 1, stride: null}
"""


def wave(count: int, period: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=count)
    return np.round(100 + 10 * np.sin(np.arange(count) * 2 * np.pi / period) + noise, 3)


def trading_days() -> pd.DataFrame:
    first, last = (pd.Timestamp(day).as_unit("ns").value for day in ("2021-01-04", "2024-07-02"))
    days = parse_clock("B", holidays="NYSE").range(first, last).view("datetime64[ns]")
    return pd.DataFrame({"Date": days, "Close": wave(len(days), 5)})


def wall_clocks() -> pd.DataFrame:
    wall = BERLIN.tz_localize(None).strftime("%Y-%m-%d %H:%M")
    return pd.DataFrame({"time": wall, "load": wave(len(BERLIN), 24)})


def columns_of_series() -> pd.DataFrame:
    days = pd.date_range("2023-01-01", periods=300, freq="D")
    series = {name: wave(300, 7) * factor for name, factor in (("a", 1), ("b", 2), ("c", 5))}
    frame = pd.DataFrame({"date": days, **series})
    frame.loc[:99, "c"] = np.nan
    return frame


def document() -> pd.DataFrame:
    count, rng = 400, np.random.default_rng(1)
    hours = pd.date_range("2024-01-01", periods=count, freq="h")
    temp = np.round(10 + 5 * np.sin(np.arange(count) * 2 * np.pi / 24) + rng.normal(size=count), 2)
    return pd.DataFrame(
        {
            "timestamp": hours,
            "target": wave(count, 24),
            "temp": temp,
            "promo": (rng.random(count) < 0.2).astype(int),
            "store_id": "s1",
        }
    )


MONTHS = pd.date_range("2012-02-29", "2024-01-31", freq="ME")
BERLIN = pd.date_range("2023-03-20", "2023-10-28 20:00", freq="h", tz="Europe/Berlin")
HOURS = pd.date_range("2024-01-01", periods=400, freq="h")
DOCUMENT = "configs/covariates/default.schema.json"
SPLINE = (sys.executable, "-m", "spline_lstm")
# Pipeline -> its table, and what `init` is told about it.
PIPELINES = {
    "none": (
        # With an index without a name.
        pd.DataFrame({"": range(400), "time": HOURS, "y": wave(400, 24)}),
        ("--target", "y", "--params", "none.yaml"),
    ),
    "air": (pd.DataFrame({"month": MONTHS, "passengers": wave(len(MONTHS), 12)}), ()),
    "trade": (trading_days(), ()),
    "load": (
        # A lookback of weeks takes the linear fit a minute.
        wall_clocks(),
        ("--time-zone", "Europe/Berlin", "--params", "load.yaml"),
    ),
    "wide": (columns_of_series(), ("--layout", "wide")),
    "document": (document(), ("--schema", DOCUMENT)),
}


# What DVC runs; the others differ in their data alone. It comes first, since DVC reads the dvc.yaml
# of all pipelines again and again.
BY_DVC = ("none",)
NO_OTHERS = "pipelines/.gitignore"


@pytest.fixture(scope="module")
def clone(tmp_path_factory, warm, no_pictures) -> Clone:
    """One repository with all pipelines of this module after all stages."""
    folder = tmp_path_factory.mktemp("own") / "clone"
    made = make_clone(folder, tiny=False, beside=NO_OTHERS, surroundings=warm)
    (made.folder / "tiny.yaml").write_text(TINY)
    (made.folder / "load.yaml").write_text(TINY + "window: {lookback: 48}\n")
    (made.folder / "none.yaml").write_text(TINY.replace("variants: []", "formats: []"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        patch.setitem(ENGINES, "local", ("tests.in_process", "in_process"))
        for name, (frame, options) in PIPELINES.items():
            csv = made.folder / f"{name}.csv"
            frame.to_csv(csv, index=False)
            params = () if "--params" in options else ("--params", "tiny.yaml")
            words = ("init", name, "--csv", csv.name, *params, *options)
            if name in BY_DVC:
                made.run(*SPLINE, *words)
            else:
                assert main(words) == 0
            # The copy in the folder is the one that counts.
            csv.unlink()
            if name in BY_DVC:
                made.run("dvc", "repro", f"pipelines/{name}/dvc.yaml")
            else:
                for stage in STAGES:
                    stage.main(made.folder / "pipelines" / name)
    return made


def forecast(clone: Clone, name: str) -> pd.DataFrame:
    """What `predict` writes for a pipeline, with the timestamps as they are written."""
    folder = clone.folder / "pipelines" / name
    model, raw, out = (
        str(folder / path)
        for path in ("models/edge/model.onnx", "data/raw/series.csv", "forecast.csv")
    )
    assert main(["predict", model, raw, "--output", out]) == 0
    return pd.read_csv(out, dtype={"timestamp": str})


def test_month_ends_go_on_with_month_ends(clone):
    found = forecast(clone, "air")
    expected = pd.date_range("2024-02-29", periods=len(found), freq="ME")
    assert found["timestamp"].tolist() == expected.strftime("%Y-%m-%dT00:00:00Z").tolist()
    assert np.isfinite(found["passengers"]).all()


def test_trading_days_leave_out_a_holiday_and_a_weekend(clone):
    found = forecast(clone, "trade")
    # The fourth of July was a Thursday.
    assert [text[:10] for text in found["timestamp"]] == [
        "2024-07-03",
        "2024-07-05",
        "2024-07-08",
        "2024-07-09",
        "2024-07-10",
    ]


def test_wall_clocks_cross_both_changes_of_clocks(clone):
    found = forecast(clone, "load")
    expected = pd.date_range(BERLIN[-1], periods=len(found) + 1, freq="h")[1:]
    assert found["timestamp"].tolist() == [each.isoformat() for each in expected]
    assert [text[-6:] for text in found["timestamp"][:8]] == ["+02:00"] * 6 + ["+01:00"] * 2


def test_a_column_for_each_series_is_forecast_for_each(clone):
    found = forecast(clone, "wide")
    expected = pd.date_range("2023-10-28", periods=7, freq="D").strftime("%Y-%m-%dT00:00:00Z")
    assert sorted(found["series"].unique()) == ["a", "b", "c"]
    for _, rows in found.groupby("series"):
        assert rows["timestamp"].tolist() == expected.tolist()


def test_the_first_experiment_of_a_new_pipeline_finds_its_data(tmp_path, warm, monkeypatch):
    clone = make_clone(tmp_path / "clone", tiny=False, beside=NO_OTHERS, surroundings=warm)
    csv = clone.folder / "fresh.csv"
    pd.DataFrame({"time": HOURS, "y": wave(400, 24)}).to_csv(csv, index=False)
    monkeypatch.chdir(clone.folder)
    assert main(["init", "fresh", "--csv", "fresh.csv"]) == 0
    csv.unlink()
    clone.run("git", "add", "pipelines/fresh")
    clone.commit("a new pipeline")
    stage, setting = (
        "pipelines/fresh/dvc.yaml:window",
        "pipelines/fresh/params.yaml:window.stride=2",
    )
    done = clone.run("dvc", "exp", "run", "--temp", stage, "-S", setting)
    assert "Ran experiment" in done.stdout


def test_the_schema_of_the_data_contract_document_goes_all_the_way(clone):
    found = forecast(clone, "document")
    assert np.isfinite(found["target"]).all()
    folder = clone.folder / "pipelines/document"
    assert (folder / "schema.json").read_text() == (clone.folder / DOCUMENT).read_text()
    meta = json.loads((folder / "data/processed/meta.json").read_text())
    assert (meta["feature_mode"], meta["target_cols"]) == ("multivariate", ["target"])
    assert meta["dynamic_covariates"] == ["temp", "promo"]
    assert meta["static_covariates"] == ["store_id"]
    # Optional columns may be missing where a forecast is made; each is named.
    bare = clone.folder / "bare.csv"
    PIPELINES["document"][0][["timestamp", "target"]].to_csv(bare, index=False)
    model = folder / "models/edge/model.onnx"
    done = clone.run(*SPLINE, "predict", str(model), bare.name)
    assert len(done.stdout.splitlines()) == len(found) + 1
    for name in ("temp", "promo", "store_id"):
        assert f"has no column {name!r}" in done.stderr


def test_a_pipeline_that_exports_nothing_reproduces(clone):
    folder = clone.folder / "pipelines/none"
    assert list((folder / "models/edge").iterdir()) == []
    assert json.loads((folder / "metrics/latency.json").read_text())["passed"]
    assert "up to date" in clone.run("dvc", "status", "pipelines/none/dvc.yaml").stdout
    assert (folder / "plots/folds.png").is_file()
