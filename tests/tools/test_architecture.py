"""The generated sections of docs/architecture.md are those of dvc.yaml."""

import re

from tests.builders import ROOT
from tests.test_layers import LAYERS
from tools.architecture import PAGE, edges, followers, readers, stages, with_generated

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_dag_and_the_table_of_dvc_yaml():
    assert with_generated(TEXT) == TEXT, "run python -m tools.architecture"
    assert "train-flax-rnn --> evaluate" in TEXT
    assert "| export/ | export, benchmark | - |" in TEXT


def test_edges_and_followers_of_a_chain_of_three():
    pipeline = {
        "a": {"deps": ["spline_lstm/x"], "outs": ["1"]},
        "b": {"deps": ["1"], "metrics": [{"2": {"cache": False}}]},
        "c": {"deps": ["2", "spline_lstm/x"]},
    }
    assert edges(pipeline) == [("a", "b"), ("b", "c")]
    assert readers(pipeline, "spline_lstm/x") == ["a", "c"]
    assert followers(pipeline, ["a"]) == ["b", "c"]
    assert followers(pipeline, ["a", "c"]) == ["b"]


def test_the_list_of_layers_is_that_of_the_test_of_imports():
    section = TEXT.split("## The library, from top to bottom")[1].split("\n## ")[0]
    shown = re.findall(r"(?m)^\| `(\w+)/` \|", section)
    present = [name for name in LAYERS if (ROOT / "spline_lstm" / name / "__init__.py").is_file()]
    assert shown == present


def test_the_drawing_has_seven_boxes_that_are_stages():
    drawing = (ROOT / "docs/flow.svg").read_text(encoding="utf-8")
    boxes = re.findall(r'font-weight="bold"[^>]*>([\w-]+)<', drawing)
    assert len(boxes) == 7
    names = {"train-flax-rnn" if box == "train" else box for box in boxes}
    assert names == set(stages()) - {"backtest", "report"}
