"""Stage train-flax-rnn: windows to a trained model."""

from pathlib import Path

from spline_lstm.core.artifacts import write_metrics, write_text
from spline_lstm.core.figures import remove_own
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads, device_name
from spline_lstm.models.saved_model import save_model
from spline_lstm.tasks.parts import load_part
from spline_lstm.training.checkpoints import checkpoint_of_run
from spline_lstm.training.loop import Evaluation, Trained, steps_of, training_curve
from spline_lstm.training.model import train_model
from spline_lstm.training.objective import loss_unit
from spline_lstm.training.overfitting import overfitting_metrics
from spline_lstm.training.stopwatch import Stopwatch


def main(folder: Path, *, resume: bool = False) -> str:
    """Write models/rnn/, plots/training.csv, metrics/train.json and metrics/train_time.json.

    A run that diverges leaves only its training curve. A run that was killed continues after its
    last evaluation when it is started again; `resume` (``--resume``) requires that there is such a
    run.
    """
    pipeline = Pipeline(folder)
    params = load_params(folder)
    configure_threads(params.train.threads)
    configure_compilation_cache(folder)
    windows = load_part(params, "load_windows")(folder)
    preprocessor = load_part(params, "preprocessor")(pipeline.preprocessor)
    config = load_part(params, "config")(params, windows, preprocessor)
    checkpoint = checkpoint_of_run(folder, params.train, config)
    if resume:
        checkpoint.require()
    # A run that diverges must not leave the model of an earlier one.
    for path in (pipeline.best_weights, pipeline.last_weights, pipeline.model):
        path.unlink(missing_ok=True)
    remove_own(folder, "train-flax-rnn")
    history: list[Evaluation] = []
    stopwatch = Stopwatch()

    def on_evaluation(evaluation: Evaluation) -> None:
        history.append(evaluation)
        stopwatch.tick(evaluation.epoch)

    make_loss = load_part(params, "loss")
    unit = loss_unit(config, windows, params.train.loss)
    try:
        trained = train_model(
            config, windows, params.train, on_evaluation, checkpoint, history.extend, make_loss
        )
    finally:
        write_text(pipeline.plots / "training.csv", training_curve(history, unit))
    weights = {"best": trained.best, "last": trained.last}
    run_id = save_model(folder, config, **weights, preprocessor_run_id=preprocessor.run_id)
    write_metrics(pipeline.metrics("train"), train_metrics(folder, trained, params, run_id))
    write_metrics(pipeline.metrics("train_time"), stopwatch.times())
    count, best = len(windows.splits["train"]), trained.best_losses
    steps = steps_of(trained.history)
    course = f"best step {best.step} of {steps}" if steps else "solved"
    verdict = f"; {trained.details['network']['sentence']}" if "network" in trained.details else ""
    return (
        f"{count} windows, {config.title} on {device_name()}: {course}, "
        f"validation loss {best.validation_loss:.5f}{verdict}"
    )


def train_metrics(folder: Path, trained: Trained, params: Params, run_id: str) -> dict[str, object]:
    """Content of metrics/train.json."""
    best = trained.best_losses
    return {
        "model_type": params.model.type,
        "feature_mode": params.preprocess.feature_mode,
        "seed": params.train.seed,
        "steps": steps_of(trained.history),
        "best_step": best.step,
        "epochs": trained.history[-1].epoch,
        "best_epoch": best.epoch,
        "train_loss": best.train_loss,
        "validation_loss": best.validation_loss,
        **overfitting_metrics(trained, params.train),
        "n_params": int(sum(value.size for value in trained.best.values())),
        "device": device_name(),
        "run_id": run_id,
        "code_id": stage_code_id(folder, "train-flax-rnn"),
        **trained.details,
    }


if __name__ == "__main__":
    run_stage("train-flax-rnn", main, flags=("resume",), keep=("plots/training.csv",))
