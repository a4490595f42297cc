"""When Python looks for garbage."""

import gc
import sys

import pytest

from spline_lstm.core.garbage import importing, pause_for_module, resume


@pytest.fixture(autouse=True)
def as_before():
    """Nothing stays frozen, and the collector is on."""
    yield
    gc.unfreeze()
    gc.enable()


def test_it_is_off_inside_and_as_before_afterwards():
    with importing(stays=True):
        assert not gc.isenabled()
        kept = [[]]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert kept == [[]]
    gc.disable()
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert not gc.isenabled()


def test_what_a_user_has_goes_when_it_is_unused():
    gc.unfreeze()
    with importing():
        pass
    assert gc.get_freeze_count() == 0
    gc.freeze()
    before = gc.get_freeze_count()
    with importing():
        kept = [[]]
    assert gc.get_freeze_count() > before
    assert kept == [[]]


@pytest.mark.parametrize(("name", "pauses"), [("-m", True), ("stages/window.py", False)])
def test_only_a_module_that_is_run_pauses_it(name, pauses, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name])
    gc.unfreeze()
    pause_for_module()
    assert gc.isenabled() is not pauses
    resume()
    assert gc.isenabled()
    assert (gc.get_freeze_count() > 0) is pauses
