import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import boxcox, inv_boxcox

from spline_lstm.windows.power import Power
from spline_lstm.windows.scaling import Scaler

# A covariate between a logarithm and a power.
POWER = Power(
    exponent=np.array([0.0, np.nan, 0.5]),
    floor=np.array([1.0, 0.0, 2.0]),
    unit=np.array([1.0, 1.0, 4.0]),
    low=np.array([1.0, -np.inf, 2.0]),
    high=np.array([50.0, np.inf, 80.0]),
    center=np.array([10.0, 0.0, 20.0]),
    scale=np.array([4.0, 1.0, 5.0]),
)
SCALER = Scaler("standard", np.array([2.0, 3.0, 6.0]), np.array([0.5, 2.0, 3.0]), power=POWER)
VALUES = np.exp(np.random.default_rng(0).normal(2, 1, (7, 4, 3)))


def test_scores_are_those_of_scipy():
    floored = np.maximum(VALUES, [1.0, -np.inf, 2.0])
    expected = np.stack(
        [np.log(floored[..., 0]), VALUES[..., 1], boxcox(floored[..., 2] / 4.0, 0.5)], axis=-1
    )
    np.testing.assert_allclose(
        SCALER.transform(VALUES), (expected - SCALER.center) / SCALER.scale, rtol=1e-12
    )


def test_inverse_undoes_the_transform_above_the_floor():
    values = np.maximum(VALUES, POWER.floor)
    np.testing.assert_allclose(SCALER.inverse(SCALER.transform(values)), values, rtol=1e-9)


@given(st.floats(-1e6, 1e6))
def test_forecasts_keep_to_their_bounds_and_never_overflow(score):
    found = SCALER.forecast(np.full((1, 2, 3), score))
    assert np.isfinite(found).all()
    assert (found[..., 0] >= 1.0 - 1e-9).all()
    assert (found[..., 0] <= 50.0 + 1e-9).all()
    np.testing.assert_allclose(found[..., 1], score * 2.0 + 3.0)
    ends = boxcox(np.array([2.0, 80.0]) / 4.0, 0.5)
    inside = 4.0 * inv_boxcox(np.clip(score * 3.0 + 6.0, *ends), 0.5)
    np.testing.assert_allclose(found[..., 2], inside)


def test_a_series_has_its_own_bounds():
    rows = (np.array([[1.0], [2.0], [3.0]]), np.array([[10.0], [20.0], [30.0]]))
    power = Power(np.array([0.0]), np.array([0.5]), np.array([1.0]), *rows, *rows)
    scaler = Scaler("standard", np.zeros((3, 1)), np.ones((3, 1)), power=power)
    found = scaler.forecast(np.full((2, 1, 1), 99.0), np.array([1, 0]))
    assert found.ravel().tolist() == pytest.approx([20.0, 10.0])
    assert scaler.overall.forecast(np.full((1, 1, 1), 99.0)).item() == pytest.approx(30.0)
    assert scaler.plain.center.tolist() == rows[0].tolist()


def test_json_and_columns_keep_everything():
    again = Scaler.from_json(json.loads(json.dumps(SCALER.to_json())))
    np.testing.assert_array_equal(again.transform(VALUES), SCALER.transform(VALUES))
    last = SCALER.columns(np.array([2]))
    np.testing.assert_array_equal(
        last.transform(VALUES[..., 2:]), SCALER.transform(VALUES)[..., 2:]
    )
    plain = Scaler("none", np.zeros(1), np.ones(1))
    assert "power" not in plain.to_json()
    assert plain.plain is plain
