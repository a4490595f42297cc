"""Packages of trees that are not installed."""

import importlib.util

from spline_lstm.trees import packages


def test_absent_packages_are_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "xgboost" else object())
    (text,) = packages.absent_trees(["lightgbm", "xgboost"])
    assert "need xgboost, which" in text
    assert "pip install xgboost-cpu" in text
    assert packages.absent_trees(["lightgbm"]) == packages.absent_trees([]) == ()


def test_a_standard_module_counts_as_there():
    assert packages.find_spec is importlib.util.find_spec
    assert packages.absent_trees(["json"]) == ()
