import json
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params, load_params, with_values
from spline_lstm.core.params_direction import ColumnsParams
from spline_lstm.core.section import known_keys
from tests.builders import ROOT, mutate

SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")
PLAIN = YAML(typ="safe", pure=True).load(SHIPPED)


def load(folder, content: str | bytes) -> Params:
    (folder / "params.yaml").write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8")
    )
    return load_params(folder)


def refusal(folder, content: str | bytes) -> str:
    with pytest.raises(ParamsError) as caught:
        load(folder, content)
    message = str(caught.value)
    assert "params.yaml" in message
    assert "\n" not in message
    return message


def changed(key: str, value: object) -> str:
    """params.yaml as JSON, which is YAML too, with another value of one dotted key."""
    content = json.loads(json.dumps(PLAIN))
    *sections, name = key.split(".")
    place = content
    for section in sections:
        place = place[section]
    place[name] = value
    return json.dumps(content)


def value_text(key: str, text: str) -> str:
    """The shipped params.yaml with the text behind one key of a section replaced."""
    return re.sub(rf"(?m)^( +{key}): .*$", rf"\1: {text}", SHIPPED, count=1)


def leaves(content: dict, prefix: str = "") -> list[str]:
    keys = []
    for name, value in content.items():
        keys += leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
    return keys


def test_the_shipped_params_are_valid_and_complete(tmp_path):
    params = load(tmp_path, SHIPPED)
    assert json.loads(params.model_dump_json()) == PLAIN


def test_every_shipped_key_is_known_and_none_is_left_out():
    named = set(leaves(PLAIN))
    sections = {key.rsplit(".", depth)[0] for key in named for depth in (1, 2) if "." in key}
    assert named | sections == set(known_keys(Params))


def test_every_key_of_params_yaml_has_a_comment():
    lines = SHIPPED.splitlines()
    bare = []
    for number, line in enumerate(lines):
        if not re.match(r"\s*[a-z_]+:", line):
            continue
        above = lines[number - 1].strip() if number else ""
        if "#" not in line and not above.startswith("#"):
            bare.append(line.strip())
    assert bare == []


def test_every_choice_of_a_key_is_named_in_its_comment():
    """A Literal of the model is a list of words that the reader of the file must find there."""
    schema = Params.model_json_schema()
    missing = []
    for section, name in (key.split(".")[-2:] for key in leaves(PLAIN) if "." in key):
        model = "RowModel" if section == "rows" else section.capitalize()
        part = schema["$defs"][f"{model}Params"]["properties"][name]
        choices = part.get("enum") or ([part["const"]] if "const" in part else [])
        comment = re.search(
            rf"(?m)((?:^ *#.*\n)+) +{name}:", SHIPPED[SHIPPED.index(f"{section}:") :]
        )
        missing += [
            f"{section}.{name}: {word}" for word in choices if not comment or word not in comment[1]
        ]
    assert missing == []


def test_params_cannot_be_changed(tmp_path):
    params = load(tmp_path, SHIPPED)
    with pytest.raises(ValueError, match="frozen"):
        params.train.seed = 3


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("trian", "train"),
        ("windows", "window"),
        ("preprocess.maxgap", "preprocess.max_gap"),
        ("preprocess.frequncy", "preprocess.frequency"),
        ("preprocess.split.trian", "preprocess.split.train"),
        ("train.lr", "train.learning_rate"),
        ("train.batchsize", "train.batch_size"),
        ("benchmark.max_p95", "benchmark.max_p95_ms"),
    ],
)
def test_an_unknown_key_names_the_nearest_one(tmp_path, wrong, near):
    message = refusal(tmp_path, changed(wrong, 1))
    assert f"{wrong}: unknown key (value 1)" in message
    if wrong != "train.lr":
        assert f"did you mean {near}?" in message


@pytest.mark.parametrize("key", leaves(PLAIN))
def test_a_missing_key_is_named(tmp_path, key):
    content = json.loads(json.dumps(PLAIN))
    *sections, name = key.split(".")
    place = content
    for section in sections:
        place = place[section]
    del place[name]
    assert f"{key}: the key is missing" in refusal(tmp_path, json.dumps(content))


@pytest.mark.parametrize("section", sorted(PLAIN))
def test_a_missing_section_is_named(tmp_path, section):
    content = {name: value for name, value in PLAIN.items() if name != section}
    assert f"{section}: the key is missing" in refusal(tmp_path, json.dumps(content))


