import json

import numpy as np
import pandas as pd
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.errors import DataContractError, ParamsError
from spline_lstm.core.parallel import ENGINES
from spline_lstm.core.params import Params, load_params, with_values
from spline_lstm.core.params_file import params_text
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.audit_folder import audit_folder
from spline_lstm.series import preprocess_folder
from spline_lstm.series.summaries import Summary
from spline_lstm.windows.array_files import load_arrays
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.windows import load_windows
from stages import ingest, preprocess, window

SCHEMA = {
    "version": 1,
    "timestamp_col": "time",
    "series_col": "shop",
    "target_cols": ["sales"],
    "static_covariates": [{"name": "town", "dim": 2}],
    "dynamic_covariates": [
        {"name": "price", "dtype": "float"},
        {"name": "sort", "dtype": "categorical", "encoding": "one_hot"},
    ],
}
VALUES = {
    "data.source": "panel.parquet",
    "data.schema_file": "schema.json",
    "preprocess.frequency": "1h",
    "preprocess.feature_mode": "multivariate",
    "window.lookback": 12,
    "window.horizon": 3,
    "preprocess.min_rows": 1,
}


def panel(series=7, rows=120):
    """Shops with gaps, of different length and level; one is constant, one too short."""
    rng, parts = np.random.default_rng(0), []
    for number in range(series):
        length = 9 if number == 3 else rows - number
        times = pd.date_range("2024-01-01", periods=length, freq="h")
        sales = 10.0 * number + np.sin(np.arange(length) / 4) + rng.normal(size=length)
        part = pd.DataFrame({"time": times, "shop": f"shop {number}", "sales": sales})
        part["price"] = rng.random(length)
        part["sort"] = rng.choice(["a", "b", "c"][: number + 1], length)
        part["town"] = "Ulm" if number % 2 else "Bonn"
        if number == 5:
            part["sales"] = 4.0
        parts.append(part[rng.random(length) > 0.05])
    return pd.concat(parts)


@pytest.fixture(autouse=True)
def _jobs_in_this_process_and_no_drawings(monkeypatch, request):
    monkeypatch.setattr(preprocess_folder, "draw", lambda folder, result: None)
    if "workers" not in request.keywords:
        monkeypatch.setitem(ENGINES, "local", ("tests.in_process", "in_process"))


def make(folder, partition_rows, **changes):
    """A folder after the stages up to window."""
    folder.mkdir()
    panel().to_parquet(folder / "panel.parquet", index=False)
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    values = {**VALUES, "data.partition_rows": partition_rows, **changes}
    (folder / "params.yaml").write_text(params_text(with_values(Params(), values, "test")))
    for stage in (ingest, preprocess, window):
        stage.main(folder)
    return folder


def content(folder):
    arrays = load_arrays(Pipeline(folder))
    return {name: np.asarray(getattr(arrays, name)) for name in AsOfArrays.__dataclass_fields__}


@pytest.mark.parametrize("scope", ["global", "per_series", "auto"])
@pytest.mark.parametrize("scaler", ["standard", "robust"])
def test_one_partition_gives_the_bytes_of_one_file(tmp_path, scope, scaler):
    same_as_one_file(tmp_path, {"preprocess.scaler_scope": scope, "preprocess.scaler": scaler})


@pytest.mark.parametrize(
    "changes",
    [
        {"preprocess.outliers.method": "replace", "preprocess.outliers.threshold": 1.0},
        {"preprocess.smoothing.method": "replace", "preprocess.smoothing.strength": 2.0},
        {"preprocess.smoothing.method": "channel", "preprocess.smoothing.strength": 2.0},
        {"preprocess.max_gap": 1, "preprocess.fill": "linear"},
    ],
)
def test_options_of_one_partition_do_as_in_one_file(tmp_path, changes):
    same_as_one_file(tmp_path, changes)


def same_as_one_file(tmp_path, changes):
    """One partition has the bytes of one file."""
    one, many = make(tmp_path / "file", None, **changes), make(tmp_path / "one", 10**6, **changes)
    for name, array in content(one).items():
        assert array.tobytes() == content(many)[name].tobytes(), name
    for file in ("models/preprocessor.json", "data/processed/windows.npz"):
        assert (one / file).read_bytes() == (many / file).read_bytes()
    quality = [json.loads((each / "metrics/data.json").read_text()) for each in (one, many)]
    assert quality[0] == quality[1]


@pytest.mark.parametrize("scaler", ["standard", "minmax", "robust"])
def test_several_partitions_differ_by_rounding_and_sketches_by_their_stated_error(tmp_path, scaler):
    changes = {"preprocess.scaler": scaler, "preprocess.scaler_scope": "per_series"}
    one, many = make(tmp_path / "one", None, **changes), make(tmp_path / "many", 150, **changes)
    assert len(list((many / "data/raw/series").glob("part-*.parquet"))) == 3
    limit = 0.05 if scaler == "robust" else 1e-12
    expected, found = (
        json.loads((f / "models/preprocessor.json").read_text()) for f in (one, many)
    )
    for key in ("series", "categories", "statics", "constants", "skipped", "split_instants"):
        assert found[key] == expected[key]
    assert np.allclose(found["scaler"]["center"], expected["scaler"]["center"], atol=limit)
    assert np.allclose(found["scaler"]["scale"], expected["scaler"]["scale"], atol=limit)
    first, second = content(one), content(many)
    for name in ("known_at", "valid", "raw_target", "filled_target", "timestamps", "static_ids"):
        assert first[name].tobytes() == second[name].tobytes(), name
    assert np.allclose(first["scaled"], second["scaled"], atol=2 * limit + 1e-6, equal_nan=True)
    assert np.array_equal(load_windows(one).origins, load_windows(many).origins)
    batch = load_windows(many).gather("train")
    assert np.allclose(batch.X, load_windows(one).gather("train").X, atol=2 * limit + 1e-6)


