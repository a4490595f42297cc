import numpy as np
import pytest

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params, TrainParams, with_values
from spline_lstm.evaluation.folds import fold_params
from spline_lstm.training.budget import budget_of
from spline_lstm.training.device_windows import Shuffle, shuffled
from spline_lstm.training.loop import Evaluation, finished


def of(windows=100, **changes):
    """A budget in steps of 4 to the epoch, unless `changes` has epochs."""
    forms = {"max_epochs": None, "max_steps": 400} if "max_epochs" not in changes else {}
    return budget_of(TrainParams(**{"batch_size": 32, **forms, **changes}), windows)


def test_epochs_are_converted_to_steps():
    found = of(max_epochs=6, patience=3)
    assert (found.steps_per_epoch, found.max_steps, found.interval, found.patience) == (4, 24, 4, 3)
    assert (found.min_steps, found.warmup_steps) == (0, 4)
    assert of(max_epochs=1).warmup_steps == 2


def test_steps_are_evaluated_up_to_forty_times_and_warm_up_over_a_twentieth():
    found = of()
    assert (found.max_steps, found.interval, found.warmup_steps) == (400, 10, 20)
    # Three epochs of 4 steps lie in the second evaluation.
    assert found.patience == 2
    assert of(patience=None, patience_evaluations=7).patience == 7
    assert of(patience=None).patience is None


@pytest.mark.parametrize(("steps", "interval"), [(1500, 50), (3000, 75), (1499, 38), (7, 1)])
def test_intervals_divide_the_budget_if_one_of_20_to_40_does(steps, interval):
    assert of(max_steps=steps).interval == interval


def test_a_floor_raises_a_limit_in_epochs_and_thins_the_evaluations():
    found = of(max_epochs=20, min_steps=1500)
    assert (found.max_steps, found.min_steps, found.interval) == (1500, 1500, 37)
    assert of(max_epochs=20, min_steps=50).max_steps == 80


def test_the_last_interval_ends_with_the_training():
    found = of(eval_steps=150)
    assert [found.next_interval(step) for step in (0, 150, 300, 400)] == [150, 150, 100, 0]
    assert of(eval_steps=900).interval == 400


def history(*losses, interval=10):
    return [
        Evaluation(interval * number, 0.0, 0.0, loss, 0.0) for number, loss in enumerate(losses, 1)
    ]


def test_patience_waits_for_the_floor():
    patient = of(patience=None, patience_evaluations=2)
    floored = of(patience=None, patience_evaluations=2, min_steps=50)
    worse = history(1.0, 2.0, 2.0)
    assert finished(worse, patient, 0.0)
    assert not finished(worse, floored, 0.0)
    assert finished(history(1.0, 2.0, 2.0, 2.0, 2.0), floored, 0.0)
    assert finished(history(1.0, interval=400), floored, 0.0)
    assert not finished([], patient, 0.0)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("interval", [1, 3, 4, 11])
def test_every_epoch_has_its_own_order_wherever_evaluations_interrupt_it(members, interval):
    params, origins = TrainParams(batch_size=3), np.arange(10) + 50
    expected = [shuffled(origins, params, members, epoch) for epoch in (1, 2, 3)]
    batches_of = Shuffle(origins, params, members)
    parts = [
        batches_of(range(start, min(start + interval, 12))) for start in range(0, 12, interval)
    ]
    for name, position in (("rows", 0), ("weight", 1)):
        np.testing.assert_array_equal(
            np.concatenate([getattr(part, name) for part in parts]),
            np.concatenate([epoch[position] for epoch in expected]),
        )
    assert np.concatenate([part.epoch for part in parts]).tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert np.concatenate([part.number for part in parts]).tolist() == [0, 1, 2, 3] * 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"train.max_epochs": 6, "train.max_steps": 9},
            r"train: max_epochs 6 and max_steps 9 exclude each other",
        ),
        (
            {"train.max_epochs": None, "train.max_steps": None},
            r"max_epochs and max_steps are both null",
        ),
        (
            {"train.patience": 3, "train.patience_evaluations": 4},
            r"patience 3 and patience_evaluations 4 exclude each other",
        ),
        (
            {"backtest.max_epochs": 4, "backtest.max_steps": 9},
            r"backtest: max_epochs 4 and max_steps 9 exclude each other",
        ),
        (
            {"tune.warmup_epochs": 1, "tune.warmup_steps": 9},
            r"tune: warmup_epochs 1 and warmup_steps 9 exclude each other",
        ),
        (
            {"train.max_epochs": None, "train.max_steps": 9, "train.min_steps": 10},
            r"min_steps 10 must be at most max_steps 9",
        ),
        (
            {"train.max_epochs": None, "train.max_steps": 9, "train.warmup_steps": 9},
            r"warmup_steps 9 must be below max_steps 9",
        ),
    ],
)
def test_a_budget_has_one_form(values, message):
    with pytest.raises(ParamsError, match=message) as caught:
        with_values(Params(), values, "overlay")
    assert caught.value.exit_code == 10


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"backtest.max_epochs": None}, (None, 900, 800)),
        ({}, (4, None, 800)),
        ({"backtest.max_epochs": None, "backtest.max_steps": 300}, (None, 300, 300)),
    ],
)
def test_a_fold_has_one_form_of_budget(values, expected):
    own = {"train.max_epochs": None, "train.max_steps": 900, "train.min_steps": 800}
    train = fold_params(with_values(Params(), own | values, "here")).train
    assert (train.max_epochs, train.max_steps, train.min_steps) == expected