TEXTS = {
    "data.source",
    "data.schema_file",
    "store.predictions",
    "store.registry",
    "tabular.target",
    "tabular.split_column",
    *(f"direction.columns.{name}" for name in ColumnsParams.model_fields),
}


@pytest.mark.parametrize("key", leaves(PLAIN))
@pytest.mark.parametrize("value", [{"a": 1}, "no such word"])
def test_a_value_of_a_wrong_type_is_named_by_its_key(tmp_path, key, value):
    if value == "no such word" and key in TEXTS:
        pytest.skip("any text is allowed here")
    assert re.search(rf"{re.escape(key)}(\.0)? = ", refusal(tmp_path, changed(key, value)))


OUT_OF_RANGE = [
    ("data.source", ""),
    ("data.duplicates", "median"),
    ("data.time_zone", "Europe/Atlantis"),
    ("data.time_zone", "tzlocal()"),
    ("data.ambiguous_hour", "both"),
    ("preprocess.snap", -0.01),
    ("preprocess.snap", 0.51),
    ("preprocess.frequency", "1M"),
    ("preprocess.frequency", "0s"),
    ("preprocess.frequency", 300),
    ("preprocess.fill", "spline"),
    ("preprocess.max_gap", -1),
    ("preprocess.max_gap", 1.5),
    ("preprocess.max_missing", 0.0),
    ("preprocess.max_missing", 1.1),
    ("preprocess.min_rows", 0),
    ("preprocess.split.train", 0.0),
    ("preprocess.split.train", 1.0),
    ("preprocess.split.validation", 0),
    ("preprocess.split", {"train": 0.8, "validation": 0.2}),
    ("window.lookback", 0),
    ("window.horizon", 0),
    ("window.stride", 0),
    ("window.embargo", -1),
    ("window.materialize", 1),
    ("model.hidden", []),
    ("model.hidden", [0]),
    ("model.hidden", 64),
    ("model.hidden", [64.5]),
    ("model.dropout", 1.0),
    ("model.dropout", -0.1),
    ("train.seed", -1),
    ("train.seed", 2**32),
    ("train.seed", 1.5),
    ("train.seed", True),
    ("train.seed", None),
    ("train.seed", "42"),
    ("train.batch_size", 0),
    ("train.learning_rate", 0),
    ("train.learning_rate", "1e-3"),
    ("train.min_delta", -1e-9),
    ("train.weight_decay", -1),
    ("train.clip_norm", 0.0),
    ("train.overfitting_ratio", 1.0),
    ("train.threads", 0),
    ("evaluate.season", 0),
    ("evaluate.moving_average", 0),
    ("evaluate.interval_levels", [95, 80]),
    ("evaluate.interval_levels", [80, 100]),
    ("export.opset", 12),
    ("export.opset", 19),
    ("export.golden_windows", 0),
    ("benchmark.calls", 99),
    ("benchmark.warmup_calls", -1),
    ("benchmark.repeats", 1),
    ("export.variants", ["int8", "int8"]),
    ("export.variants", ["int4"]),
    ("benchmark.quantized.max_abs_diff", 0.0),
    ("benchmark.max_abs_diff", 0.0),
    ("benchmark.max_rmse_increase", -1e-4),
    ("benchmark.max_p95_ms", 0),
    ("benchmark.max_size_mb", 0),
    ("preprocess.season", 1),
    ("preprocess.longest_gap", 0),
    ("preprocess.outliers.window", 2),
    ("preprocess.outliers.threshold", 0),
    ("preprocess.smoothing.strength", 0),
    ("preprocess.split.dates", ["2024-01-01"]),
    ("preprocess.split.dates", ["2024-02-01", "2024-01-01"]),
    ("preprocess.split.dates", ["2024-01-01", "2024-02-01", "2024-02-01"]),
    ("preprocess.split.dates", ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]),
    ("preprocess.split.dates", ["2024-01-01", "soon"]),
    ("preprocess.split.dates", ["now", "2200-01-01"]),
    ("preprocess.drift.ks", 1.1),
    ("preprocess.drift.std_ratio", 0.9),
    ("model.segment", 0),
    ("model.quantiles", [0.1, 0.9]),
    ("model.quantiles", [0.9, 0.5]),
    ("model.quantiles", [0.5, 1.0]),
    ("train.plateau_factor", 1.0),
    ("train.ensemble_size", 0),
    ("train.positive_weight", 0.0),
]