@pytest.mark.slow
@pytest.mark.workers
def test_workers_change_no_byte(tmp_path):
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(ENGINES, "local", ("tests.in_process", "in_process"))
        one = make(tmp_path / "one", 150)
    two = make(tmp_path / "two", 150, **{"run.workers": 2})
    for file in sorted(one.glob("data/**/*")):
        if file.is_file():
            assert file.read_bytes() == (two / file.relative_to(one)).read_bytes(), file
    name = "models/preprocessor.json"
    assert (one / name).read_bytes() == (two / name).read_bytes()


def test_sketches_keep_their_stated_rank_error():
    rng = np.random.default_rng(1)
    values = [rng.lognormal(size=size) for size in (5000, 200, 30_000)]
    whole = np.sort(np.concatenate(values))
    merged = Summary.of_all([Summary.of(each) for each in values])
    ranks = np.searchsorted(whole, merged.quartiles) / len(whole)
    assert np.abs(ranks - [0.25, 0.5, 0.75]).max() <= 1 / 2048 + 1e-4
    assert merged.mean == pytest.approx(whole.mean(), rel=1e-14)
    assert merged.std == pytest.approx(whole.std(), rel=1e-14)


def test_options_without_a_summary_are_refused_with_what_to_set(tmp_path):
    with pytest.raises(ParamsError, match=r"set target.transform to none, or set data"):
        make(tmp_path / "log", 150, **{"target.transform": "log"})


def test_rows_of_a_series_in_two_places_are_refused(tmp_path):
    folder = make(tmp_path / "one", 150)
    shuffled = pd.concat([panel()[panel()["shop"] != "shop 0"], panel().iloc[:80]])
    pd.concat([panel().iloc[80:], shuffled]).to_parquet(folder / "panel.parquet", index=False)
    before = sorted((folder / "data/raw/series").iterdir())
    with pytest.raises(DataContractError, match="sort the file by 'shop'"):
        ingest.main(folder)
    assert sorted((folder / "data/raw/series").iterdir()) == before
    assert load_params(folder).data.partition_rows == 150


def test_partitions_without_a_column_of_the_series_are_refused_by_check(tmp_path, capsys):
    panel().to_parquet(tmp_path / "panel.parquet", index=False)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA | {"series_col": None}))
    values = {**VALUES, "data.partition_rows": 150}
    (tmp_path / "params.yaml").write_text(params_text(with_values(Params(), values, "test")))
    assert main(["check", str(tmp_path)]) == 10
    assert "the schema has no series_col; set data.partition_rows" in capsys.readouterr().err


def test_a_bad_partition_is_named_once(tmp_path):
    folder = make(tmp_path / "one", 150)
    whole = panel().reset_index(drop=True)
    whole.loc[[10, 11], "time"] = whole.loc[[11, 10], "time"].to_numpy()
    whole.to_parquet(folder / "panel.parquet", index=False)
    with pytest.raises(DataContractError) as refused:
        ingest.main(folder)
    assert str(refused.value).count("part-00000.parquet") == 1


@pytest.mark.parametrize(("seconds", "snap"), [(0, 0.5), (60, 0.5), (1200, "interpolate")])
def test_an_automatic_snap_is_that_of_one_file(tmp_path, monkeypatch, seconds, snap):
    late, whole = pd.to_timedelta(np.arange(len(panel())) % 2 * seconds, unit="s"), panel()
    whole["time"] += late
    monkeypatch.setattr("tests.series.test_preprocess_partitions.panel", lambda: whole)
    folders = [make(tmp_path / str(n), n, **{"preprocess.snap": "auto"}) for n in (10**6, 150)]
    for folder in folders:
        content = json.loads((folder / "models/preprocessor.json").read_text())
        assert content["params"]["snap"] == snap


def test_a_folder_has_one_form_of_the_panel(tmp_path):
    folder = make(tmp_path / "one", 150)
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("partition_rows: 150", "partition_rows: null"))
    for stage in (ingest, preprocess):
        stage.main(folder)
    assert not (folder / "data/raw/series").exists()
    assert not (folder / "data/processed/arrays").exists()
    (folder / "params.yaml").write_text(text)
    for stage in (ingest, preprocess):
        stage.main(folder)
    assert not (folder / "data/raw/series.parquet").exists()
    assert not (folder / "data/processed/processed.npz").exists()


def test_the_audit_says_which_partition_it_looked_at(tmp_path):
    folder = make(tmp_path / "panel", 300)
    assert "windows of part-00000.parquet compared" in audit_folder(
        folder, load_params(folder), 3, 0
    )
