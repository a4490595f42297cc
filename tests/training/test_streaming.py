from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.errors import ParamsError
from spline_lstm.inference.arguments import params_of
from spline_lstm.models.jax_setup import small_matmuls
from spline_lstm.training.device_windows import POOL_BLOCKS, measured_on, permuted
from spline_lstm.training.loop import train
from spline_lstm.training.steps import QUICK, compiler_options
from spline_lstm.training.streaming import prefetched
from tests.builders import make_config, make_preprocessor, on_disk
from tests.training.test_loop import CONFIG, PARAMS, SINE, same_weights


def changed(**changes):
    return PARAMS.model_copy(update={"max_epochs": 2, **changes})


@pytest.mark.parametrize("block", [3, 1000])
def test_streamed_windows_give_the_bytes_of_rows_on_the_device(block):
    resident = train(CONFIG, SINE, changed(eval_steps=5))
    streamed = train(CONFIG, SINE, changed(eval_steps=5, stream_steps=block))
    assert same_weights(resident.last, streamed.last)
    assert resident.history == streamed.history


def test_streamed_windows_give_the_same_bytes_by_xlas_own_matmuls(monkeypatch):
    """Other tests are compiled without optimisation, and multiply by Eigen."""
    monkeypatch.delenv("XLA_FLAGS")
    params = changed(max_epochs=None, patience=None, max_steps=6, eval_steps=6)
    assert compiler_options(CONFIG, params) == small_matmuls() | QUICK
    resident = train(CONFIG, SINE, params)
    streamed = train(CONFIG, SINE, params.model_copy(update={"stream_steps": 3}))
    assert same_weights(resident.last, streamed.last)
    assert resident.history == streamed.history


def test_windows_of_mapped_arrays_give_the_same_weights(tmp_path):
    mapped = on_disk(tmp_path / "arrays", [SINE.arrays], make_preprocessor())
    windows, params = replace(SINE, arrays=mapped), changed(eval_steps=5)
    resident = train(CONFIG, SINE, params)
    for streamed in (params, changed(eval_steps=5, stream_steps=3)):
        found = train(CONFIG, windows, streamed)
        assert same_weights(resident.last, found.last)
        assert resident.history == found.history


def test_members_of_an_ensemble_are_streamed_too():
    config = make_config(ensemble_size=2)
    resident = train(config, SINE, changed(ensemble_size=2))
    streamed = train(config, SINE, changed(ensemble_size=2, stream_steps=2))
    assert same_weights(resident.last, streamed.last)


@given(
    count=st.integers(1, 3000),
    pool=st.integers(1, 4000),
    seed=st.integers(0, 9),
)
def test_a_shuffle_in_pools_has_every_window_once_in_blocks_of_a_pool(count, pool, seed):
    origins = np.arange(count) + 7
    found = permuted(origins, pool, np.random.default_rng(seed))
    assert sorted(found) == origins.tolist()
    if pool >= count:
        whole = permuted(origins, None, np.random.default_rng(seed))
        assert found.tolist() == whole.tolist()
        return
    size = max(1, pool // POOL_BLOCKS)
    # One block of a pool may be the last one of all, which may be shorter.
    first = (found[: size * (POOL_BLOCKS - 1)] - 7) // size
    assert len(np.unique(first)) <= POOL_BLOCKS


def test_validation_windows_are_chosen_evenly():
    origins = SINE.splits["validation"]
    assert measured_on(origins, changed()).tolist() == origins.tolist()
    few = measured_on(origins, changed(validation_windows=5))
    assert (few[0], len(few)) == (origins[0], 5)
    assert np.ptp(np.diff(few)) <= 1
    whole = train(CONFIG, SINE, changed()).history[-1]
    part = train(CONFIG, SINE, changed(validation_windows=5)).history[-1]
    assert part.train_loss == whole.train_loss
    assert part.validation_loss != whole.validation_loss
    with pytest.raises(ParamsError, match="needs model.linear_skip none"):
        params_of(None, {"model.linear_skip": "frozen", "train.validation_windows": 5})


def test_a_block_that_cannot_be_gathered_ends_the_training():
    with pytest.raises(ZeroDivisionError):
        list(prefetched(lambda number: 1 // (2 - number), [0, 1, 2]))
    assert list(prefetched(lambda number: number**2, [])) == []
