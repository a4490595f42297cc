import dataclasses
import json
import os
import subprocess
import sys

import jax
import numpy as np
import optax
import pytest

from spline_lstm.core.errors import DataContractError, DivergedError
from spline_lstm.models.build import build
from spline_lstm.models.jax_setup import small_matmuls
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.training import steps
from spline_lstm.training.budget import budget_of
from spline_lstm.training.checkpoints import Checkpoint
from spline_lstm.training.device_windows import pad_to_batches
from spline_lstm.training.loop import train, training_curve
from spline_lstm.training.members import chunk_size, member_keys
from spline_lstm.training.objective import loss_unit
from spline_lstm.training.optimizers import make_optimizer
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.scaling import Scaler
from tests.builders import make_config, make_train_params, windows_of

PARAMS = make_train_params(
    seed=1, loss="mse", max_epochs=4, patience=4, schedule="constant", weight_decay=0.0
)
CONFIG = make_config()


SINE = windows_of(np.sin(2 * np.pi * np.arange(400) / 24))


def same_weights(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


def test_training_learns_a_sine():
    trained = train(CONFIG, SINE, PARAMS.model_copy(update={"max_epochs": 30, "patience": 30}))
    naive = np.mean(
        np.square(
            np.sin(2 * np.pi * (np.arange(24) + 1) / 24) - np.sin(2 * np.pi * np.arange(24) / 24)
        )
    )
    assert trained.best_losses.validation_loss < naive / 5


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    first, second = train(CONFIG, SINE, PARAMS), train(CONFIG, SINE, PARAMS)
    other = train(CONFIG, SINE, PARAMS.model_copy(update={"seed": 2}))
    assert same_weights(first.last, second.last)
    assert not same_weights(first.last, other.last)


def test_a_short_training_is_compiled_faster_to_the_same_bytes(monkeypatch):
    params = make_train_params(seed=1, max_epochs=None, patience=None, max_steps=20)
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    assert steps.compiler_options(CONFIG, params) is None
    monkeypatch.delenv("XLA_FLAGS")
    own = small_matmuls()
    assert steps.compiler_options(CONFIG, params) == own | steps.QUICK
    longer = params.model_copy(update={"max_steps": 1501})
    assert steps.compiler_options(CONFIG, longer) == (own or None)
    assert steps.compiler_options(CONFIG, PARAMS) == (own or None)
    wide = dataclasses.replace(CONFIG, hidden=(8, 512))
    assert steps.compiler_options(wide, params) == steps.QUICK
    assert steps.compiler_options(wide, PARAMS) is None
    quick = train(CONFIG, SINE, params)
    monkeypatch.setattr(steps, "QUICK", {"xla_backend_optimization_level": 3})
    assert same_weights(quick.last, train(CONFIG, SINE, params).last)


@pytest.mark.parametrize("changes", [{}, {"model_type": "gru", "ensemble_size": 2}])
def test_weights_to_start_from_do_not_depend_on_how_their_program_is_compiled(changes, monkeypatch):
    config, budget = dataclasses.replace(CONFIG, **changes), budget_of(PARAMS, 100)
    keys = member_keys(config.ensemble_size, PARAMS.seed)
    monkeypatch.delenv("XLA_FLAGS")
    found = []
    own = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}
    for options in (steps.ONCE, own):
        monkeypatch.setattr(steps, "ONCE", options)
        found.append(steps.start_program(config, make_optimizer(PARAMS, budget), PARAMS)(keys))
    for one, other in zip(*map(jax.tree.leaves, found), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_best_and_last_weights_differ_when_validation_worsens():
    rng = np.random.default_rng(0)
    trained = train(
        CONFIG,
        windows_of(rng.normal(size=400)),
        PARAMS.model_copy(update={"max_epochs": 40, "patience": 3}),
    )
    losses = [item.validation_loss for item in trained.history]
    assert trained.best_evaluation == 1 + int(np.argmin(losses)) < len(losses)
    assert not same_weights(trained.best, trained.last)


def test_training_stops_after_patience_epochs_without_improvement():
    rng = np.random.default_rng(0)
    trained = train(
        CONFIG,
        windows_of(rng.normal(size=400)),
        PARAMS.model_copy(update={"max_epochs": 200, "patience": 2}),
    )
    assert len(trained.history) == trained.best_evaluation + 2 < 200


def test_unobserved_labels_do_not_reach_the_weights():
    values = np.sin(2 * np.pi * np.arange(400) / 24)
    observed = np.ones((400, 1), dtype=bool)
    observed[50:60] = observed[330:340] = False
    clean = windows_of(values, observed)
    wild = windows_of(np.where(observed[:, 0], values, 1e3), observed)
    # Inputs stay as they are: only the labels of unobserved rows differ.
    arrays = AsOfArrays(
        **{**vars(wild.arrays), "scaled": clean.arrays.scaled, "causal": clean.arrays.causal}
    )
    wild = dataclasses.replace(wild, arrays=arrays)
    assert same_weights(train(CONFIG, clean, PARAMS).last, train(CONFIG, wild, PARAMS).last)


def test_validation_loss_is_the_mean_over_all_observed_labels():
    trained = train(
        CONFIG, SINE, PARAMS.model_copy(update={"max_epochs": 1, "learning_rate": 1e-12})
    )
    batch = SINE.gather("validation")
    # At a vanishing step size the weights are those of the start, whose forecast the loss must
    # describe.
    forecast = np.asarray(build(CONFIG, key=jax.random.key(PARAMS.seed))(batch.X))
    expected = np.square(forecast - batch.y)[batch.mask].mean()
    assert trained.history[0].validation_loss == pytest.approx(expected, rel=1e-5)


def test_diverged_training_ends_with_its_error_and_reports_the_epochs():
    history = []
    with pytest.raises(DivergedError, match=r"step 8: .*all must be finite"):
        train(
            CONFIG,
            windows_of(np.full(400, 1e30) * (1 + np.arange(400))),
            PARAMS.model_copy(update={"learning_rate": 1e30, "clip_norm": 1e30}),
            history.append,
        )
    assert len(history) == 1


@pytest.mark.parametrize(("count", "size"), [(10, 3), (9, 3), (2, 5)])
def test_batches_hold_every_window_once_with_weight(count, size):
    rows, weight = pad_to_batches(np.arange(count) + 7, size)
    assert sorted(rows[weight == 1]) == list(range(7, 7 + count))
    assert weight.sum() == count


def test_curve_has_a_line_per_evaluation():
    trained = train(CONFIG, SINE, PARAMS.model_copy(update={"max_epochs": 2}))
    lines = training_curve(trained.history).splitlines()
    assert lines[0] == (
        "step,epoch,train_loss,validation_loss,gradient_norm,learning_rate,train_rmse,"
        "validation_rmse"
    )
    assert [line.split(",")[0] for line in lines[1:]] == ["8", "16"]


def test_the_curve_has_the_rmse_in_data_units_where_the_loss_tells_it():
    windows = dataclasses.replace(SINE, scaler=Scaler("standard", np.array([3.0]), np.array([7.0])))
    trained = train(CONFIG, windows, PARAMS.model_copy(update={"max_epochs": 1}))
    unit = loss_unit(CONFIG, windows, "mse")
    row = training_curve(trained.history, unit).splitlines()[-1].split(",")
    batch = windows.gather("validation")
    forecast = SavedModel(CONFIG, "m", "p", trained.last).predict(batch.X)
    error = windows.to_data_units(forecast) - windows.labels(batch)
    assert float(row[-1]) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)
    assert np.isnan(loss_unit(CONFIG, windows, "mae"))
    assert training_curve(trained.history).splitlines()[-1].endswith(",,")
    several = Scaler("standard", np.zeros((3, 1)), np.ones((3, 1)))
    assert np.isnan(loss_unit(CONFIG, dataclasses.replace(SINE, scaler=several), "mse"))


