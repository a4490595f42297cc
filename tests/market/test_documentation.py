"""docs/direction.md names what there is."""

import re

from spline_lstm.core.params import load_params
from spline_lstm.market.features import LONGEST, NAMES
from spline_lstm.market.windows import reach
from tests.builders import ROOT

TEXT = (ROOT / "docs/direction.md").read_text(encoding="utf-8")
PARAMS = load_params(ROOT / "pipelines/direction")


def test_every_feature_has_its_formula():
    table = TEXT[TEXT.index("| feature |") : TEXT.index("`spline_lstm/market/features.py`")]
    named, stem = set(), ""
    for name in re.findall(r"`([a-z_0-9]+)`", table):
        stem = stem if name.startswith("_") else name.rpartition("_")[0]
        named.add(stem + name if name.startswith("_") else name)
    assert named == set(NAMES)


def test_the_days_are_those_of_the_params():
    assert f"first {LONGEST}\ndays" in TEXT
    assert f"reach back {reach(PARAMS.window)} days" in TEXT
    needed = reach(PARAMS.window) + 1 + PARAMS.direction.horizon
    assert f"needs {needed} trading days" in TEXT
