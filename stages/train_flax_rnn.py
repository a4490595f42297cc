"""Stage train-flax-rnn: windows to a trained recurrent network."""

from pathlib import Path

from spline_lstm.core.artifacts import write_metrics, write_text
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.stage import run_stage
from spline_lstm.models.config import model_config
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads, device_name
from spline_lstm.models.saved_model import save_model
from spline_lstm.training.checkpoints import checkpoint_of_run
from spline_lstm.training.loop import Epoch, EpochClock, Trained, train, training_curve
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import load_windows

MODEL = ("best.safetensors", "last.safetensors", "model.json")
OUTPUTS = (
    *(f"models/rnn/{name}" for name in MODEL),
    "metrics/train.json",
    "metrics/train_time.json",
)


def main(folder: Path, *, resume: bool = False) -> str:
    """Write models/rnn/, plots/training.csv, metrics/train.json and metrics/train_time.json.

    A diverged run leaves only its curve, also where a former one left a model; a killed run goes on behind its last
    epoch when it is started again. With `resume` (``--resume``) that there is such a run is required.
    """
    params = load_params(folder)
    configure_threads(params.train.threads)
    configure_compilation_cache(folder)
    windows = load_windows(folder)
    preprocessor = Preprocessor.load(folder / "models/preprocessor.json")
    config = model_config(params, windows, preprocessor)
    checkpoint = checkpoint_of_run(folder, params.train, config)
    if resume:
        checkpoint.require()
    for name in OUTPUTS:
        (folder / name).unlink(missing_ok=True)
    history: list[Epoch] = []
    clock = EpochClock()

    def on_epoch(epoch: Epoch) -> None:
        history.append(epoch)
        clock.tick()

    try:
        trained = train(
            config, windows, params.train, on_epoch, checkpoint, on_restore=history.extend
        )
    finally:
        write_text(folder / "plots/training.csv", training_curve(history))
    run_id = save_model(
        folder,
        config,
        best=trained.best,
        last=trained.last,
        preprocessor_run_id=preprocessor.run_id,
    )
    write_metrics(folder / "metrics/train.json", train_metrics(trained, params, run_id))
    write_metrics(folder / "metrics/train_time.json", clock.times())
    count, best = len(windows.splits["train"]), trained.best_losses
    return (
        f"{count} windows, {config.model_type} {list(config.hidden)} on {device_name()}: best epoch {best.epoch} of "
        f"{len(trained.history)}, validation loss {best.validation_loss:.5f}"
    )


def train_metrics(trained: Trained, params: Params, run_id: str) -> dict[str, object]:
    """Content of metrics/train.json."""
    best = trained.best_losses
    return {
        "model_type": params.model.type,
        "feature_mode": params.preprocess.feature_mode,
        "seed": params.train.seed,
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "train_loss": best.train_loss,
        "validation_loss": best.validation_loss,
        "overfitting_warning": best.validation_loss
        > params.train.overfitting_ratio * best.train_loss,
        "n_params": int(sum(value.size for value in trained.best.values())),
        "device": device_name(),
        "run_id": run_id,
    }


if __name__ == "__main__":
    run_stage("train-flax-rnn", main, flags=("resume",))