def test_weight_decay_shrinks_the_weights():
    decayed = train(CONFIG, SINE, PARAMS.model_copy(update={"weight_decay": 0.5, "max_epochs": 10}))
    free = train(CONFIG, SINE, PARAMS.model_copy(update={"max_epochs": 10}))
    assert optax.tree.norm(decayed.last) < optax.tree.norm(free.last)


class KilledError(Exception):
    """Stands for the signal that ends a run."""


STEPS = {"max_epochs": None, "max_steps": 26, "eval_steps": 5}


@pytest.mark.parametrize(
    ("ensemble_size", "budget", "interval"), [(1, {}, 8), (2, {}, 8), (1, STEPS, 5)]
)
def test_a_killed_training_goes_on_to_the_bytes_of_an_unbroken_one(
    tmp_path, ensemble_size, budget, interval
):
    config = dataclasses.replace(CONFIG, dropout=0.3, ensemble_size=ensemble_size)
    params = PARAMS.model_copy(
        update={"schedule": "cosine", "ensemble_size": ensemble_size} | budget
    )
    checkpoint = Checkpoint(tmp_path, "run")

    def kill_at_the_third(evaluation):
        if evaluation.step == 3 * interval:
            raise KilledError

    with pytest.raises(KilledError):
        train(config, SINE, params, kill_at_the_third, checkpoint)
    lived, restored = [], []
    resumed = train(config, SINE, params, lived.append, checkpoint, on_restore=restored.extend)
    unbroken = train(config, SINE, params)
    assert same_weights(resumed.best, unbroken.best)
    assert same_weights(resumed.last, unbroken.last)
    assert resumed.history == unbroken.history == restored + lived
    assert len(restored) == 2
    assert not list(tmp_path.iterdir())


