"""params.yaml rendered from the model, overlays on it, and keys of earlier versions."""

import json
import re
import subprocess
import sys
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.accuracy import RECIPES
from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import (
    TWO_FORMS,
    Params,
    load_overlay,
    load_params,
    parse_overlay,
    parse_params,
    with_values,
)
from spline_lstm.core.params_errors import RENAMED
from spline_lstm.core.params_file import params_text, upgraded
from spline_lstm.core.section import flattened, key_comments, known_keys
from spline_lstm.inference.arguments import DEFAULTS
from tests.builders import ROOT
from tools.render_params import params_files, rendered

OVERLAYS = [*sorted(RECIPES.glob("*.yaml")), DEFAULTS]


@pytest.mark.parametrize("path", params_files(), ids=lambda path: path.parent.name)
def test_a_params_yaml_of_the_repository_is_as_rendered(path):
    assert path.read_text(encoding="utf-8") == rendered(path), "run python -m tools.render_params"


def test_params_yaml_of_the_root_has_the_defaults():
    assert load_params(ROOT) == Params()


def test_lines_fit_the_width_and_every_comment_is_in_the_text():
    text = params_text(Params())
    assert max(map(len, text.splitlines())) <= 100
    words = " ".join(re.sub(r"(?m)^ *# ", "", text).split())
    for section, comment in comments(Params):
        assert comment in words, section


def comments(model):
    found = key_comments(model)
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
            yield from comments(field.annotation)
        else:
            yield name, " ".join(found.get(name, "no comment").split())


@pytest.mark.parametrize("pipeline", ["", "shop", "a-very-long-name-of-a-pipeline-0123456789"])
def test_the_head_names_the_commands_of_the_pipeline(pipeline):
    head, body = params_text(Params(), pipeline).split("\n\n", 1)
    assert body == params_text(Params()).split("\n\n", 1)[1]
    assert set(re.findall(r"pipelines/([\w-]+)", head)) == ({pipeline} if pipeline else set())
    file = f"pipelines/{pipeline}/params.yaml:" if pipeline else ""
    assert f"-S {file}train.batch_size=64`" in head


def test_the_head_names_a_setting_that_a_linear_model_has():
    params = with_values(Params(), {"model.type": "linear", "window.lookback": 48}, "p")
    assert "-S window.lookback=24`" in params_text(params).split("\n\n", 1)[0]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "data.source": st.text("ab: #'\"{}[]&*!|>%@`,\\ 0-1é", min_size=1, max_size=12),
            "train.learning_rate": st.floats(1e-12, 1e12),
            "train.seed": st.integers(0, 2**32 - 1),
            "model.hidden": st.lists(st.integers(1, 99), min_size=1, max_size=3),
            "preprocess.split.dates": st.just(["2024-03-01", "2024-05-01 06:00"]),
            "preprocess.season": st.none() | st.integers(2, 9),
            "export.variants": st.just([]),
            "data.sort": st.booleans(),
        },
    )
)
@settings(deadline=None, max_examples=30)
def test_rendered_values_are_read_back(values):
    params = with_values(Params(), values, "values")
    assert parse_params(params_text(params), "text") == params


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_overlays_are_short_and_valid(path):
    overlay = load_overlay(path)
    assert with_values(Params(), overlay, str(path)) != Params()
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40


