"""The two locks: the larger one has every pin of the smaller one, and both name no host."""

import re

import pytest

from tools.import_closure import ROOT

LOCKS = ("requirements.lock", "requirements-all.lock")
EXTRAS = ("fastapi", "uvicorn", "streamlit", "lightgbm", "xgboost", "duckdb", "ray", "pytest")


def pins(lock: str) -> set[str]:
    """``name==version ; marker`` of every package; some have a version per Python."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return set(re.findall(r"(?m)^([a-z0-9._-]+==.+?) *\\$", text))


def names(lock: str) -> set[str]:
    return {pin.partition("==")[0] for pin in pins(lock)}


def test_the_larger_lock_has_the_same_version_of_every_package_of_the_smaller_one():
    small, large = map(pins, LOCKS)
    assert len(small) > 100
    assert small <= large
    assert {pin for pin in large if pin.partition("==")[0] in names(LOCKS[0])} == small


def test_only_the_larger_lock_has_what_tests_service_page_trees_and_cluster_need():
    assert set(EXTRAS) <= names(LOCKS[1])
    assert not set(EXTRAS) & names(LOCKS[0])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_hash_for_every_package_and_names_no_host(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert len(re.findall(r"(?m)^\S+==.*\n    --hash=sha256:", text)) == len(pins(lock))