def test_members_of_an_ensemble_are_trainings_with_consecutive_seeds():
    together = train(dataclasses.replace(CONFIG, ensemble_size=2), SINE, PARAMS)
    for member in range(2):
        alone = train(CONFIG, SINE, PARAMS.model_copy(update={"seed": PARAMS.seed + member}))
        for name, value in alone.last.items():
            np.testing.assert_allclose(together.last[name][member], value, atol=1e-4)


def test_bfloat16_learns_what_float32_learns():
    exact, coarse = (
        train(CONFIG, SINE, PARAMS.model_copy(update={"precision": kind}))
        for kind in ("float32", "bfloat16")
    )
    assert not same_weights(exact.last, coarse.last)
    assert coarse.best_losses.validation_loss == pytest.approx(
        exact.best_losses.validation_loss, rel=0.2
    )


def test_quantile_forecasts_spread_around_the_median():
    config = dataclasses.replace(CONFIG, quantiles=(0.1, 0.5, 0.9))
    noise = windows_of(np.random.default_rng(0).normal(size=600))
    params = PARAMS.model_copy(
        update={"loss": "quantile", "max_epochs": 15, "patience": 15, "schedule": "cosine"}
    )
    config = dataclasses.replace(config, normalization="none")
    batch = noise.gather("test")
    outputs = SavedModel(config, "m", "p", train(config, noise, params).best).outputs(batch.X)
    below = (batch.y[..., None, None] < outputs.quantiles).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.12)


def test_balanced_weights_move_the_mean_probability_to_a_half():
    labels = (np.random.default_rng(0).random(600) < 0.1).astype(float)
    config = dataclasses.replace(CONFIG, normalization="none", output="probability")
    means = []
    for weight in (1.0, "balanced"):
        params = PARAMS.model_copy(
            update={"loss": "bce", "positive_weight": weight, "max_epochs": 6, "patience": 6}
        )
        model = SavedModel(config, "m", "p", train(config, windows_of(labels), params).last)
        means.append(model.predict(windows_of(labels).gather("train").X).mean())
    assert means[0] == pytest.approx(0.1, abs=0.06)
    assert means[1] == pytest.approx(0.5, abs=0.15)


