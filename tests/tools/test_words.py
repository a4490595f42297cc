"""Banned words are refused wherever they stand, and ordinary English is not."""

import pytest

from tools.words import BANNED, ROOT, findings, searched_files

# A name of `BANNED` -> texts in which it must be found.
PLANTED = {
    "stamp": [
        "the stamp of a row",
        "Stamps increase",
        "first_stamp = 1",
        "stamp_text",
        "a stamped row",
    ],
    "mend": ["mend it", "git fetch mends it", "the mended table", "mending"],
    "is no": [
        "x is no folder",
        "names are no columns",
        'f"{path} is no {kind}"',
        "# a folder that is\n    # no pipeline",
        '"this is "\n        "no model"',
        "this is no other",
        "x is no 'gap'",
        'it is no "gap"',
        "they are no 5 rows",
    ],
    "stands twice": ["a name stands twice", "names that stand twice", "it stands\ntwice"],
    "behind": ["trained behind preprocessor A", "Behind it", "behind_epoch"],
    "known_ahead": ["known_ahead: true", "is_known_ahead"],
    "data_mode": ["data_mode: univariate", "--data_mode"],
}
ENGLISH = [
    "the timestamp of a row",
    "timestamps",
    "we recommend to amend it",
    "there is no gap",
    "There are no rows",
    "there is\nno gap",
    "it is no longer needed",
    "the loss is no lower than before",
    "it is not a folder and has no columns",
    "is noisy",
    "it stands once",
    "known_future",
    "feature_mode",
    "the data mode",
]


def test_every_banned_word_is_planted():
    assert set(PLANTED) == {word.name for word in BANNED}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in PLANTED.items() for text in texts]
)
def test_a_planted_word_is_refused_with_its_line_and_what_to_write(name, text):
    (instead,) = (word.instead for word in BANNED if word.name == name)
    (line,) = findings("docs/page.md", f"one\ntwo {text}\n")
    assert line.startswith("docs/page.md:2: ")
    assert line.endswith(f" -> {instead}")


@pytest.mark.parametrize("text", ENGLISH)
def test_ordinary_english_passes(text):
    assert findings("docs/page.md", text) == []


def test_the_comparison_table_keeps_its_column():
    assert findings("spline_lstm/experiments/results.py", '"data_mode"') == []
    assert findings("spline_lstm/experiments/results.py", '"stamp"')
    assert findings("spline_lstm/training/fit.py", '"data_mode"')


def test_code_docs_params_and_notebooks_are_searched():
    found = set(searched_files(ROOT))
    assert {
        "README.md",
        "params.yaml",
        "docs/models.md",
        "notebooks/01_eda.py",
        "pipelines/stores/params.yaml",
        "spline_lstm/__main__.py",
        "spline_lstm/core/errors.py",
        "stages/window.py",
    } <= found
    assert not [name for name in found if name.startswith(("tests/", "metrics/", "plots/"))]


def test_the_repository_has_none_of_them():
    found = [
        line
        for name in searched_files(ROOT)
        for line in findings(name, (ROOT / name).read_text(encoding="utf-8"))
    ]
    assert found == []
