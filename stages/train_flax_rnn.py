"""Stage train-flax-rnn: windows to a trained model."""

from pathlib import Path

from spline_lstm.core.artifacts import write_metrics, write_text
from spline_lstm.core.figures import remove_own
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads, device_name
from spline_lstm.models.saved_model import save_model
from spline_lstm.tasks.parts import load_part, task_of
from spline_lstm.training.checkpoints import checkpoint_of_run
from spline_lstm.training.hosts import Place, ReadOnly, launch
from spline_lstm.training.loop import Evaluation, steps_of, training_curve
from spline_lstm.training.model import train_model
from spline_lstm.training.objective import loss_unit
from spline_lstm.training.stopwatch import Stopwatch
from spline_lstm.training.train_record import train_record

STAGE = "train-flax-rnn"


def main(folder: Path, *, resume: bool = False) -> str:
    """Write models/rnn/, plots/training.csv, metrics/train.json and metrics/train_time.json.

    A run that diverges leaves only its training curve. A run that was killed continues after its
    last evaluation when it is started again; `resume` (``--resume``) requires that there is such a
    run.
    """
    pipeline = Pipeline(folder)
    params = load_params(folder)
    place = Place.of_environment()
    if params.train.hosts > place.hosts:
        return launch("stages.train_flax_rnn", folder, params.train.hosts, resume=resume)
    configure_threads(params.train.threads, params.train.devices)
    place.join(params.train.devices)
    configure_compilation_cache(folder)
    windows = load_part(params, "load_windows")(folder)
    preprocessor = load_part(params, "preprocessor")(pipeline.preprocessor)
    config = load_part(params, "config")(params, windows, preprocessor)
    checkpoint = checkpoint_of_run(folder, params.train, config)
    if resume:
        checkpoint.require()
    make_loss = load_part(params, "loss")
    if not place.is_first:
        follower = ReadOnly.of(checkpoint)
        train_model(config, windows, params.train, checkpoint=follower, make_loss=make_loss)
        return place.leave()
    # A run that diverges must not leave the model of an earlier one.
    for path in (pipeline.best_weights, pipeline.last_weights, pipeline.model):
        path.unlink(missing_ok=True)
    remove_own(folder, STAGE)
    history: list[Evaluation] = []
    stopwatch = Stopwatch()

    def on_evaluation(evaluation: Evaluation) -> None:
        history.append(evaluation)
        stopwatch.tick(evaluation.epoch)

    unit = loss_unit(config, windows, params.train.loss)
    try:
        trained = train_model(
            config, windows, params.train, on_evaluation, checkpoint, history.extend, make_loss
        )
    finally:
        write_text(pipeline.plots / "training.csv", training_curve(history, unit))
    place.leave()
    weights = {"best": trained.best, "last": trained.last}
    run_id = save_model(folder, config, **weights, preprocessor_run_id=preprocessor.run_id)
    ids = {"device": device_name(), "run_id": run_id, "code_id": stage_code_id(folder, STAGE)}
    record = {**train_record(trained, params), **ids, **trained.details}
    write_metrics(pipeline.metrics("train"), record)
    write_metrics(pipeline.metrics("train_time"), stopwatch.times())
    best = trained.best_losses
    count = plural(len(windows.splits["train"]), task_of(params).unit)
    steps = steps_of(trained.history)
    course = f"best step {best.step} of {steps}" if steps else "solved"
    verdict = f"; {trained.details['network']['sentence']}" if "network" in trained.details else ""
    return (
        f"{count}, {config.title} on {device_name()}: {course}, "
        f"validation loss {best.validation_loss:.5f}{verdict}"
    )


if __name__ == "__main__":
    run_stage(STAGE, main, flags=("resume",), keep=("plots/training.csv",))