def test_parts_of_a_batch_add_up_to_its_gradient(monkeypatch):
    observed = np.random.default_rng(0).random((400, 1)) < 0.6
    windows = windows_of(np.sin(np.arange(400) / 4), observed)
    monkeypatch.setattr("spline_lstm.training.members.CPU_SEQUENCES", 8)
    parts = train(CONFIG, windows, PARAMS)
    monkeypatch.setattr("spline_lstm.training.members.CPU_SEQUENCES", 32)
    whole = train(CONFIG, windows, PARAMS)
    # Added in another order: it is not the stored program of the first training.
    assert not same_weights(parts.last, whole.last)
    for name, value in whole.last.items():
        np.testing.assert_allclose(parts.last[name], value, atol=1e-5)
    assert parts.history[0].train_loss == pytest.approx(whole.history[0].train_loss, rel=1e-5)


@pytest.mark.parametrize(
    ("batch", "targets", "size"), [(32, 1, 32), (256, 1, 32), (48, 1, 24), (128, 7, 4), (61, 1, 61)]
)
def test_a_part_divides_the_batch_and_fits_the_cache(batch, targets, size):
    names = tuple(f"y{index}" for index in range(targets))
    config = dataclasses.replace(
        CONFIG,
        features=names,
        targets=names,
        target_indices=tuple(range(targets)),
        channels="independent",
    )
    assert chunk_size(config, batch) == size


@pytest.mark.parametrize(
    ("share", "size"), [(16, 16), (32, 32), (64, 16), (128, 16), (48, 16), (54, 9), (62, 31)]
)
def test_chunks_of_compact_loops_are_smaller_where_a_share_is_divided(share, size):
    assert chunk_size(CONFIG, share, compact=True) == size


def test_loops_are_compact_for_recurrent_networks_that_multiply_by_xlas_own_code(monkeypatch):
    assert not steps.is_compact(CONFIG, PARAMS)  # The suite's XLA_FLAGS have a level.
    monkeypatch.delenv("XLA_FLAGS")
    assert steps.is_compact(CONFIG, PARAMS) == bool(small_matmuls())
    assert not steps.is_compact(CONFIG, PARAMS.model_copy(update={"precision": "bfloat16"}))
    assert not steps.is_compact(dataclasses.replace(CONFIG, hidden=(8, 512)), PARAMS)


# Trainings in a process of their own, whose weights it saves: of a batch that the devices share,
# and of an odd one; with each number of devices, if it is told some, or as many as there are.
TRAININGS = """
import dataclasses, json, sys
from pathlib import Path
import numpy as np, jax
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
if sys.argv[2]:
    configure_threads(int(sys.argv[2]))
configure_compilation_cache(Path(sys.argv[3]))
from tests.training.test_loop import CONFIG, PARAMS, SINE, train
config = dataclasses.replace(CONFIG, dropout=0.1, hidden=(8,), ensemble_size=2)
everything = jax.devices()
for count in json.loads(sys.argv[4]) or [len(everything)]:
    jax.devices = lambda *_: everything[:count]
    weights = {}
    # 61 windows are not divided, and the second training is compiled as short ones are.
    for batch, steps in ((61, None), (64, 12)):
        length = {"max_steps": steps, "max_epochs": None if steps else 2, "patience": None}
        params = PARAMS.model_copy(update={"batch_size": batch, **length})
        trained = train(config, SINE, params)
        weights |= {f"{batch}.{name}": value for name, value in trained.last.items()}
    np.savez(f"{sys.argv[1]}/{count}.npz", **weights)
"""


def weights_of_process(folder, *, threads="", flags="", counts=(), cache):
    """Number of devices -> the weights by batch size and name, of TRAININGS."""
    environment = os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": os.getcwd()}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    folder.mkdir()
    words = (str(folder), str(threads), str(cache), json.dumps(counts))
    command = [sys.executable, "-c", TRAININGS, *words]
    subprocess.run(command, env=environment, check=True)
    return {int(path.stem): dict(np.load(path)) for path in folder.glob("*.npz")}


