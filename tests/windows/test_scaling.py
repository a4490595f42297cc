import json
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from spline_lstm.windows.scaling import Scaler, fit_scaler

ORACLES = {
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "robust": partial(RobustScaler, unit_variance=True),
}


def sample(rows: int = 200, seed: int = 0, holes: float = 0.2) -> np.ndarray:
    """Three columns of different level and spread, with holes."""
    rng = np.random.default_rng(seed)
    values = rng.standard_t(4, size=(rows, 3)) * [1.0, 1e3, 1e-3] + [0.0, -5e4, 7.0]
    values[rng.random(values.shape) < holes] = np.nan
    return values


@pytest.mark.parametrize("kind", ORACLES)
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_scores_agree_with_scikit_learn(kind, holes):
    values = sample(holes=holes)
    expected = ORACLES[kind]().fit_transform(values)
    np.testing.assert_allclose(
        fit_scaler(values, kind).transform(values), expected, rtol=1e-9, atol=1e-9
    )


def test_none_leaves_values_alone():
    values = sample()
    np.testing.assert_array_equal(fit_scaler(values, "none").transform(values), values)


@pytest.mark.parametrize("kind", [*ORACLES, "none"])
@pytest.mark.parametrize("level", [0.0, 5.0, -1e9, 1e-5, 0.1])
def test_a_constant_column_keeps_scale_one(kind, level):
    scaler = fit_scaler(np.full((50, 1), level), kind)
    assert scaler.scale.tolist() == [1.0]
    assert np.abs(scaler.transform(np.array([[level]]))[0, 0]) <= max(1e-12, abs(level)) * (
        kind == "none" or 1e-9
    )


@pytest.mark.parametrize("kind", [*ORACLES, "none"])
def test_an_empty_column_is_left_alone(kind):
    values = np.column_stack([np.full(10, np.nan), np.arange(10.0)])
    scaler = fit_scaler(values, kind)
    assert (scaler.center[0], scaler.scale[0]) == (0.0, 1.0)
    assert np.isfinite(scaler.scale).all()


def test_a_tenth_that_no_binary_fraction_holds_is_a_constant():
    """The standard deviation of many copies of 0.1 is 1e-17, not 0."""
    values = np.full((1000, 1), 0.1)
    assert fit_scaler(values, "standard").scale[0] == 1.0


@pytest.mark.parametrize("kind", ORACLES)
@pytest.mark.parametrize("size", [1e-100, 1e-12, 1e12, 1e150])
def test_small_and_large_units_are_scaled_like_others(kind, size):
    values = sample(holes=0.0)[:, :1]
    plain = fit_scaler(values, kind).transform(values)
    np.testing.assert_allclose(
        fit_scaler(size * values, kind).transform(size * values), plain, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("kind", [*ORACLES, "none"])
@given(seed=st.integers(0, 2**32 - 1))
def test_the_inverse_gives_float32_values_back_exactly(kind, seed):
    values = sample(rows=60, seed=seed, holes=0.0).astype(np.float32)
    scaler = fit_scaler(values.astype(np.float64), kind)
    back = scaler.inverse(scaler.transform(values.astype(np.float64)))
    np.testing.assert_array_equal(back.astype(np.float32), values)


def test_missing_cells_stay_missing():
    values = sample()
    scaler = fit_scaler(values, "standard")
    np.testing.assert_array_equal(np.isnan(scaler.transform(values)), np.isnan(values))


def test_columns_do_not_influence_each_other():
    values = sample()
    other = values.copy()
    other[:, 1] *= 1e6
    first, second = fit_scaler(values, "standard"), fit_scaler(other, "standard")
    assert first.center[[0, 2]].tolist() == second.center[[0, 2]].tolist()
    assert first.scale[[0, 2]].tolist() == second.scale[[0, 2]].tolist()


def test_any_leading_shape_is_scaled():
    values = sample(rows=24, holes=0.0)
    scaler = fit_scaler(values, "standard")
    np.testing.assert_array_equal(
        scaler.transform(values.reshape(2, 3, 4, 3)), scaler.transform(values).reshape(2, 3, 4, 3)
    )


PER_SERIES = Scaler(
    "standard",
    np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]),
    np.array([[1.0, 2.0], [4.0, 5.0], [6.0, 7.0]]),
)


def test_each_series_is_scaled_by_its_own_constants():
    values = np.full((3, 2), 100.0)
    scores = PER_SERIES.transform(values, np.array([0, 1, 0]))
    assert scores.tolist() == [[99.0, 45.0], [24.5, 16.0], [99.0, 45.0]]
    np.testing.assert_array_equal(PER_SERIES.inverse(scores, np.array([0, 1, 0])), values)


def test_the_series_belongs_to_the_first_index_of_any_shape():
    values = np.arange(24.0).reshape(3, 4, 2)
    scores = PER_SERIES.transform(values, np.array([1, 0, 1]))
    for index, series in enumerate((1, 0, 1)):
        np.testing.assert_array_equal(
            scores[index], (values[index] - PER_SERIES.center[series]) / PER_SERIES.scale[series]
        )


def test_scaling_per_series_needs_to_know_the_series():
    with pytest.raises(ValueError, match="per series"):
        PER_SERIES.transform(np.zeros((3, 2)))


def test_the_last_row_is_the_scaling_of_all_series_together():
    assert PER_SERIES.overall.center.tolist() == [3.0, 30.0]
    assert PER_SERIES.overall.scale.tolist() == [6.0, 7.0]
    assert not PER_SERIES.overall.per_series


@pytest.mark.parametrize("scaler", [PER_SERIES, PER_SERIES.overall])
def test_a_scaler_survives_json_and_the_choice_of_columns(scaler):
    back = Scaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert back.kind == scaler.kind
    assert back.center.tobytes() == scaler.center.tobytes()
    assert back.scale.tobytes() == scaler.scale.tobytes()
    swapped = scaler.columns(np.array([1, 0]))
    np.testing.assert_array_equal(swapped.center, scaler.center[..., ::-1])
    np.testing.assert_array_equal(swapped.scale, scaler.scale[..., ::-1])
