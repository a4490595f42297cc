"""A row that a person fills in gets the prediction that the service gives it."""

import pytest

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page.try_row import cells_of, try_row
from tests.page.test_tabs import button, checked, page
from tests.service.examples import client_of


@pytest.fixture(scope="module")
def ordinary(rows_folder):
    return {cell.name: cell.ordinary for cell in cells_of(Pipeline(rows_folder))}


def test_a_cell_per_column_that_the_model_reads(rows_folder, ordinary):
    cells = {cell.name: cell for cell in cells_of(Pipeline(rows_folder))}
    assert "y" not in cells
    assert {cells["x"].kind, cells["color"].kind} == {"number", "category"}
    assert cells["color"].ordinary == cells["color"].choices[0]
    assert len(try_row(Pipeline(rows_folder), dict.fromkeys(ordinary)).predicted) == 1


def test_the_prediction_is_that_of_the_service(rows_folder, ordinary):
    row = {**ordinary, "x": 0.75, "color": "violet"}
    tried = try_row(Pipeline(rows_folder), row)
    with client_of(rows_folder) as client:
        answer = client.post("/v1/rows", json={"rows": [row]}).json()
    assert list(tried.warnings) == answer["warnings"]
    assert "'color'" in tried.warnings[0]
    (shown,) = tried.predicted.to_dict("records")
    (served,) = answer["rows"]
    assert shown["y_pred"] == served["prediction"]
    assert shown["probability_yes"] == pytest.approx(served["probabilities"]["yes"], abs=1e-12)
    assert shown["set_80"] == ", ".join(served["intervals"][0]["classes"])


def test_a_cell_of_another_kind_is_named(rows_folder, ordinary):
    with pytest.raises(DataContractError, match="column 'x' contains 'high'"):
        try_row(Pipeline(rows_folder), {**ordinary, "x": "high"})


def test_the_form_predicts_on_demand(rows_folder, ordinary):
    test = page(rows_folder, tab="Rows")
    assert not test.error
    begun = {each.label: each.value for each in [*test.number_input, *test.date_input]}
    assert {name: str(value) for name, value in begun.items()} == {
        name: str(ordinary[name]) for name in begun
    }
    assert "y_pred" not in test.dataframe[0].value
    shown = {}
    for value in (-3.0, 3.0):
        next(each for each in test.number_input if each.label == "x").set_value(value)
        button(test, "Predict").click()
        shown[value] = checked(test).dataframe[0].value["probability_yes"].item()
    assert shown[-3.0] != shown[3.0]
    # Streamlit puts a default back into an input that is emptied.
    assert not any(each.proto.HasField("default") for each in test.number_input)
    assert not any(each.proto.default for each in test.date_input)
    for each in [*test.number_input, *test.date_input]:
        each.set_value(None)
    next(each for each in test.selectbox if each.label == "color").set_value(None)
    button(test, "Predict").click()
    assert not checked(test).error


def test_without_an_exported_file_there_is_no_form(tmp_path):
    assert cells_of(Pipeline(tmp_path)) is None
