"""What the stage preprocess says of a folder in its one line."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.yaml_files import render_params
from stages import ingest, preprocess
from tests.builders import ROOT

HOURS = 240
VALUES = {
    "data.source": "table.csv",
    "data.schema_file": "schema.json",
    "preprocess.frequency": "1h",
    "window.lookback": 4,
    "window.horizon": 2,
}
SCHEMA = '{"version": 1, "timestamp_col": "time", "target_cols": ["y"]}\n'


@pytest.mark.parametrize(
    ("method", "words"),
    [("off", "2 cells filled, features"), ("replace", "2 cells filled, 2 outliers replaced, feat")],
)
def test_filled_cells_and_replaced_outliers_are_counted(tmp_path, method, words):
    values = np.sin(np.arange(HOURS) / 4)
    values[[50, 90]] = 100.0
    times = pd.date_range("2024-01-01", periods=HOURS, freq="h")
    table = pd.DataFrame({"time": times, "y": values.round(3)}).drop(index=[20, 21])
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "schema.json").write_text(SCHEMA)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    chosen = VALUES | {"preprocess.outliers.method": method, "preprocess.outliers.window": 24}
    (tmp_path / "params.yaml").write_text(render_params(text, chosen), encoding="utf-8")
    ingest.main(tmp_path)
    assert words in preprocess.main(tmp_path)