@pytest.mark.parametrize(("key", "value"), OUT_OF_RANGE)
def test_a_value_outside_its_range_is_named_by_its_key(tmp_path, key, value):
    assert key in refusal(tmp_path, changed(key, value))


IN_RANGE = [
    ("preprocess.snap", 0.0),
    ("preprocess.snap", 0.5),
    ("preprocess.max_gap", 0),
    ("preprocess.max_missing", 1.0),
    ("window.embargo", 0),
    ("window.embargo", None),
    ("train.seed", 0),
    ("train.seed", 2**32 - 1),
    ("model.dropout", 0.0),
    ("export.opset", 13),
    ("export.opset", 18),
    ("train.min_delta", 0.0),
    ("benchmark.warmup_calls", 0),
    ("model.hidden", [1]),
    ("preprocess.season", None),
    ("preprocess.longest_gap", None),
    ("preprocess.smoothing.strength", None),
    ("preprocess.outliers.window", 3),
    ("train.positive_weight", "balanced"),
    ("model.segment", 5),
    ("model.segment", 48),
]


@pytest.mark.parametrize(("key", "value"), IN_RANGE)
def test_a_value_on_the_edge_of_its_range_is_taken(tmp_path, key, value):
    taken = load(tmp_path, changed(key, value))
    for name in key.split("."):
        taken = getattr(taken, name)
    assert (list(taken) if isinstance(taken, tuple) else taken) == value


def test_shares_must_leave_a_test_part(tmp_path):
    message = refusal(tmp_path, changed("preprocess.split.train", 0.85))
    assert "train + validation must be below 1" in message


@pytest.mark.parametrize(
    ("text", "number"), [("1e-05", 1e-5), ("1E-5", 1e-5), ("1", 1.0), ("5e-4", 5e-4), (".5", 0.5)]
)
def test_numbers_in_the_forms_that_dvc_writes_are_numbers(tmp_path, text, number):
    rate = load(tmp_path, value_text("learning_rate", text)).train.learning_rate
    assert (rate, type(rate)) == (number, float)


@pytest.mark.parametrize("key", ["dropout", "min_delta", "weight_decay", "snap"])
def test_a_whole_number_is_taken_where_a_float_is_meant(tmp_path, key):
    """`dvc exp run -S train.min_delta=0` writes the integer 0."""
    params = load(tmp_path, value_text(key, "0"))
    found = [
        getattr(section, key)
        for section in (params.model, params.train, params.preprocess)
        if hasattr(section, key)
    ]
    assert found == [0.0]
    assert type(found[0]) is float


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf", "1e999", "'1e-3'", "true", "~"])
def test_what_is_no_finite_number_is_refused(tmp_path, text):
    assert "train.learning_rate = " in refusal(tmp_path, value_text("learning_rate", text))


@pytest.mark.parametrize("text", ["no", "yes", "on", "off", "0", "1", "'false'"])
def test_only_true_and_false_are_booleans(tmp_path, text):
    assert "data.sort = " in refusal(tmp_path, value_text("sort", text))


