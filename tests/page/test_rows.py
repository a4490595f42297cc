"""A model of rows, and probabilities of days: read from what the stages of their tasks write."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.artifacts import write_metrics
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.yaml_files import render_params
from spline_lstm.evaluation.row_scores import row_content
from spline_lstm.evaluation.scores import to_records
from spline_lstm.page.charts import days_chart, importance_chart
from spline_lstm.page.days import day_view
from spline_lstm.page.reading import kind_of
from spline_lstm.page.rows import rows_view
from spline_lstm.rows.arrays import RowSplit
from tests.page.examples import empty_folder, touch
from tests.page.test_charts import layers
from tests.page.test_tabs import box, checked, page

TRUTH = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
IMPORTANCE = [
    {"feature": "size", "model": 2.0, "lightgbm": 1.0},
    {"feature": "day", "model": 0.5, "lightgbm": 1.5},
]


@pytest.fixture
def tabular(tmp_path):
    """A pipeline of numbers: the model is wrong by .5, the baseline by 1."""
    folder = empty_folder(tmp_path / "houses")
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(text, {"task": "tabular"}))
    predicted = {"model": TRUTH[:, None] + 0.5, "mean": TRUTH[:, None] - 1.0}
    test = RowSplit(None, TRUTH, TRUTH, np.arange(2, 7))
    content = row_content(predicted, test, "regression")
    content |= {"importance": IMPORTANCE, "intervals": [{"interval": "80", "coverage": 80.0}]}
    write_metrics(folder / "metrics/evaluate.json", to_records(content))
    rows = pd.DataFrame({"line": test.lines, "y_true": TRUTH, "y_pred": TRUTH + 0.5})
    (folder / "data").mkdir()
    rows.to_parquet(folder / "data/predictions.parquet")
    return folder


def test_the_model_is_beside_its_baselines(tabular):
    view = rows_view(Pipeline(tabular))
    metrics = view.metrics.set_index("prediction")
    assert metrics["rmse"].to_dict() == {"model": 0.5, "mean": 1.0}
    assert metrics["bias"].to_dict() == {"model": 0.5, "mean": -1.0}
    assert view.importances == ["model", "lightgbm"]
    assert view.predictions["error"].tolist() == [0.5] * 5
    assert len(view.calibration)
    (bars,) = layers(importance_chart(view.importance, "lightgbm"))
    assert bars["encoding"]["y"]["sort"] == ["day", "size"]


def test_predicted_classes_are_right_or_wrong(tabular):
    rows = pd.DataFrame({"line": [2, 3], "y_true": ["a", "b"], "y_pred": ["a", "a"]})
    rows.to_parquet(tabular / "data/predictions.parquet")
    assert rows_view(Pipeline(tabular)).predictions["right"].tolist() == [True, False]


def test_other_metrics_are_nothing_and_damaged_ones_one_line(full, tabular):
    assert rows_view(Pipeline(full)) is None
    touch(tabular / "metrics/evaluate.json", b'{"kind": 1, "importance": 2, "baselines": 3}')
    with pytest.raises(ArtifactError, match="another version of the code"):
        rows_view(Pipeline(tabular))


def test_the_tabs_lead_to_the_one_with_rows(tabular, full):
    assert "tab Rows" in page(tabular).info[0].value
    assert not page(tabular, tab="Rows").error
    test = page(tabular, tab="Rows")
    assert test.dataframe[0].value["prediction"].tolist() == ["model", "mean"]
    assert "has the task forecast" in page(full, tab="Rows").info[0].value
    (tabular / "metrics/evaluate.json").unlink()
    assert page(tabular, tab="Rows").code[0].value == f"dvc repro {tabular}/dvc.yaml"


@pytest.fixture
def direction(tmp_path):
    """Three days of two symbols, with probabilities of the ensemble and one member."""
    folder = empty_folder(tmp_path / "stocks")
    (folder / "data").mkdir()
    days = pd.to_datetime(["2024-03-05", "2024-03-04", "2024-03-06"]).tz_localize("UTC")
    rows = pd.DataFrame({
        "symbol": ["B", "A", "B"], "day": days, "label": [1, 0, 1],
        "forward_return": [0.01, -0.02, 0.03], "lightgbm": [0.4, 0.5, 0.6],
        "ensemble": [0.6, 0.7, 0.8],
    })  # fmt: skip
    rows.to_parquet(folder / "data/predictions.parquet", index=False)
    return folder


def test_probabilities_of_days_are_shown_by_symbol(direction):
    view = day_view(Pipeline(direction).predictions)
    assert list(view.tables) == ["A", "B"]
    assert view.forecasts == ("ensemble", "lightgbm")
    assert view.tables["B"]["ensemble"].tolist() == [0.6, 0.8]
    _chance, drawn = layers(days_chart(view.long("B", view.forecasts)))
    assert len(drawn["rows"]) == 4
    test = page(direction)
    box(test, "Symbol").set_value("B")
    shown = checked(test).dataframe[0].value
    assert shown["day"].tolist() == [pd.Timestamp("2024-03-06"), pd.Timestamp("2024-03-05")]


def test_a_file_of_no_known_task_is_one_line(direction):
    path = direction / "data/predictions.parquet"
    assert kind_of(path) == "days"
    pd.DataFrame({"x": [1]}).to_parquet(path)
    with pytest.raises(ArtifactError, match="has the columns x, as no task of this version"):
        kind_of(path)
    assert kind_of(direction / "none.parquet") == "nothing"
