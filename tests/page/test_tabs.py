"""Every tab, run by Streamlit without a browser: with all files, with none, with damaged ones."""

import pytest
from streamlit.testing.v1 import AppTest

from spline_lstm.page.shell import TABS
from spline_lstm.store.registry import Registry
from tests.page.examples import store_of, touch

TITLES = [tab.title for tab in TABS]
SCRIPT = """
from pathlib import Path
from spline_lstm.page.shell import show_page
from spline_lstm.page.sources import find_sources
show_page(find_sources([Path(each) for each in {folders!r}]))
"""
# Files of each tab that need not be read for any other.
FILES = {
    "Forecasts": "data/predictions.parquet",
    "Models": "store/registry.sqlite",
    "Comparison": "metrics/comparison.csv",
    "Data": "metrics/data.json",
    "Backtest": "metrics/backtest.json",
}


def page(*folders, tab=TITLES[0]) -> AppTest:
    """The page on a tab, which has been run once; an exception in it is an error here."""
    # Seconds: more than a run takes on any machine.
    test = AppTest.from_string(SCRIPT.format(folders=list(map(str, folders))), default_timeout=300)
    test.session_state["tab"] = tab
    return checked(test)


def checked(test: AppTest) -> AppTest:
    test.run()
    assert not test.exception, test.exception
    return test


def box(test: AppTest, label: str):
    return next(each for each in [*test.selectbox, *test.multiselect] if each.label == label)


def button(test: AppTest, label: str):
    return next(each for each in test.button if each.label == label)


@pytest.mark.parametrize("title", ["Data", "Backtest"])
def test_a_tab_shows_what_is_there(full, title):
    test = page(full, tab=title)
    assert test.title[0].value == "Spline-LSTM"
    assert not test.error
    assert not test.info
    assert test.dataframe
    assert all(len(frame.value) for frame in test.dataframe)


@pytest.mark.parametrize(
    ("title", "command"),
    [
        ("Forecasts", "dvc repro {}/dvc.yaml"),
        ("Predictions", "python -m spline_lstm score {} --asof DATE"),
        ("Models", "python -m spline_lstm train {}"),
        ("Comparison", "python -m spline_lstm compare {}"),
        ("Data", "dvc repro {}/dvc.yaml:preprocess"),
        ("Backtest", "dvc repro {}/dvc.yaml:backtest"),
    ],
)
def test_an_empty_tab_says_what_to_run(empty, title, command):
    test = page(empty, tab=title)
    assert len(test.info) == 1
    assert test.code[0].value == command.format(empty)
    assert not test.error


@pytest.mark.parametrize("title", FILES)
def test_a_damaged_file_is_one_line_in_its_tab(copied, title):
    touch(copied / FILES[title], b"{ damaged")
    test = page(copied, tab=title)
    assert len(test.error) == 1
    assert FILES[title].rpartition("/")[2].replace(".", r"\.") in test.error[0].value


def test_damaged_params_are_one_line_and_other_pipelines_still_work(copied, full):
    (copied / "params.yaml").write_text("task: [")
    test = page(copied, full, tab="Data")
    assert len(test.error) == 1
    box(test, "Pipeline").set_value(str(full))
    assert not checked(test).error


def test_the_series_and_the_origin_are_chosen(full):
    test = page(full)
    rows = test.dataframe[0].value
    assert rows["forecast"].tolist() == [216.1, 217.2, 218.3]
    assert rows["observed"].tolist() == [216.0, 217.0, 218.0]
    box(test, "Series").set_value("b")
    origins = box(checked(test), "Forecast origin")
    origins.set_value(origins.value - 5 * 3_600_000_000_000)
    assert checked(test).dataframe[0].value["forecast"].tolist() == [1111.1, 1112.2, 1113.3]
    assert any("2020\\-01\\-05T15\\:00\\:00Z" in each.value for each in test.markdown)


def test_predictions_are_filtered_by_date_and_symbol(full):
    test = page(full, tab="Predictions")
    assert len(test.dataframe[0].value) == 10
    box(test, "From").set_value("2020-01-02")
    assert len(checked(test).dataframe[0].value) == 6
    box(test, "Symbols").set_value(["b"])
    assert set(checked(test).dataframe[0].value["symbol"]) == {"b"}
    box(test, "From").set_value("2020-01-02")
    box(test, "To").set_value("2020-01-01")
    assert checked(test).info[0].value.startswith("No rows")


def test_a_model_is_promoted_only_after_a_confirmation(copied):
    registry = Registry(store_of(copied).registry)
    test = page(copied, tab="Models")
    assert box(test, "Model").value == "other"
    metrics = test.dataframe[1].value.set_index("metric")
    assert metrics.loc["rmse"].to_dict() == {"this model": 1.5, "promoted now": 2.0}
    button(test, "Promote").click()
    assert "other" in " ".join(each.value for each in checked(test).markdown)
    assert registry.promoted("forecast").model_id == "model"
    button(test, "Yes, promote it").click()
    assert checked(test).success[0].value == "other is promoted."
    assert registry.promoted("forecast").model_id == "other"
    assert registry.get("model").status == "registered"
    assert button(test, "Promote").disabled


def test_what_is_not_promoted_says_why(copied):
    (store_of(copied).models / "other").rmdir()
    test = page(copied, tab="Models")
    button(test, "Promote").click()
    button(checked(test), "Cancel").click()
    assert not checked(test).success
    button(test, "Promote").click()
    button(checked(test), "Yes, promote it").click()
    assert "has no files" in checked(test).error[0].value
    box(test, "Model").set_value("failed-1")
    assert button(checked(test), "Promote").disabled
    assert any("its training failed" in each.value for each in test.markdown)
    assert Registry(store_of(copied).registry).promoted("forecast").model_id == "model"


def test_texts_of_files_are_not_marked_up(full):
    test = page(full, tab="Comparison")
    reason = test.markdown[0].value
    assert len(test.dataframe[0].value) == 4
    assert r"\!\[x\]\(http\://example\.org/x\.png\) \<b\>" in reason


def test_a_table_is_looked_at_and_nothing_is_written(full, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    rows = "\n".join(f"2024-01-{1 + day:02d} {hour:02d}:00,{hour}" for day in range(20)
                     for hour in range(24))  # fmt: skip
    test = page(full, tab="New data")
    test.file_uploader[0].set_value(("load.csv", f"time,load\n{rows}\n".encode(), "text/csv"))
    decided = checked(test).dataframe[0].value.set_index("what")["decision"]
    assert decided["targets"] == "'load'"
    assert test.code[0].value == "python -m spline_lstm init NAME --csv load.csv"
    test.text_input[0].set_value("load ,")
    assert checked(test).code[0].value.endswith("--csv load.csv --target load")
    test.file_uploader[0].set_value(("bad.csv", b"nothing", "text/csv"))
    assert r"bad\.csv" in checked(test).error[0].value
    assert list(tmp_path.iterdir()) == []
