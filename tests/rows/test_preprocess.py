import json

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OrdinalEncoder

from spline_lstm.core.artifacts import write_arrays
from spline_lstm.core.errors import DataContractError, SchemaError
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.row_schema import row_json_schema
from spline_lstm.rows.arrays import RowArrays, Rows, load_rows
from spline_lstm.rows.preprocessor import RowPreprocessor
from spline_lstm.rows.quality import explained_share
from tests.builders import ROOT
from tests.rows.tables import KINDS, frame, preprocessed, schema_of, table_of, texts


def test_inputs_of_all_kinds_of_columns():
    content = frame()
    result = preprocessed(content)
    fitted, inputs = result.preprocessor, result.arrays.inputs
    assert fitted.numbers == ("x", "z", "day.days", "day.month", "day.day", "day.weekday")
    assert fitted.classes == ("no", "yes")
    assert fitted.columns == ("x", "z", "color", "day")
    dates = pd.to_datetime(content["day"])
    np.testing.assert_array_equal(inputs.raw[:, 5], dates.dt.day_of_week)
    np.testing.assert_array_equal(inputs.raw[:, 2], (dates - pd.Timestamp("1970")).dt.days)
    ids = OrdinalEncoder().fit_transform(content[["color"]])[:, 0] + 1
    np.testing.assert_array_equal(inputs.categories[:, 0], ids)
    np.testing.assert_array_equal(result.arrays.labels, content["y"] == "yes")


def test_saved_and_loaded_again(tmp_path):
    result = preprocessed(frame())
    path = tmp_path / "preprocessor.json"
    result.preprocessor.save(path)
    assert RowPreprocessor.load(path) == result.preprocessor
    result.arrays.save(tmp_path / "data/processed/processed.npz")
    write_arrays(tmp_path / "data/processed/windows.npz", result.arrays.split_rows())
    rows = load_rows(tmp_path)
    assert isinstance(rows, Rows)
    assert [len(rows.split(name)) for name in rows.splits] == [210, 44, 46]
    test = rows.split("test")
    np.testing.assert_array_equal(test.truth, result.arrays.truth[result.arrays.codes == 2])
    assert RowArrays.load(tmp_path / "data/processed/processed.npz").labels.dtype == np.int32


def test_new_rows_read_the_same_constants():
    content, result = frame(), preprocessed(frame())
    again = result.preprocessor.table_inputs(table_of(content, schema_of(**KINDS)))
    for name in ("raw", "numbers", "missing", "categories"):
        np.testing.assert_array_equal(getattr(again, name), getattr(result.arrays.inputs, name))


def test_a_constant_column_and_an_id_column_are_left_out_and_named():
    content = frame().assign(one=1.0, number=np.arange(300), name=[f"n{i}" for i in range(300)])
    kinds = {**KINDS, "one": "number", "number": "number", "name": "category"}
    result = preprocessed(content, kinds)
    said = texts(result.quality["refused"])
    assert len(result.quality["refused"]) == 4
    assert "does not name are left out: 'value'" in said
    assert "'one' is constant" in said
    assert "'number' names the row" in said
    assert "'name'" in said
    assert not {"one", "number", "name"} & {*result.preprocessor.features}
    kept = preprocessed(content, kinds, id_columns="keep")
    assert {"number", "name"} <= {*kept.preprocessor.features}


def test_missing_cells_are_marked_and_said():
    content = frame()
    content.loc[::10, "x"] = np.nan
    content.loc[::7, "color"] = None
    result = preprocessed(content)
    inputs, said = result.arrays.inputs, texts(result.quality["warnings"])
    np.testing.assert_array_equal(inputs.missing[:, 0], content["x"].isna())
    assert (inputs.numbers[inputs.missing] == 0).all()
    assert np.isnan(inputs.raw[::10, 0]).all()
    assert result.preprocessor.categories["color"] == ("blue", "green", "red", None)
    assert "'x' is missing in 30 rows" in said
    assert "'color' is missing in 43 rows" in said


def test_a_date_with_missing_cells_is_said_once_and_has_no_constant_parts():
    found = preprocessed(frame().assign(day=lambda table: table["day"].where(table["x"] > -1)))
    assert [item["column"] for item in found.quality["warnings"]] == ["day"]
    assert "day.hour" not in found.preprocessor.numbers


def test_a_date_that_is_the_same_in_all_rows_is_left_out_and_named():
    found = preprocessed(frame().assign(day="2024-02-29"))
    assert [item["column"] for item in found.quality["refused"] if item["column"]] == ["day.days"]
    assert [*found.preprocessor.numbers] == ["x", "z"]


def test_a_rare_category_is_the_unknown_token():
    content = frame()
    content.loc[[0, 1], "color"] = ["pink", "gold"]
    result = preprocessed(content)
    assert result.preprocessor.categories["color"] == ("blue", "green", "red")
    np.testing.assert_array_equal(result.arrays.inputs.categories[[0, 1], 0], [0, 0])


def test_an_unseen_category_is_said():
    content = frame()
    codes = preprocessed(content).arrays.codes
    content.loc[np.flatnonzero(codes == 2)[:4], "color"] = "pink"
    result = preprocessed(content)
    assert "'color' has in 4 rows of validation and test" in texts(result.quality["warnings"])


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_feature_that_determines_the_target_is_named(kind):
    content = frame()
    target = "y" if kind == "classification" else "value"
    content["twin"] = content["y"].map({"yes": 7.0, "no": -1.0})
    if kind == "regression":
        content["twin"] = 3 * content["value"] - 5
    kinds = {**KINDS, "twin": "number"}
    kinds = kinds if kind == "classification" else {**kinds, "y": "category", "value": "number"}
    warned = preprocessed(content, kinds, target=target, kind=kind)
    assert "'twin' determines the target" in texts(warned.quality["warnings"])
    dropped = preprocessed(content, kinds, target=target, kind=kind, leakage="drop")
    assert "twin" not in dropped.preprocessor.features
    with pytest.raises(DataContractError, match="'twin' determines the target"):
        preprocessed(content, kinds, target=target, kind=kind, leakage="error")


