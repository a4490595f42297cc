"""What a training leaves when it fails, and what it records when it overfits."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import ArtifactError, DivergedError
from spline_lstm.core.params import load_params
from spline_lstm.core.yaml_files import render_params
from spline_lstm.training.loop import Evaluation, Trained
from spline_lstm.training.train_record import train_record
from stages import train_flax_rnn
from tests.builders import ROOT


def copy_of(small_pipeline, folder):
    for path in ("params.yaml", "data/processed", "models", "metrics", "plots"):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        source = small_pipeline / path
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)


class KilledError(Exception):
    """Stands for the signal that ends a run."""


def test_a_killed_training_is_resumed_and_only_then(small_pipeline, tmp_path, monkeypatch):
    copy_of(small_pipeline, tmp_path)
    unbroken = (tmp_path / "models/rnn/best.safetensors").read_bytes()
    with pytest.raises(
        ArtifactError, match=r"\.cache/training has no unfinished training.*run without --resume"
    ):
        train_flax_rnn.main(tmp_path, resume=True)
    assert (tmp_path / "models/rnn/best.safetensors").read_bytes() == unbroken

    ticks = []

    def kill_at_the_second(clock, epoch):
        ticks.append(clock)
        if len(ticks) == 2:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(train_flax_rnn.Stopwatch, "tick", kill_at_the_second)
        with pytest.raises(KilledError):
            train_flax_rnn.main(tmp_path)
    assert not (tmp_path / "models/rnn/best.safetensors").exists()
    train_flax_rnn.main(tmp_path, resume=True)
    assert (tmp_path / "models/rnn/best.safetensors").read_bytes() == unbroken
    assert len(pd.read_csv(tmp_path / "plots/training.csv")) == 2


def test_a_diverged_training_keeps_its_curve_and_no_model_of_its_own_or_of_a_former_run(
    small_pipeline, tmp_path
):
    copy_of(small_pipeline, tmp_path)
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(render_params(text, {"train.learning_rate": 1e38}))
    with pytest.raises(DivergedError) as caught:
        train_flax_rnn.main(tmp_path)
    assert caught.value.exit_code == 16
    curve = pd.read_csv(tmp_path / "plots/training.csv")
    assert len(curve) >= 1
    assert not np.isfinite(curve.iloc[-1].to_numpy()).all()
    assert not list((tmp_path / "models/rnn").iterdir())
    assert not list((tmp_path / "metrics").glob("train*"))
    assert (tmp_path / "models/preprocessor.json").exists()


@pytest.mark.parametrize(("validation_loss", "expected"), [(0.149, False), (0.151, True)])
def test_a_gap_beyond_the_ratio_at_the_best_evaluation_is_recorded(validation_loss, expected):
    params = load_params(ROOT)
    assert params.train.overfitting_ratio == 1.5
    best = Evaluation(8, 1.0, 0.1, validation_loss, 1.0)
    trained = Trained(
        {}, {}, [best, replace(best, step=16, epoch=2.0, train_loss=0.01, validation_loss=0.2)], 1
    )
    metrics = train_record(trained, params)
    assert metrics["overfitted_at_best"] is expected


@pytest.mark.parametrize(
    ("last_train", "last_validation", "expected"),
    # The curve of a network that learns its windows by heart; one that only gets noisier; one that
    # diverges, whose training loss rises as well.
    [(0.27, 0.78, True), (0.27, 0.66, False), (0.65, 0.78, False)],
)
def test_losses_that_part_after_the_best_evaluation_are_recorded(
    last_train, last_validation, expected
):
    params = load_params(ROOT)
    assert params.train.overfitting_rise == 1.1
    best = Evaluation(8, 1.0, 0.60, 0.61, 1.0)
    last = replace(best, step=16, epoch=2.0, train_loss=last_train, validation_loss=last_validation)
    metrics = train_record(Trained({}, {}, [best, last], 1), params)
    assert metrics["overfitted_at_best"] is False
    assert metrics["overfitted_after_best"] is metrics["overfitting_warning"] is expected
    assert (metrics["last_train_loss"], metrics["last_validation_loss"]) == (
        last_train,
        last_validation,
    )
