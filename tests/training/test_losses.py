import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_pinball_loss

from spline_lstm.training.losses import Loss

ERROR = np.array([[[-2.0], [0.5]]])
ZERO = np.zeros((1, 2))


@pytest.mark.parametrize(
    ("kind", "expected"), [("mse", [4.0, 0.25]), ("mae", [2.0, 0.5]), ("huber", [1.5, 0.125])]
)
def test_losses_equal_their_formulas(kind, expected):
    np.testing.assert_allclose(Loss(kind)(ERROR, ZERO)[0], expected)


def test_quantile_loss_is_the_mean_pinball_loss():
    rng = np.random.default_rng(0)
    output, y = rng.normal(size=(50, 1, 3)), rng.normal(size=(50, 1))
    levels = (0.1, 0.5, 0.8)
    expected = [mean_pinball_loss(y, output[..., k], alpha=level) for k, level in enumerate(levels)]
    np.testing.assert_allclose(
        Loss("quantile", levels)(output, y).mean(), np.mean(expected), rtol=1e-5
    )


def test_bce_of_logits_is_the_log_loss_of_their_sigmoid():
    rng = np.random.default_rng(0)
    logit, y = rng.normal(scale=3, size=(50, 1, 1)), rng.integers(0, 2, (50, 1)).astype(float)
    expected = log_loss(y[:, 0], 1 / (1 + np.exp(-logit[:, 0, 0])))
    np.testing.assert_allclose(Loss("bce")(logit, y).mean(), expected, rtol=1e-5)


def test_positive_weight_counts_positives_so_many_times():
    y = np.array([[1.0], [0.0]])
    logit = np.array([[[0.7]], [[0.7]]])
    plain, weighted = Loss("bce")(logit, y), Loss("bce", positive_weight=3.0)(logit, y)
    np.testing.assert_allclose(weighted[:, 0], np.array([3, 1]) * plain[:, 0], rtol=1e-6)


def test_bce_stays_finite_for_large_logits():
    assert np.isfinite(Loss("bce")(np.array([[[1e4]], [[-1e4]]]), np.array([[0.0], [1.0]]))).all()