BROKEN = {
    "empty": "",
    "list": "- 1",
    "word": "params",
    "number": "3",
    "colon": "data: [",
    "tab": "data:\n\t- x\n",
    "control character": "data: \x01\n",
    "two documents": SHIPPED + "---\na: 1\n",
    "key twice": SHIPPED + "data: 1\n",
    "alias without anchor": "data: *x\n",
    "recursive mapping": "data: &a\n  source: *a\n",
    "recursive list": "&a [*a]\n",
    "deep nesting": "[" * 400,
    "tuple as key": "? [1, 2]\n: 3\n",
    "mapping as key": "? {a: 1}\n: 3\n",
    "date as key": "2020-01-01: 3\n",
    "null as key": "~: 3\n",
    "bytes as key": "!!binary aGVsbG8=: 3\n",
    "date that is none": value_text("frequency", "2020-13-45"),
    "date": value_text("frequency", "2020-01-01"),
    "bytes": value_text("frequency", "!!binary aGVsbG8="),
    "set": value_text("frequency", "!!set {a}"),
    "tag of a program": value_text("frequency", "!!python/object:os.system x"),
    "int tag": value_text("seed", "!!int abc"),
    "int tag without a number": value_text("seed", '!!int ""'),
    "float tag without a number": value_text("learning_rate", '!!float ""'),
    "float tag": value_text("learning_rate", "!!float abc"),
    "bool tag": value_text("sort", "!!bool abc"),
    "integer of 5000 digits": value_text("seed", "9" * 5000),
    "lone surrogate": 'data: "\\ud800"\n',
    "another YAML": "%YAML 2.0\n---\n" + SHIPPED,
    "bad merge": "<<: 3\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_params_file_is_refused(tmp_path, name):
    refusal(tmp_path, BROKEN[name])


@pytest.mark.parametrize("head", ["", "# params of the glucose forecast\n", "\n\n", "\ufeff"])
def test_yaml_1_1_in_the_head_of_the_file_causes_no_warning(tmp_path, head):
    with suppress(ParamsError):
        load(tmp_path, f"{head}%YAML 1.1\n---\n{SHIPPED}")


def test_text_in_another_encoding_is_refused(tmp_path):
    assert "UTF-8" in refusal(tmp_path, "# Übung\n".encode("latin-1") + SHIPPED.encode())


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbf" + SHIPPED.encode(), SHIPPED.replace("\n", "\r\n").encode()]
)
def test_a_byte_order_mark_and_windows_line_ends_are_allowed(tmp_path, content):
    assert json.loads(load(tmp_path, content).model_dump_json()) == PLAIN


@pytest.mark.parametrize("place", ["nowhere", "file", "folder", "x" * 300])
def test_a_folder_without_a_readable_params_file_is_a_params_error(tmp_path, place):
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "folder" / "params.yaml").mkdir(parents=True)
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        load_params(tmp_path / place)


def test_a_long_value_does_not_flood_the_message(tmp_path):
    assert len(refusal(tmp_path, changed("model.type", "x" * 10_000))) < 1000


def test_a_value_of_several_lines_keeps_the_message_on_one(tmp_path):
    assert "model.type" in refusal(tmp_path, changed("model.type", "a\nb\r\nc"))


SNIPPETS = st.sampled_from(
    [
        "\n",
        "  ",
        ":",
        "- ",
        "#",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "!!int ",
        "!!set ",
        "? ",
        "| ",
        "> ",
        "%",
        "\t",
        "~",
        "---\n",
        "2001-99-99",
        "0x",
        "1e999",
        ".nan",
        "<<: ",
        "\0",
        "\u2028",
        "ä",
    ]
)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), SNIPPETS | st.text(max_size=4)), max_size=4
)
SHORT = (
    "data: {source: x.csv}\nwindow:\n  lookback: 24\n  embargo: null\n"
    "train:\n  learning_rate: 3e-3\n  seed: 42\n"
)


@settings(max_examples=150)
@given(EDITS)
def test_a_mutated_file_is_valid_or_a_params_error(tmp_path_factory, edits):
    folder = tmp_path_factory.getbasetemp()
    text = mutate(SHORT, edits)
    with suppress(ParamsError):
        load(folder, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=60)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_params_error(tmp_path_factory, content):
    refusal(tmp_path_factory.getbasetemp(), content)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"quantiles: []": "quantiles: [0.1, 0.5, 0.9]"},
            "train.loss quantile and model.quantiles belong together",
        ),
        (
            {"decoder: dense": "decoder: segments", "segment: 4": "segment: 1"},
            "model: decoder segments needs a segment",
        ),
    ],
)
def test_a_rule_between_keys_is_told_without_the_values_of_all_of_them(tmp_path, changes, message):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'params.yaml'}: {message}")
    assert "{" not in str(caught.value)


def test_bce_names_all_that_it_needs_at_once():
    values = {
        "target.scaled": True,
        "model.linear_skip": "frozen",
        "model.stack": "shrunk",
        "train.loss": "huber",
        "train.huber_delta": "residual",
    }
    proposed = with_values(Params(), values, "proposed")
    with pytest.raises(ParamsError) as caught:
        with_values(proposed, {"train.loss": "bce"}, "params.yaml")
    for change in ("target.scaled to false", "linear_skip to none", "stack to none"):
        assert change in str(caught.value)
    assert "train.huber_delta to null" in str(caught.value)
