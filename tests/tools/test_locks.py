"""The two locks: the larger one has every pin of the smaller one, and both name no host."""

import re

import pytest

from tools.import_closure import ROOT

LOCKS = ("requirements.lock", "requirements-all.lock")
EXTRAS = ("fastapi", "uvicorn", "streamlit", "lightgbm", "xgboost", "duckdb", "ray", "pytest")


def pins(lock: str) -> dict[str, str]:
    """Name -> version and marker."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^([a-z0-9._-]+)==(.+?) *\\?$", text))


def test_the_larger_lock_has_the_same_version_of_every_package_of_the_smaller_one():
    small, large = map(pins, LOCKS)
    assert len(small) > 100
    assert small == {name: large.get(name) for name in small}


def test_only_the_larger_lock_has_what_tests_service_page_trees_and_cluster_need():
    small, large = map(pins, LOCKS)
    assert set(EXTRAS) <= set(large)
    assert not set(EXTRAS) & set(small)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_hash_for_every_package_and_names_no_host(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert len(re.findall(r"(?m)^\S+==.*\n    --hash=sha256:", text)) == len(pins(lock))