def test_noise_explains_nothing():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 500).astype(float)
    assert explained_share(rng.normal(size=500), truth, "classification") < 0.2


def test_equal_rows_in_different_splits_are_refused_or_kept_together():
    content = frame().drop(columns="day")
    content = pd.concat([content, content.iloc[:80]], ignore_index=True)
    kinds = {name: kind for name, kind in KINDS.items() if name != "day"}
    with pytest.raises(DataContractError, match=r"rows \d+ and \d+ are equal in all features"):
        preprocessed(content, kinds)
    result = preprocessed(content, kinds, duplicates="together")
    codes = result.arrays.codes
    np.testing.assert_array_equal(codes[:80], codes[300:])
    assert "80 rows equal another row" in texts(result.quality["warnings"])


def test_rows_without_a_target_are_left_out_or_refused():
    content = frame()
    content.loc[[3, 9], "y"] = None
    result = preprocessed(content)
    assert len(result.arrays.truth) == 298
    assert "missing in 2 rows, first in row 5" in texts(result.quality["refused"])
    with pytest.raises(DataContractError, match="first in row 5"):
        preprocessed(content, missing_target="error")


def test_a_number_above_a_value_is_a_class():
    result = preprocessed(frame(), {**KINDS, "value": "number"}, target="value", above=1.5)
    assert result.preprocessor.classes == ("no", "yes")
    np.testing.assert_array_equal(result.arrays.truth, frame()["value"] > 1.5)


def test_the_target_of_a_regression_is_standardised_by_the_training_split():
    kinds = {"x": "number", "z": "number", "value": "number"}
    result = preprocessed(frame(), kinds, target="value", kind="regression")
    arrays = result.arrays
    train = arrays.codes == 0
    assert abs(arrays.labels[train].mean()) < 1e-6
    assert abs(arrays.labels[train].std() - 1) < 1e-6
    back = result.preprocessor.label.inverse(arrays.labels.astype(np.float64))
    np.testing.assert_allclose(back, arrays.truth, atol=1e-6)


def test_a_target_that_models_cannot_read_is_named_with_its_row():
    table = frame()
    table.loc[[7, 9], "value"] = 1e39
    kinds = {"x": "number", "z": "number", "value": "number"}
    with pytest.raises(
        DataContractError,
        match=r"t.csv row 9: the target 'value' is 1e\+39 \(1 more row like it\); it must be",
    ):
        preprocessed(table, kinds, target="value", kind="regression")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "nothing"}, "tabular.target 'nothing' is not a column"),
        ({"kind": "regression"}, "regression needs a target of the kind number"),
        ({"split": "time", "split_column": "w"}, "tabular.split_column 'w' is not a column"),
    ],
)
def test_params_that_do_not_fit_the_schema(change, message):
    with pytest.raises(SchemaError, match=message):
        preprocessed(frame(), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(y="yes"), "has one class"),
        (lambda table: table.assign(y=np.where(table.index < 2, "rare", table["y"])), "'rare'"),
        (lambda table: table.assign(x="high"), "column 'x' contains 'high'"),
        (lambda table: table.drop(columns="z"), "column 'z' of the schema is not in the table"),
        (
            lambda table: table.iloc[:20],
            "20 rows with a target; a table of this task needs at least 30",
        ),
    ],
)
def test_tables_that_are_refused(change, message):
    with pytest.raises(DataContractError, match=message):
        preprocessed(change(frame()))


@pytest.mark.parametrize("numbers", ["quantile", "standard"])
def test_no_constant_sees_rows_of_validation_or_test(numbers):
    content, kinds = frame(), {"x": "number", "z": "number", "color": "category", "y": "category"}
    before = preprocessed(content, kinds, numbers=numbers, split="random")
    outside = before.arrays.codes != 0
    content.loc[outside, "x"] *= 1000
    content.loc[outside, "color"] = "other"
    after = preprocessed(content, kinds, numbers=numbers, split="random")
    np.testing.assert_array_equal(before.arrays.codes, after.arrays.codes)
    assert after.preprocessor == before.preprocessor


def test_the_run_id_follows_the_content():
    one, other = preprocessed(frame()), preprocessed(frame(), min_count=5, quantiles=10)
    assert one.preprocessor.run_id != other.preprocessor.run_id
    json.dumps(one.preprocessor.to_json(), allow_nan=False)


def test_params_that_contradict_each_other():
    with pytest.raises(ValueError, match="split_column belongs to split group and time"):
        TabularParams(split="group")
    with pytest.raises(ValueError, match="so that a test split remains"):
        TabularParams(train=0.9, validation=0.2)


def test_classes_of_long_numbers_keep_all_digits():
    table = frame()
    table["code"] = np.where(table["y"] == "yes", 1234567.0, 1234568.0)
    kinds = {"x": "number", "z": "number", "code": "number"}
    assert preprocessed(table, kinds, target="code").preprocessor.classes == ("1234567", "1234568")


def test_the_json_schema_for_editors_is_current():
    assert (ROOT / "configs/rows.schema.json").read_text() == row_json_schema()
