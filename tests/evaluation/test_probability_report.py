"""The report of a model of probabilities, of a small pipeline that is really run."""

import json

import numpy as np
import pytest

from spline_lstm.core.yaml_files import render_params
from spline_lstm.evaluation.probability_report import probability_report
from spline_lstm.reporting.document import Picture
from spline_lstm.reporting.markdown import to_markdown
from stages import evaluate, ingest, preprocess, train_flax_rnn, window
from tests.builders import ROOT

HOURS = 400
VALUES = {
    "data.source": "table.csv",
    "data.schema_file": "schema.json",
    "preprocess.frequency": "1h",
    "preprocess.max_gap": 0,
    "window.lookback": 12,
    "window.horizon": 2,
    "model.hidden": [4],
    "model.linear_skip": "none",
    "model.stack": "none",
    "model.normalization": "none",
    "target.scaled": False,
    "train.loss": "bce",
    "train.max_epochs": 1,
    "evaluate.season": 24,
}
SCHEMA = '{"version": 1, "timestamp_col": "time", "target_cols": ["rain"]}\n'
# Of what was done to the data, and where the model comes from: the same in every report.
SHARED = ["Training", "What was done to the data", "Splits", "Data quality", "Drift"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rain")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(text, VALUES), encoding="utf-8")
    (folder / "schema.json").write_text(SCHEMA, encoding="utf-8")
    rng = np.random.default_rng(3)
    rows = [
        f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{int(rng.random() < 0.3 + hour % 2 / 4)}"
        for hour in range(HOURS)
        if hour % 50
    ]
    (folder / "table.csv").write_text("\n".join(["time,rain", *rows]) + "\n", encoding="utf-8")
    for stage in (ingest, preprocess, window, train_flax_rnn, evaluate):
        stage.main(folder)
    folds = [
        {"fold": "1", "train_start": "2024-01-01T00:00:00Z",
         "validation_start": "2024-01-08T00:00:00Z", "test_start": "2024-01-10T00:00:00Z",
         "test_end": "2024-01-12T00:00:00Z"},
    ]  # fmt: skip
    (folder / "metrics/backtest.json").write_text(json.dumps({"folds": folds}))
    return folder


@pytest.mark.slow
def test_the_report_has_what_was_done_to_the_data_like_every_other(folder):
    document = probability_report(folder)
    found = [section.title for section in document.sections]
    assert found[:4] == [
        "What was forecast", "Model against baselines", "Calibration", "Forecasts"
    ]  # fmt: skip
    assert [title for title in found if title in SHARED] == SHARED
    # A probability is not judged by the errors of a number, whatever their root is called.
    text = to_markdown(document)
    assert "RMSE" not in text
    assert "MAPE" not in text
    assert "| window | origin | root of the Brier score of rain |" in text
    data = document.sections[found.index("What was done to the data")]
    pictures = [block.name for block in data.blocks if isinstance(block, Picture)]
    assert pictures == ["course", "missing", "folds"]
