"""The small pipeline of rows: what its stages wrote, and predictions for new rows."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.artifacts import read_json
from spline_lstm.core.errors import ArtifactError, DataContractError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.row_metrics import row_metrics
from spline_lstm.inference.row_files import RowPredictor
from tests.rows.tables import frame


@pytest.fixture(scope="module")
def exported(rows_folder) -> RowPredictor:
    pipeline = Pipeline(rows_folder)
    return RowPredictor.of_file(pipeline.exported / "model.onnx", pipeline.preprocessor)


def new_rows() -> pd.DataFrame:
    rows = frame(40, seed=9).drop(columns=["y", "value"])
    rows.loc[3, "x"] = np.nan
    rows.loc[5, "color"] = "violet"
    return rows


def predicted(predictor: RowPredictor, rows: pd.DataFrame) -> pd.DataFrame:
    content = rows.to_csv(index=False).encode()
    return predictor.of_table(predictor.rows_of(content, "new.csv")).frame()


def test_the_exported_file_predicts_what_the_saved_network_does(rows_folder, exported):
    ours = predicted(exported, new_rows())
    theirs = predicted(RowPredictor.of_folder(rows_folder), new_rows())
    assert list(ours.columns[:4]) == ["line", "y_pred", "probability_no", "probability_yes"]
    np.testing.assert_allclose(ours["probability_yes"], theirs["probability_yes"], atol=1e-5)
    np.testing.assert_array_equal(ours["line"], np.arange(2, 42))


def test_a_category_that_training_does_not_have_is_said(exported):
    content = new_rows().to_csv(index=False).encode()
    (warning,) = exported.of_table(exported.rows_of(content, "new.csv")).warnings
    assert "'color' (1 row)" in warning


def test_scores_can_be_computed_again_from_the_predictions(rows_folder):
    pipeline = Pipeline(rows_folder)
    table = pq.read_table(pipeline.predictions).to_pandas()
    p = table[["probability_no", "probability_yes"]].to_numpy()
    found = row_metrics((table["y_true"] == "yes").to_numpy(np.float64), p, "classification")
    scores = read_json(pipeline.metrics("evaluate"))
    for name in ("log_loss", "accuracy", "auc", "f1"):
        assert scores[name] == pytest.approx(found[name], rel=1e-5)
    sets = table["set_95"].str.split(", ")
    inside = [name in names for name, names in zip(table["y_true"], sets, strict=True)]
    assert scores["intervals"][1]["coverage"] == pytest.approx(100 * np.mean(inside), rel=1e-5)


def test_the_features_that_make_the_target_are_important(rows_folder):
    scores = read_json(Pipeline(rows_folder).metrics("evaluate"))
    by_name = {row["feature"]: row for row in scores["importance"]}
    assert by_name["x"]["lightgbm"] > 5 * abs(by_name["z"]["lightgbm"])
    assert by_name["x"]["shap_lightgbm"] == max(row["shap_lightgbm"] for row in by_name.values())
    assert {"majority", "linear", "lightgbm"} == {row["baseline"] for row in scores["baselines"]}


def test_the_report_says_what_was_left_out_and_how_well_it_predicts(rows_folder):
    text = (rows_folder / "plots/report.md").read_text(encoding="utf-8")
    for words in ("# Prediction of y", "'z' is missing in 28 rows", "SHAP lightgbm", "log loss"):
        assert words in text
    assert (rows_folder / "plots/calibration.png").is_file()


def test_predict_writes_a_line_per_row(rows_folder, tmp_path, capsys):
    rows = tmp_path / "new.csv"
    new_rows().to_csv(rows, index=False)
    model = rows_folder / "models/edge/model.onnx"
    assert main(["predict", str(model), str(rows)]) == 0
    told = capsys.readouterr()
    table = pd.read_csv(io.StringIO(told.out))
    assert len(table) == 40
    assert "warning: categories that training does not have" in told.err
    assert main(["predict", str(model), str(rows), "--output", str(tmp_path / "out.csv")]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out.csv"), table)


def test_files_of_different_runs_and_tables_without_a_column_are_refused(
    rows_folder, exported, tmp_path
):
    copied = shutil.copytree(rows_folder, tmp_path / "copy")
    intervals = Pipeline(copied).intervals
    content = json.loads(intervals.read_text(encoding="utf-8"))
    intervals.write_text(json.dumps({**content, "run_id": "another"}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="is of the model another"):
        RowPredictor.of_folder(copied)
    with pytest.raises(DataContractError, match="column 'x' of the schema is not in the table"):
        exported.rows_of(new_rows().drop(columns="x").to_csv(index=False).encode(), "new.csv")


def test_a_file_of_trees_is_refused(rows_folder):
    pipeline = Pipeline(rows_folder)
    with pytest.raises(ArtifactError, match="not the file of a network"):
        RowPredictor.of_file(pipeline.exported / "lightgbm.onnx", pipeline.preprocessor)