def test_an_overlay_changes_its_keys_and_no_other():
    overlay = parse_overlay("window: {lookback: 48}\nmodel:\n  hidden: [8]\n", "mine.yaml")
    assert overlay == {"window.lookback": 48, "model.hidden": [8]}
    before, after = (
        flattened(params.model_dump())
        for params in (Params(), with_values(Params(), overlay, "mine.yaml"))
    )
    assert {key for key in after if after[key] != before[key]} == overlay.keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {lr: 1}", "train.lr: unknown key (value 1); did you mean train."),
        ("trian: {seed: 1}", "trian.seed: unknown key (value 1); did you mean train.seed?"),
        ("preprocess: {split: 3}", "preprocess.split: a section; set its keys"),
        ("train: {seed: {a: 1}}", "train.seed.a: unknown key"),
        ("just text", "must have sections with keys"),
        ("", "must have sections with keys"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_overlay_is_refused_in_one_line(text, words):
    with pytest.raises(ParamsError) as caught:
        parse_overlay(text, "mine.yaml")
    assert "mine.yaml" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_of_an_overlay_that_breaks_its_rule_is_named():
    with pytest.raises(ParamsError, match=r"mine.yaml: window.lookback = 0: .*greater than"):
        with_values(Params(), {"window.lookback": 0}, "mine.yaml")
    with pytest.raises(ParamsError, match="plain values"):
        with_values(Params(), {"window.lookback": object()}, "arguments")


def test_a_missing_key_says_what_to_add(tmp_path):
    text = params_text(Params())
    without = text.replace("  threads: 2\n", "").replace("  hidden: [64, 32]\n", "")
    (tmp_path / "params.yaml").write_text(without)
    with pytest.raises(ParamsError) as caught:
        load_params(tmp_path)
    assert "model.hidden: the key is missing; add `hidden: [64, 32]`" in str(caught.value)
    assert "train.threads: the key is missing; add `threads: 2`" in str(caught.value)


def old(key: str) -> dict:
    """The content of a params.yaml in which the renamed key still has its old name `key`."""
    content = json.loads(Params().model_dump_json())
    *sections, last = RENAMED[key].split(".")
    value = section_of(content, sections).pop(last)
    *sections, last = key.split(".")
    section_of(content, sections)[last] = value
    return content


def section_of(content: dict, names: list[str]) -> dict:
    """The mapping under nested keys."""
    return reduce(lambda section, name: section[name], names, content)


@pytest.mark.parametrize("key", sorted(RENAMED))
def test_a_renamed_key_names_the_new_one(key):
    text = json.dumps(old(key))
    with pytest.raises(ParamsError) as caught:
        parse_params(text, "params.yaml")
    assert str(caught.value).endswith(f"{key}: this key is now called {RENAMED[key]}; rename it")
    with pytest.raises(ParamsError, match=re.escape(f"{key}: this key is now called")):
        parse_overlay(text, "overlay.yaml")
    assert upgraded(text, "params.yaml") == Params()


def test_old_names_of_keys_are_not_in_use():
    assert not set(RENAMED) & set(known_keys(Params))
    assert set(RENAMED.values()) <= set(known_keys(Params))


NEW_KEY = '''    windiness: Positive = 2.5
    """how windy it is"""
    seed: Seed = 42
'''
CHECK = """
from pathlib import Path
from benchmarks.accuracy import RECIPES, load_recipe
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.params_file import params_text, upgraded
from spline_lstm.inference.arguments import params_of
from spline_lstm.models.build import MODEL_TYPES

root = Path({root!r})
assert params_text(Params()) == (root / "params.yaml").read_text()
found = [load_params(root), params_of(None, {{}}), load_recipe("ot-24")]
assert [params.train.windiness for params in found] == [2.5] * 3
assert params_of({{"train.windiness": 1.0}}, {{}}).train.windiness == 1.0
try:
    load_params(root / "pipelines/stores")
except Exception as error:
    assert "train.windiness: the key is missing; add `windiness: 2.5`" in str(error)
else:
    raise AssertionError("a file without the key was accepted")
stores = (root / "pipelines/stores/params.yaml").read_text()
assert upgraded(stores, "stores").train.windiness == 2.5
"""


def test_a_new_key_touches_two_files(tmp_path):
    """A copy of the library gets a key in its section and params.yaml; everything else works."""
    paths = ["spline_lstm", "benchmarks", "pipelines", "params.yaml"]
    listed = subprocess.run(
        ["git", "ls-files", *paths], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    edit(tmp_path / "spline_lstm/core/params_model.py", "    seed: Seed = 42\n", NEW_KEY)
    edit(
        tmp_path / "params.yaml",
        "  # seed of initial",
        "  # how windy it is\n  windiness: 2.5\n  # seed of initial",
    )
    done = subprocess.run(
        [sys.executable, "-c", CHECK.format(root=str(tmp_path))],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def edit(path, old_text: str, new_text: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old_text) == 1
    path.write_text(text.replace(old_text, new_text), encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "other"), [*TWO_FORMS, *(pair[::-1] for pair in TWO_FORMS)], ids="-".join
)
def test_a_limit_in_one_form_takes_the_place_of_the_other(given, other):
    base = with_values(Params(), {other: 3}, "base")
    params = with_values(base, {given: 7}, "mine.yaml")
    section, name = given.split(".")
    values = getattr(params, section).model_dump()
    assert values[name] == 7
    assert values[other.split(".")[1]] is None
    with pytest.raises(ParamsError, match="exclude each other"):
        with_values(Params(), {given: 7, other: 3}, "mine.yaml")
