import json
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import SchemaError
from spline_lstm.core.schema import load_schema, parse_schema
from tests.builders import ROOT, make_schema, mutate

FULL = {
    "version": 1,
    "timestamp_col": "time",
    "series_col": "store",
    "target_cols": ["sales", "visits"],
    "dynamic_covariates": [
        {"name": "price", "dtype": "float", "required": True},
        {"name": "promo", "dtype": "int"},
    ],
    "calendar_features": {"enabled": True, "features": ["hour_sin", "doy_cos"]},
    "table_format": {
        "separator": ";",
        "decimal": ",",
        "missing_markers": ["NA"],
        "timestamp_format": "%d.%m.%Y",
    },
}


def refusal(text: str) -> str:
    with pytest.raises(SchemaError) as caught:
        parse_schema(text, "schema.json")
    message = str(caught.value)
    assert message.startswith("schema.json")
    assert "\n" not in message
    return message


def changed(**changes) -> str:
    return json.dumps({**FULL, **changes})


def without(key: str) -> str:
    return json.dumps({name: value for name, value in FULL.items() if name != key})


def test_every_schema_of_the_repository_is_valid():
    paths = sorted((ROOT / "configs/covariates").glob("*.json"))
    assert paths
    for path in paths:
        assert load_schema(path).version == 1


def test_a_full_schema_comes_back_as_written():
    schema = parse_schema(json.dumps(FULL), "schema.json")
    assert schema.model_dump(mode="json", exclude_unset=True) == FULL
    assert schema.dynamic_covariates[1].required


def test_the_words_of_the_data_contract_document_are_read_as_ours():
    document = load_schema(ROOT / "configs/covariates/default.schema.json")
    ours = {
        "version": 1,
        "timestamp_col": "timestamp",
        "target_cols": ["target"],
        "dynamic_covariates": [
            {"name": "temp", "scaler": "standard", "required": False},
            {"name": "promo", "dtype": "int", "encoding": "binary", "required": False},
        ],
        "calendar_features": {
            "enabled": True,
            "features": ["hour_sin", "hour_cos", "dow_sin", "dow_cos"],
        },
        "static_covariates": [{"name": "store_id", "dim": 8, "required": False}],
        "missing_policy": {"dynamic_covariates": "ffill_bfill_then_zero"},
    }
    assert document == parse_schema(json.dumps(ours), "schema.json")
    # What was read is written in one form, and an editor that follows the JSON Schema takes both.
    assert document.model_dump(mode="json")["version"] == 1
    editor = json.loads((ROOT / "configs/covariates.schema.json").read_text())
    assert "float32" in json.dumps(editor)
    assert "phase5.v1" in json.dumps(editor)


@pytest.mark.parametrize(
    ("covariate", "words"),
    [
        ({"name": "x", "dtype": "float31"}, "Input should be 'float', 'int'"),
        ({"name": "x", "dtype": "string", "encoding": "binary"}, "categorical column is encoded"),
        ({"name": "x", "dtype": "string", "scaler": "minmax"}, "remove the scaler"),
    ],
)
def test_a_word_that_neither_form_has_is_refused(covariate, words):
    assert words.lower() in refusal(changed(dynamic_covariates=[covariate])).lower()


def test_what_is_left_out_takes_the_documented_defaults():
    schema = make_schema()
    assert schema.series_col is None
    assert schema.dynamic_covariates == ()
    assert not schema.calendar_features.enabled
    assert (schema.table_format.separator, schema.table_format.decimal) == (",", ".")
    assert schema.table_format.missing_markers == ()
    assert schema.table_format.timestamp_format == "ISO8601"


def test_a_schema_cannot_be_changed():
    schema = make_schema()
    with pytest.raises(ValueError, match="frozen"):
        schema.version = 2


