from dataclasses import fields, replace

import numpy as np
import pytest
from sklearn.metrics import root_mean_squared_error

from spline_lstm.core.artifacts import write_arrays
from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.formats import INPUT_TYPES
from spline_lstm.export.golden import (
    Golden,
    answers,
    differences,
    load_golden,
    rmse_increase,
    rounding_steps,
)
from tests.export.oracle import make_golden, make_option, make_spec

SCALE = np.array([2.0, 10.0])


def two_windows():
    """Forecasts 100 and 1000 of two targets; truth 2 and 10 above, one value not observed."""
    forecast = np.broadcast_to(np.float32([100, 1000]), (2, 3, 2)).copy()
    truth = forecast + np.float32([2, 10])
    truth[0, 0, 0] = np.nan
    return Golden(np.zeros((2, 4, 5), np.float32), forecast, truth)


def save(path, golden):
    write_arrays(path, {name: value for name, value in vars(golden).items() if value is not None})
    return path


@pytest.mark.parametrize("name", ["segment", "only quantiles", "probability"])
def test_arrays_come_back(tmp_path, name):
    golden = make_golden(make_option(name))
    loaded = load_golden(save(tmp_path / "golden.npz", golden))
    for field, value in vars(golden).items():
        np.testing.assert_array_equal(getattr(loaded, field), value)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"truth": np.zeros((2, 2, 2), np.float32)}, "inconsistent shapes"),
        ({"history": np.zeros((3, 4, 5), np.float32)}, "the same number of windows"),
        ({"history": np.zeros((2, 20), np.float32)}, "inconsistent shapes"),
        ({"history": np.full((2, 4, 5), np.nan, np.float32)}, "not finite"),
        ({"truth": np.full((2, 3, 2), np.nan, np.float32)}, "no observed truth"),
        ({"future": np.zeros((3, 3, 1), np.float32)}, "the same number of windows"),
        ({"future": np.full((2, 3, 1), np.inf, np.float32)}, "a future that is not finite"),
        ({"quantiles": np.zeros((2, 4, 2, 3), np.float32)}, "inconsistent shapes"),
        (
            {name: np.zeros((0, 3, 2), np.float32) for name in ("history", "forecast", "truth")},
            "at least one",
        ),
    ],
)
def test_golden_windows_that_cannot_serve_are_refused(tmp_path, changes, rule):
    path = save(tmp_path / "golden.npz", replace(two_windows(), **changes))
    with pytest.raises(ArtifactError, match=rf"golden\.npz.*{rule}"):
        load_golden(path)


def test_missing_array_is_named(tmp_path):
    write_arrays(tmp_path / "golden.npz", {"history": np.zeros((1, 2, 3), np.float32)})
    with pytest.raises(ArtifactError, match="forecast, truth"):
        load_golden(tmp_path / "golden.npz")


def test_answers_are_taken_window_by_window_and_as_one_batch():
    golden, seen = two_windows(), []

    def answer(inputs):
        count = len(inputs["history"])
        seen.append(count)
        return {"forecast": np.full((count, 3, 2), count, np.float32)}

    both = answers(answer, golden)["forecast"]
    assert seen == [1, 1, 2]
    assert both.shape == (2, 2, 3, 2)
    assert (both[0] == 1).all()
    assert (both[1] == 2).all()


def test_answers_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="shape"):
        answers(
            lambda inputs: {"forecast": np.zeros((len(inputs["history"]), 6), np.float32)},
            two_windows(),
        )


def test_answers_without_the_quantiles_of_the_model_are_refused():
    golden = make_golden(make_option("only quantiles"))
    with pytest.raises(ValueError, match="quantiles"):
        answers(
            lambda inputs: {"forecast": np.zeros((len(inputs["history"]), 3, 2), np.float32)},
            golden,
        )


def test_differences_are_in_z_scores_of_their_target():
    golden = two_windows()
    moved = golden.forecast + np.float32([1, -5])
    np.testing.assert_allclose(differences({"forecast": moved}, golden, SCALE)["forecast"], 0.5)


def test_differences_of_quantiles_are_in_z_scores_of_their_target():
    golden = replace(two_windows(), quantiles=np.zeros((2, 3, 2, 5), np.float32))
    moved = np.broadcast_to(np.float32([[1], [-5]]), (2, 3, 2, 5))
    answered = {"forecast": golden.forecast, "quantiles": moved}
    np.testing.assert_allclose(differences(answered, golden, SCALE)["quantiles"], 0.5)


def test_rounding_step_is_the_gap_to_the_next_float32_number():
    expected = [
        2.0**-17 / 2,
        2.0**-14 / 10,
    ]  # 64 <= 100 < 128 has steps of 2^(6 - 23), 512 <= 1000 of 2^(9 - 23)
    np.testing.assert_allclose(
        rounding_steps(two_windows(), SCALE)["forecast"], np.broadcast_to(expected, (2, 3, 2))
    )


def test_rmse_increase_agrees_with_scikit_learn_on_the_observed_values():
    golden = make_golden(make_spec("lstm", 3, (0, 1)), windows=40)
    scale = np.array([3.0, 0.7])
    answered = golden.forecast + np.random.default_rng(0).normal(
        0, 0.3, golden.forecast.shape
    ).astype(np.float32)
    observed = np.isfinite(golden.truth)
    truth, ours, theirs = (
        (part / scale)[observed] for part in (golden.truth, answered, golden.forecast)
    )
    expected = root_mean_squared_error(truth, ours) / root_mean_squared_error(truth, theirs) - 1
    assert rmse_increase(answered, golden, scale) == pytest.approx(expected, rel=1e-5)
    assert rmse_increase(golden.forecast, golden, scale) == 0.0


def test_answer_that_is_not_a_number_has_no_rmse():
    golden = two_windows()
    answered = golden.forecast.copy()
    answered[1, 1, 1] = np.nan
    assert np.isnan(rmse_increase(answered, golden, SCALE))


def test_perfect_forecasts_can_only_be_matched():
    golden = replace(two_windows(), truth=two_windows().forecast)
    assert rmse_increase(golden.forecast, golden, SCALE) == 0.0
    assert rmse_increase(golden.forecast + np.float32(1), golden, SCALE) == np.inf


def test_every_input_of_a_file_has_its_array():
    assert set(INPUT_TYPES) <= {item.name for item in fields(Golden)}
