import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from spline_lstm.core.errors import ParamsError
from spline_lstm.models.build import build, to_arrays
from spline_lstm.models.ft_transformer import FTTransformer
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.saved_rows import RowModel
from spline_lstm.training.budget import budget_of
from spline_lstm.training.checkpoints import Checkpoint
from spline_lstm.training.losses import Loss, loss_sum
from spline_lstm.training.model import train_model
from spline_lstm.training.optimizers import make_optimizer
from spline_lstm.training.row_loss import row_loss
from tests.builders import make_train_params
from tests.models.rows import TYPES, make_row_config, make_rows

PARAMS = make_train_params(
    seed=1,
    loss="cross_entropy",
    max_epochs=3,
    patience=3,
    schedule="constant",
    batch_size=50,
    learning_rate=0.005,
)


def step_of(inputs):
    """Label 1 if the first number is above 0, and a category says so."""
    return ((inputs.numbers[:, 0] > 0) ^ (inputs.categories[:, 0] == 1)).astype(np.int32)


def quarters_of(inputs):
    return np.searchsorted([-0.5, 0.5], inputs.numbers[:, 0]).astype(np.int32)


def sum_of(inputs):
    return (inputs.numbers[:, 0] - (inputs.categories[:, 0] == 2)).astype(np.float32)


ROWS = make_rows(step_of)


def fit(config: RowConfig, rows=ROWS, checkpoint=None, on_evaluation=lambda item: None, **changes):
    params = PARAMS.model_copy(update=changes)
    return train_model(config, rows, params, on_evaluation, checkpoint, make_loss=row_loss)


def same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("model_type", TYPES)
def test_a_network_learns_two_classes(model_type):
    config = make_row_config(model_type, width=32, blocks=1)
    trained = fit(config, max_epochs=25, patience=25)
    split = ROWS.split("test")
    inputs = split.inputs
    model = RowModel(config, "", "", trained.best)
    found = model.predict(inputs.numbers, inputs.missing, inputs.categories)[:, 0] > 0.5
    assert (found == (split.labels == 1)).mean() > 0.85


@pytest.mark.parametrize(
    ("labels", "label", "loss", "unlearned"),
    [("three", quarters_of, "cross_entropy", np.log(3)), ("regression", sum_of, "mse", 1.0)],
)
def test_validation_loss_is_that_of_the_predictions(labels, label, loss, unlearned):
    rows, config = make_rows(label), make_row_config("tabm", labels, width=32)
    trained = fit(config, rows, loss=loss, max_epochs=12, patience=12)
    split = rows.split("validation")
    inputs = split.inputs
    model = RowModel(config, "", "", trained.best)
    found = model.predict(inputs.numbers, inputs.missing, inputs.categories)
    if labels == "regression":
        expected = np.square(found[:, 0] - split.labels).mean()
    else:
        expected = -np.log(found[np.arange(len(found)), split.labels]).mean()
    assert trained.best_losses.validation_loss == pytest.approx(expected, rel=1e-4)
    assert expected < 0.7 * unlearned


def test_a_resumed_training_ends_with_the_same_bytes_and_another_seed_does_not(tmp_path):
    class KilledError(Exception):
        pass

    def kill(evaluation):
        if evaluation.epoch == 2:
            raise KilledError

    config, checkpoint = make_row_config("mlp"), Checkpoint(tmp_path, "abc")
    with pytest.raises(KilledError):
        fit(config, checkpoint=checkpoint, on_evaluation=kill)
    seen = []
    resumed = fit(config, checkpoint=checkpoint, on_evaluation=seen.append)
    assert [item.epoch for item in seen] == [2, 3]
    assert same(resumed.last, fit(config).last)
    assert not same(resumed.last, fit(config, seed=2).last)


def test_members_of_an_ensemble_are_the_networks_of_their_seeds():
    config = make_row_config("mlp")
    together = fit(dataclasses.replace(config, ensemble_size=2), ensemble_size=2)
    for index in range(2):
        alone = fit(config, seed=PARAMS.seed + index)
        for name, value in alone.last.items():
            np.testing.assert_allclose(together.last[name][index], value, atol=2e-5)


def test_tokens_norms_and_biases_of_ft_transformer_do_not_decay():
    config = make_row_config("ft_transformer")
    weights = jax.jit(lambda key: nnx.state(build(config, key=key), nnx.Param))(jax.random.key(0))
    params = PARAMS.model_copy(update={"weight_decay": 1.0})
    optimizer = make_optimizer(params, budget_of(params, 400), FTTransformer.undecayed)
    # Without a gradient, decay alone changes a weight.
    still = jax.tree.map(np.zeros_like, weights)
    updates, _ = optimizer.update(still, optimizer.init(weights), weights)
    names = to_arrays(weights)
    decayed = {name for name, update in to_arrays(updates).items() if np.abs(update).max() > 0}
    assert decayed == {n for n in names if n.endswith(".kernel") and n != "numbers.kernel"}


def test_softmax_averages_the_members():
    rng = np.random.default_rng(0)
    output, y = rng.normal(size=(6, 4, 3)).astype(np.float32), np.array([[0, 2, 1, 0, 2, 2]]).T
    shares = np.exp(output) / np.exp(output).sum(axis=-1, keepdims=True)
    expected = -np.log(shares[np.arange(6), :, y[:, 0]]).mean(axis=1)
    total, count = loss_sum(Loss("softmax", classes=3), output, y, np.ones((6, 1)))
    assert (float(total), count) == (pytest.approx(expected.sum(), rel=1e-5), 6)


def test_balanced_classes_weigh_the_same():
    rows = make_rows(lambda inputs: (np.arange(len(inputs.numbers)) % 5 == 0).astype(np.int32))
    params = PARAMS.model_copy(update={"positive_weight": "balanced"})
    assert row_loss(make_row_config("mlp"), rows, params).positive_weight == 4.0


@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        ("two", {"loss": "mse"}, r"train\.loss = mse: .*kind classification .* cross_entropy"),
        (
            "regression",
            {},
            r"train\.loss = cross_entropy: .*kind regression .* mse or mae or huber",
        ),
        ("three", {"positive_weight": 2.0}, r"positive_weight = 2\.0: with 3 classes"),
    ],
)
def test_a_loss_that_does_not_fit_the_labels_is_refused(labels, changes, message):
    with pytest.raises(ParamsError, match=message):
        row_loss(make_row_config("mlp", labels), ROWS, PARAMS.model_copy(update=changes))