@pytest.mark.parametrize("key", ["version", "timestamp_col", "target_cols"])
def test_a_missing_key_is_named_by_its_path(key):
    assert f"$.{key}: the key is missing" in refusal(without(key))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"targets": ["y"]}, "$.targets"),
        ({"table_format": {"delimiter": ";"}}, "$.table_format.delimiter"),
        (
            {"dynamic_covariates": [{"name": "price"}, {"name": "promo", "scale": 1}]},
            "$.dynamic_covariates[1].scale",
        ),
        ({"calendar_features": {"enable": True}}, "$.calendar_features.enable"),
    ],
)
def test_an_unknown_key_is_named_by_its_path(changes, path):
    assert f"{path}: unknown key" in refusal(changed(**changes))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"version": 2}, "$.version"),
        ({"version": "1"}, "$.version"),
        ({"timestamp_col": ""}, "$.timestamp_col"),
        ({"timestamp_col": 3}, "$.timestamp_col"),
        ({"series_col": ""}, "$.series_col"),
        ({"target_cols": []}, "$.target_cols"),
        ({"target_cols": "sales"}, "$.target_cols"),
        ({"target_cols": [""]}, "$.target_cols[0]"),
        ({"target_cols": [None]}, "$.target_cols[0]"),
        (
            {"dynamic_covariates": [{"name": "price", "dtype": "text"}]},
            "$.dynamic_covariates[0].dtype",
        ),
        (
            {"dynamic_covariates": [{"name": "price", "required": "yes"}]},
            "$.dynamic_covariates[0].required",
        ),
        ({"dynamic_covariates": {"name": "price"}}, "$.dynamic_covariates"),
        ({"calendar_features": {"enabled": 1}}, "$.calendar_features.enabled"),
        (
            {"calendar_features": {"enabled": True, "features": ["hour"]}},
            "$.calendar_features.features[0]",
        ),
        ({"table_format": {"separator": ";;"}}, "$.table_format.separator"),
        ({"table_format": {"separator": ""}}, "$.table_format.separator"),
        ({"table_format": {"decimal": "::"}}, "$.table_format.decimal"),
        ({"table_format": {"missing_markers": "NA"}}, "$.table_format.missing_markers"),
        ({"table_format": {"missing_markers": [-999]}}, "$.table_format.missing_markers[0]"),
        ({"table_format": {"timestamp_format": ""}}, "$.table_format.timestamp_format"),
        ({"table_format": None}, "$.table_format"),
        ({"static_covariates": [{"name": "region"}]}, "$.static_covariates[0].dim"),
        ({"static_covariates": [{"name": "region", "dim": 0}]}, "$.static_covariates[0].dim"),
        ({"missing_policy": {"target": "zero"}}, "$.missing_policy.target"),
        ({"missing_policy": {"dynamic_covariates": "mean"}}, "$.missing_policy.dynamic_covariates"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(changes, path):
    assert re.search(
        re.escape(path) + "( = |: input should|: the key is missing)", refusal(changed(**changes))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"target_cols": ["sales", "sales"]},
        {"target_cols": ["time"]},
        {"series_col": "sales"},
        {"series_col": "time"},
        {"dynamic_covariates": [{"name": "sales"}]},
        {"dynamic_covariates": [{"name": "price"}, {"name": "price"}]},
        {"calendar_features": {"enabled": True, "features": ["hour_sin", "hour_sin"]}},
        {"static_covariates": [{"name": "region", "dim": 2}, {"name": "region", "dim": 2}]},
        {"static_covariates": [{"name": "sales", "dim": 2}]},
    ],
)
def test_no_name_may_stand_twice(changes):
    assert "each name may appear only once" in refusal(changed(**changes))


def test_a_column_named_like_a_calendar_feature_is_told_to_be_renamed():
    message = refusal(changed(dynamic_covariates=[{"name": "hour_sin"}]))
    assert "the column hour_sin has the name of a calendar feature" in message
    assert "rename the column" in message


@pytest.mark.parametrize(
    ("covariate", "rule"),
    [
        ({"dtype": "float", "encoding": "one_hot"}, "is encoded as scaled"),
        ({"dtype": "categorical", "encoding": "scaled"}, "is encoded as one_hot or embedding"),
        (
            {"dtype": "categorical", "encoding": "embedding"},
            "dim belongs to the encoding embedding",
        ),
        ({"dtype": "categorical", "dim": 3}, "dim belongs to the encoding embedding"),
        (
            {"dtype": "float", "missing": "unknown_token"},
            "only a categorical column has an unknown token",
        ),
    ],
)
def test_encoding_dimension_and_policy_must_fit_the_dtype(covariate, rule):
    assert rule in refusal(changed(dynamic_covariates=[{"name": "price", **covariate}]))


@pytest.mark.parametrize(
    ("dtype", "coding"),
    [("float", "scaled"), ("int", "scaled"), ("boolean", "binary"), ("categorical", "one_hot")],
)
def test_each_dtype_has_its_default_encoding(dtype, coding):
    schema = make_schema(dynamic_covariates=[{"name": "price", "dtype": dtype}])
    assert schema.covariate("price").coding == coding
    assert schema.covariate("y") is None


@pytest.mark.parametrize(
    "calendar",
    [
        {"features": ["is_holiday"]},
        {"features": ["is_holiday"], "country": "XX"},
        {"features": ["is_holiday"], "country": "DE", "subdivision": "XX"},
    ],
)
def test_holidays_need_a_country_that_is_known(calendar):
    assert "$.calendar_features" in refusal(
        changed(calendar_features={"enabled": True, **calendar})
    )


def test_the_series_key_may_be_a_static_covariate():
    schema = make_schema(series_col="store", static_covariates=[{"name": "store", "dim": 2}])
    assert schema.static_covariates[0].name == "store"