@pytest.mark.slow
def test_devices_share_the_batches_and_give_the_weights_of_one(tmp_path):
    # Quickly compiled: what is equal but for rounding is equal at any level.
    flags = f"--xla_force_host_platform_device_count=4 {os.environ['XLA_FLAGS']}"
    found = weights_of_process(tmp_path / "all", flags=flags, counts=(1, 2, 4), cache=tmp_path)
    assert set(found) == {1, 2, 4}
    for name, value in found[1].items():
        for count in (2, 4):
            np.testing.assert_allclose(found[count][name], value, atol=1e-5)


@pytest.mark.slow
def test_threads_and_compilation_cache_change_no_byte(tmp_path):
    (cold,) = weights_of_process(tmp_path / "cold", threads=2, cache=tmp_path).values()
    (warm,) = weights_of_process(tmp_path / "warm", threads=2, cache=tmp_path).values()
    another = tmp_path / "another"
    (alone,) = weights_of_process(tmp_path / "alone", threads=1, cache=another).values()
    assert list((another / ".cache/jax").iterdir())
    assert same_weights(warm, cold)
    assert same_weights(alone, cold)


def test_best_weights_have_the_lowest_loss_whatever_min_delta_says():
    trained = train(
        CONFIG, SINE, PARAMS.model_copy(update={"min_delta": 0.5, "max_epochs": 8, "patience": 8})
    )
    losses = [item.validation_loss for item in trained.history]
    assert losses[0] - min(losses) < 0.5
    assert trained.best_evaluation == 1 + int(np.argmin(losses)) > 1


def test_min_delta_ends_a_training_that_improves_too_little():
    trained = train(
        CONFIG, SINE, PARAMS.model_copy(update={"min_delta": 0.5, "max_epochs": 8, "patience": 2})
    )
    assert len(trained.history) == 3


def test_train_loss_is_the_mean_over_all_labels_whatever_the_last_batch_holds():
    # One window is left for the last batch; at a vanishing step size all batches see the weights of
    # the start.
    count = len(SINE.splits["train"])
    batch_size = next(size for size in range(2, count) if count % size == 1)
    params = PARAMS.model_copy(
        update={"max_epochs": 1, "learning_rate": 1e-12, "batch_size": batch_size}
    )
    batch = SINE.gather("train")
    forecast = np.asarray(build(CONFIG, key=jax.random.key(PARAMS.seed))(batch.X))
    expected = np.square(forecast - batch.y)[batch.mask].mean()
    assert train(CONFIG, SINE, params).history[0].train_loss == pytest.approx(expected, rel=1e-5)


def test_labels_beside_0_and_1_are_refused_for_the_loss_bce():
    labels = np.tile([0.0, 1.0], 200)
    labels[7] = 0.5
    config = dataclasses.replace(CONFIG, normalization="none", output="probability")
    params = PARAMS.model_copy(update={"loss": "bce"})
    with pytest.raises(
        DataContractError, match=r"target y is 0\.5 at 1970-01-01T07:00:00.*labels 0 and 1"
    ):
        train(config, windows_of(labels), params)


def test_evaluations_do_not_change_the_course_of_a_training():
    config = dataclasses.replace(CONFIG, dropout=0.3)
    by_epochs = train(config, SINE, PARAMS.model_copy(update={"max_epochs": 3}))
    steps = by_epochs.history[-1].step
    by_steps = train(
        config,
        SINE,
        PARAMS.model_copy(update={"max_epochs": None, "max_steps": steps, "eval_steps": 5}),
    )
    assert same_weights(by_steps.last, by_epochs.last)
    found = [item.step for item in by_steps.history]
    assert found == [*range(5, steps, 5), steps]
    assert by_steps.history[-1].validation_loss == by_epochs.history[-1].validation_loss
    assert by_steps.history[-1].epoch == 3.0
