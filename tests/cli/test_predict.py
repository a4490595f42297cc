"""The command predict on a hand-made file: its answer can be said by head."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.artifacts import with_run_id, write_json
from spline_lstm.core.params_data import OutliersParams
from spline_lstm.core.reading import Reading
from spline_lstm.series.preprocess import preprocess
from spline_lstm.tables.frames import plain_frame
from spline_lstm.tables.raw_table import typed_table
from tests.builders import HOUR, ROOT, START, make_preprocess_params
from tests.exported_sum import SCHEMA, frame, write_model

# In a process of its own, what was loaded is told on the last line.
HEAVY = {
    "jax",
    "tensorflow",
    "flax",
    "scipy.signal",
    "scipy.ndimage",
    "scipy.optimize",
    "pandera.api",
}
RUN = f"""
import sys
from spline_lstm.__main__ import main
print(main(), sorted({HEAVY} & set(sys.modules)))
"""


@pytest.fixture
def folder(tmp_path):
    """models/edge/model.onnx with its preprocessor and intervals, history.csv and future.csv."""
    outliers = OutliersParams(method="replace", window=5, threshold=50.0)
    params = make_preprocess_params(
        feature_mode="multivariate", fill="seasonal", season=24, outliers=outliers
    )
    table = typed_table(
        plain_frame(frame(), SCHEMA, "raw"),
        SCHEMA,
        where="raw",
        reading=Reading(),
    )
    preprocessor = preprocess(table, SCHEMA, params, where="raw").preprocessor
    write_model(tmp_path / "models/edge/model.onnx", preprocessor)
    preprocessor.save(tmp_path / "models/preprocessor.json")
    half = {"levels": [80.0], "half_widths": [[[1.0], [2.0], [3.0]]], "n": [[9], [9], [9]]}
    write_json(
        tmp_path / "models/intervals.json", {"run_id": "model", "method": "split conformal", **half}
    )
    history = frame()[frame()["time"] < pd.Timestamp(START + 50 * HOUR)]
    history.to_csv(tmp_path / "history.csv", index=False)
    frame().drop(columns="y").to_csv(tmp_path / "future.csv", index=False)
    return tmp_path


def predict(folder, *more):
    model, history = folder / "models/edge/model.onnx", folder / "history.csv"
    return main(
        [
            "predict",
            str(model),
            str(history),
            "--future",
            str(folder / "future.csv"),
            *map(str, more),
        ]
    )


def test_it_prints_the_forecast_and_its_bounds_in_a_process_without_jax(folder):
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        RUN,
        "predict",
        "models/edge/model.onnx",
        "history.csv",
    ]
    done = subprocess.run(
        [*command, "--future", "future.csv"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    # The last y is 149 in shop a; the prices to come are 100, 102 and 104.
    assert done.stdout.splitlines() == [
        "series,timestamp,y,y_lower_80,y_upper_80",
        "a,2020-01-03T02:00:00Z,249,248,250",
        "a,2020-01-03T03:00:00Z,251,249,253",
        "a,2020-01-03T04:00:00Z,253,250,256",
        "b,2020-01-03T02:00:00Z,1149,1148,1150",
        "b,2020-01-03T03:00:00Z,1151,1149,1153",
        "b,2020-01-03T04:00:00Z,1153,1150,1156",
        "0 []",
    ]


def test_half_widths_are_multiplied_by_the_scale_of_the_series(folder, capsys):
    edit(folder / "models/intervals.json", scales=[[10.0], [0.5], [2.0]])
    text = (folder / "history.csv").read_text()
    new = [line.replace(",b,", ",new,") for line in text.splitlines() if ",b," in line]
    (folder / "history.csv").write_text(text + "\n".join(new) + "\n")
    rows = (folder / "future.csv").read_text()
    more = [line.replace(",b,", ",new,") for line in rows.splitlines() if ",b," in line]
    (folder / "future.csv").write_text(rows + "\n".join(more) + "\n")
    assert predict(folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "a,2020-01-03T02:00:00Z,249,239,259"
    assert lines[4] == "b,2020-01-03T02:00:00Z,1149,1148.5,1149.5"
    # One that training did not see takes the last scale.
    assert lines[7] == "new,2020-01-03T02:00:00Z,1149,1147,1151"


def test_half_widths_follow_the_recent_changes_of_the_history(folder, capsys):
    # Both series rise by 1 a row: as usual for the first, a quarter of the usual for the second.
    local = {"exponents": [0.5], "decay": 0.5, "usual": [[1.0], [4.0], [1.0]]}
    edit(folder / "models/intervals.json", local=local)
    assert predict(folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "a,2020-01-03T02:00:00Z,249,248,250"
    assert lines[4] == "b,2020-01-03T02:00:00Z,1149,1148.5,1149.5"


def test_it_writes_a_file_and_reads_parquet(folder, capsys):
    assert predict(folder, "--output", folder / "forecast.csv") == 0
    expected = (folder / "forecast.csv").read_text()
    assert "6 rows" in capsys.readouterr().out
    pd.read_csv(folder / "history.csv", parse_dates=["time"]).to_parquet(folder / "history.csv")
    (folder / "models/intervals.json").unlink()
    assert predict(folder) == 0
    without_bounds = [line.rsplit(",", 2)[0] for line in expected.splitlines()]
    assert capsys.readouterr().out.splitlines() == without_bounds


def test_a_folder_of_partitions_gives_the_rows_of_one_table_whatever_the_workers(folder, capsys):
    assert predict(folder, "--output", folder / "forecast.csv") == 0
    for name in ("history", "future"):
        table = pd.read_csv(folder / f"{name}.csv", parse_dates=["time"])
        (folder / name).mkdir()
        for number, (_, rows) in enumerate(table.groupby("shop")):
            rows.to_parquet(folder / name / f"part-{number:05d}.parquet", index=False)
    command = ["predict", folder / "models/edge/model.onnx", folder / "history"]
    command += ["--future", folder / "future", "--output", folder / "parts", "--workers"]
    found = []
    for workers in (1, 2):
        assert main([*map(str, command), str(workers)]) == 0
        assert "6 rows in 2 files" in capsys.readouterr().out
        found.append([path.read_text() for path in sorted((folder / "parts").iterdir())])
    first, second = found[0]
    assert found[1] == found[0]
    assert first + second.split("\n", 1)[1] == (folder / "forecast.csv").read_text()


def test_of_partitions_it_needs_a_folder_for_the_forecasts_and_a_part_of_the_future(folder, capsys):
    (folder / "history").mkdir()
    model = str(folder / "models/edge/model.onnx")
    command = ["predict", model, str(folder / "history")]
    assert main(command) == 2
    assert "with --output" in capsys.readouterr().err
    output = ["--output", str(folder / "parts")]
    assert main([*command, *output]) == 2
    assert "has no part-*.parquet" in capsys.readouterr().err
    (folder / "history/part-00000.parquet").write_bytes(b"")
    assert main([*command, *output, "--future", str(folder)]) == 2
    assert "there is no part-00000.parquet" in capsys.readouterr().err
    assert not (folder / "parts").exists()


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[40] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda f: (f / "history.csv").unlink(), 2, "no such file"),
        (lambda f: (f / "models/edge/model.onnx").unlink(), 15, "model.onnx is missing"),
        (lambda f: flip_a_byte(f / "models/edge/model.onnx"), 15, "model.onnx is damaged"),
        (
            lambda f: (f / "models/preprocessor.json").unlink(),
            15,
            "preprocessor.json is missing; name",
        ),
        (
            lambda f: edit(f / "models/preprocessor.json", series=["a", "c"]),
            15,
            "was changed after it was written",
        ),
        (lambda f: edit_preprocessor(f, series=["a", "c"]), 15, "trained with preprocessor"),
        (lambda f: edit_preprocessor(f, neutral=None), 15, "another version of the code"),
        (lambda f: edit_preprocessor(f, params={}), 15, "('params.feature_mode'); run `dvc repro`"),
        (
            lambda f: edit(f / "models/intervals.json", run_id="other"),
            15,
            "was measured on model other",
        ),
        (
            lambda f: cut(f / "history.csv", 3),
            14,
            "Z is missing: the history has 3; give 4 rows of history",
        ),
        (
            lambda f: put(f / "history.csv", 30, "y", "1e39"),
            12,
            "history.csv: column 'y' has 1e+39 at 2020-01-02T06:00:00Z of series 'a'; values must",
        ),
        (lambda f: cut(f / "future.csv", 52), 13, "no value at 2020-01-03T04:00:00Z"),
        (
            lambda f: (f / "history.csv").write_text("time,shop,y,price\nnoon,a,1,1\n"),
            12,
            "row 2: timestamp 'noon'",
        ),
        (
            lambda f: put(f / "future.csv", 51, "price", "dear"),
            12,
            "future.csv row 53: column 'price' contains 'dear'",
        ),
        (
            lambda f: put(f / "future.csv", 0, "time", "noon"),
            12,
            "future.csv row 2: timestamp 'noon'",
        ),
        (lambda f: drop(f / "future.csv", "time"), 12, "future.csv: column 'time'"),
    ],
)
def test_what_is_wrong_ends_with_its_code_and_one_line_for_each(
    folder, capsys, change, code, words
):
    change(folder)
    assert predict(folder) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert all(line.startswith(f"{code} ") for line in captured.err.splitlines())


def test_blanks_at_the_end_are_forecast_and_the_start_is_said(folder, capsys):
    assert predict(folder) == 0
    expected = capsys.readouterr().out
    whole = frame()
    whole.loc[whole["time"] >= pd.Timestamp(START + 50 * HOUR), "y"] = np.nan
    whole.to_csv(folder / "history.csv", index=False)
    model, history = folder / "models/edge/model.onnx", folder / "history.csv"
    # The rows ahead are in the history itself.
    assert main(["predict", str(model), str(history)]) == 0
    captured = capsys.readouterr()
    assert captured.out == expected
    assert captured.err == (
        "note: 2 forecasts start at 2020-01-03T02:00:00Z, after the last observed target: later "
        f"rows of {history} have none\n"
    )
    assert main(["predict", str(model), str(history), "--from", "end"]) == 14
    assert "4 of the 4 rows before 2020-01-03T12:00:00Z are missing" in capsys.readouterr().err


def test_half_a_lookback_without_values_is_said_in_one_line(folder, capsys):
    history = frame()[frame()["time"] < pd.Timestamp(START + 50 * HOUR)]
    first, second = history["time"].drop_duplicates().iloc[[-3, -2]]
    history.loc[(history["time"] == first) & (history["shop"] == "b"), "y"] = np.nan
    history.to_csv(folder / "history.csv", index=False)
    assert predict(folder) == 0
    assert capsys.readouterr().err == ""
    history.loc[(history["time"] == second) & (history["shop"] == "b"), "y"] = np.nan
    history.to_csv(folder / "history.csv", index=False)
    assert predict(folder) == 0
    assert capsys.readouterr().err == (
        f"warning: {folder / 'history.csv'}: 2 of the 4 rows before the forecast of series 'b' "
        "were missing and filled; the forecast may be worse than its intervals say\n"
    )


def test_a_start_before_the_history_is_named_as_such(folder, capsys):
    assert predict(folder, "--from", "2019-12-01") == 14
    (first, _) = capsys.readouterr().err.splitlines()
    assert first == (
        f"14 too little data: {folder / 'history.csv'}, series 'a': starts at or after "
        "2019-12-01T00:00:00Z, where the forecast starts; give the 4 rows before it, or a later "
        "start"
    )


def test_a_folder_is_no_model_file_but_for_the_task_tabular(folder, capsys):
    rows = str(folder / "history.csv")
    assert main(["predict", str(folder), rows]) == 2
    assert "is a folder, not a model file; name one, models/edge/model.onnx" in (
        capsys.readouterr().err
    )
    stores = ROOT / "pipelines" / "stores"
    assert main(["predict", str(stores), rows]) == 2
    assert f"name the exported file, {stores / 'models/edge/model.onnx'}" in capsys.readouterr().err


def test_a_forecast_from_a_timestamp_does_not_use_later_targets(folder, capsys):
    frame().to_csv(folder / "history.csv", index=False)
    outputs = []
    for value in (150.0, -1e6):
        for name in ("history.csv", "future.csv"):
            whole = frame()
            whole.loc[whole["time"] >= pd.Timestamp(START + 45 * HOUR), "y"] = value
            whole.to_csv(folder / name, index=False)
        assert predict(folder, "--from", "2020-01-02 21:00") == 0
        captured = capsys.readouterr()
        outputs.append(captured.out)
        assert "as asked: of the targets in" in captured.err
    # The last y before is 144; the price of hour 45 is 90.
    assert outputs[0].splitlines()[1] == "a,2020-01-02T21:00:00Z,234,233,235"
    assert outputs[0] == outputs[1]
    assert predict(folder, "--from", "yesterday") == 2
    assert "a forecast cannot start at 'yesterday'" in capsys.readouterr().err


def test_absent_rows_ahead_are_an_error_or_blank(folder, capsys):
    whole = frame().drop(columns="y")
    whole.drop(index=51).to_csv(folder / "future.csv", index=False)
    assert predict(folder) == 13
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{folder / 'future.csv'}, series 'a': the row is absent, so 'price' has no" in line
    assert "value at 2020-01-03T03:00:00Z; give it, or set absent to blank" in line
    assert predict(folder, "--absent", "blank") == 0
    assert capsys.readouterr().out.splitlines()[2] == "a,2020-01-03T03:00:00Z,251,249,253"


def test_an_output_without_a_folder_is_refused_and_nothing_is_made(folder, capsys):
    assert predict(folder, "--output", folder / "out/forecast.csv") == 2
    assert f"there is no folder {folder / 'out'}" in capsys.readouterr().err
    assert not (folder / "out").exists()
    assert predict(folder, "--output", folder / "models") == 2
    assert "this is a folder" in capsys.readouterr().err


def test_a_file_of_weights_is_no_model_file(folder, capsys):
    weights = folder / "models/rnn/best.safetensors"
    assert main(["predict", str(weights), str(folder / "history.csv")]) == 2
    assert "a model file is .onnx or .tflite" in capsys.readouterr().err


def test_a_model_that_was_copied_elsewhere_asks_for_its_preprocessor(folder, capsys):
    assert predict(folder) == 0
    expected = capsys.readouterr().out
    copied = (folder / "models/edge/model.onnx").rename(folder / "model.onnx")
    command = [
        "predict",
        str(copied),
        str(folder / "history.csv"),
        "--future",
        str(folder / "future.csv"),
    ]
    assert main(command) == 15
    assert "--preprocessor" in capsys.readouterr().err
    assert main([*command, "--preprocessor", str(folder / "models/preprocessor.json")]) == 0
    assert capsys.readouterr().out == expected


def edit(path, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def edit_preprocessor(folder, **changes):
    """Another preprocessor, by its own run id."""
    path = folder / "models/preprocessor.json"
    edit(path, **changes)
    path.write_text(json.dumps(with_run_id(json.loads(path.read_text()))))


def cut(path, hour):
    """Leave the rows before an hour."""
    rows = pd.read_csv(path, parse_dates=["time"])
    rows[rows["time"] < pd.Timestamp(START + hour * HOUR)].to_csv(path, index=False)


def put(path, row, column, text):
    """Write a text into a cell; row 0 is on line 2."""
    rows = pd.read_csv(path, dtype=str)
    rows.loc[row, column] = text
    rows.to_csv(path, index=False)


def drop(path, column):
    pd.read_csv(path).drop(columns=column).to_csv(path, index=False)