def test_a_key_that_stands_twice_is_refused():
    assert "version" in refusal('{"version": 1, ' + json.dumps(FULL)[1:])


def test_separator_and_decimal_mark_must_differ():
    assert "table_format" in refusal(changed(table_format={"separator": ",", "decimal": ","}))


@pytest.mark.parametrize("pattern", ["%Q", "%", "%d.%m.%Y %", "mixed"])
def test_a_timestamp_format_that_pandas_does_not_know_or_guesses_is_refused(pattern):
    assert "timestamp_format" in refusal(changed(table_format={"timestamp_format": pattern}))


@pytest.mark.parametrize("text", ["", "{", "[1,", "'a'", '{"version": 1,}', "\ufeff{}"])
def test_text_that_is_no_json_is_refused(text):
    assert "line 1: not valid JSON" in refusal(text)


@pytest.mark.parametrize("text", ["[]", "null", "3", "NaN", '"text"'])
def test_json_that_is_no_object_is_refused(text):
    assert "input should be an object" in refusal(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000], ids=["lists", "objects"])
def test_json_nested_too_deeply_is_refused(text):
    assert "nested too deeply" in refusal(text)


def test_a_number_of_thousands_of_digits_is_refused():
    refusal('{"version": ' + "9" * 5000 + "}")


def test_a_long_text_in_a_wrong_place_does_not_flood_the_message():
    assert len(refusal(changed(version="x" * 10_000))) < 1000


def test_the_line_of_broken_json_is_named():
    assert "schema.json line 3:" in refusal('{\n"version": 1,\n"target_cols" ["y"]\n}')


@pytest.mark.parametrize("name", ["missing.json", "", "file.json/below.json", "x" * 300 + ".json"])
def test_a_path_that_is_no_file_is_a_schema_error(tmp_path, name):
    (tmp_path / "file.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SchemaError):
        load_schema(tmp_path / name)


def test_a_byte_order_mark_is_allowed(tmp_path):
    (tmp_path / "s.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(FULL).encode())
    assert load_schema(tmp_path / "s.json").target_cols == ("sales", "visits")


def test_text_in_another_encoding_is_a_schema_error(tmp_path):
    (tmp_path / "s.json").write_bytes(
        json.dumps({**FULL, "timestamp_col": "Mäß"}, ensure_ascii=False).encode("latin-1")
    )
    with pytest.raises(SchemaError, match="UTF-8"):
        load_schema(tmp_path / "s.json")


SNIPPETS = st.sampled_from(
    [
        '"',
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "null",
        "true",
        "1e999",
        "NaN",
        "-",
        "\\ud800",
        "\\",
        "%",
        "\n",
        "\0",
        '"a": 1,',
        "ä",
    ]
)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), SNIPPETS | st.text(max_size=4)), max_size=4
)


@settings(max_examples=250)
@given(EDITS)
def test_a_mutated_schema_is_valid_or_a_schema_error(edits):
    text = mutate(json.dumps(FULL), edits)
    with suppress(SchemaError):
        parse_schema(text, "schema.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.sampled_from(sorted(FULL)), JSON)
def test_any_json_in_place_of_a_key_is_valid_or_a_schema_error(key, value):
    with suppress(SchemaError):
        parse_schema(changed(**{key: value}), "schema.json")


def test_a_renamed_key_names_the_new_one():
    covariate = {"name": "x", "known_ahead": True}
    message = refusal(changed(dynamic_covariates=[covariate]))
    path = "$.dynamic_covariates[0].known_ahead"
    assert f"{path}: this key is now called known_future; rename it" in message


def test_what_is_known_in_the_future_has_no_delay():
    covariate = {"name": "x", "known_future": True, "delay": 1}
    assert "exclude each other" in refusal(changed(dynamic_covariates=[covariate]))
    assert "$.dynamic_covariates[0].delay" in refusal(
        changed(dynamic_covariates=[{"name": "x", "delay": -1}])
    )


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (None, ((None, None), (None, None))),
        ([0, None], ((0, None), (0, None))),
        ({"b": [-1.5, 2]}, ((None, None), (-1.5, 2))),
    ],
)
def test_bounds_are_of_all_targets_or_of_those_named(bounds, expected):
    schema = make_schema(target_cols=["a", "b"], target_bounds=bounds)
    assert schema.bounds_of_targets == expected


@pytest.mark.parametrize(
    ("bounds", "message"),
    [([1, 0], "the lower must be smaller"), ({"c": [0, None]}, "target_bounds names c")],
)
def test_bounds_that_no_forecast_can_keep_to_are_refused(bounds, message):
    with pytest.raises(SchemaError, match=message):
        make_schema(target_cols=["a", "b"], target_bounds=bounds)
