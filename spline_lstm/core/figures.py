"""The figures that stages write for people, and how a failed run takes old ones away.

Before it works, a stage removes its own figures; if it fails, also those of all later stages,
for they describe a model or data that are no more. What a failing stage writes about its failure
stays: the violations of a table, the curve of a training that diverged, the verdicts of the gate.
"""

from pathlib import Path

from spline_lstm.core.pipeline import Pipeline

# Stage -> what people read of it: metrics, tables, pictures, pages; in the order of the pipeline.
# Not every pipeline has all.
FIGURES = {
    "ingest": ("metrics/ingest.json",),
    "preprocess": (
        "metrics/data.json",
        "plots/course.csv",
        "plots/missing.csv",
        "plots/missing.png",
        "plots/spline.csv",
        "plots/spline.png",
        "plots/splits.png",
    ),
    "window": (),
    "train-flax-rnn": ("metrics/train.json", "metrics/train_time.json", "plots/training.csv"),
    "train-trees": ("metrics/trees.json",),
    "evaluate": (
        "metrics/baselines.json",
        "metrics/evaluate.json",
        "metrics/run.json",
        "plots/calibration.csv",
        "plots/examples.csv",
        "plots/forecast.csv",
        "plots/horizon.csv",
        "plots/hours.csv",
        "plots/importance.csv",
        "plots/lift.csv",
        "plots/residual_steps.csv",
        "plots/residuals.csv",
        "plots/years.csv",
    ),
    "export": ("metrics/export.json",),
    "benchmark": ("metrics/latency.json",),
    "backtest": ("metrics/backtest.json", "plots/backtest.csv"),
    "report": (
        "plots/report.html",
        "plots/report.md",
        "plots/calibration.png",
        "plots/course.png",
        "plots/folds.png",
        "plots/forecast.png",
        "plots/horizon.png",
        "plots/importance.png",
        "plots/lift.png",
        "plots/residuals.png",
        "plots/training.png",
        "plots/years.png",
    ),
}
# Stage -> the stages that read what it writes; a test compares them with dvc.yaml.
READERS = {
    "ingest": ("preprocess", "evaluate", "backtest", "report"),
    "preprocess": ("window", "evaluate", "report"),
    "backtest": ("report",),
    "window": ("train-flax-rnn", "train-trees", "evaluate"),
    "train-flax-rnn": ("evaluate", "export", "report"),
    "train-trees": ("evaluate", "export", "report"),
    "evaluate": ("export", "benchmark", "report"),
    "export": ("benchmark",),
}


def later_stages(stage: str) -> set[str]:
    """All stages that depend on a stage, directly or not.

    >>> sorted(later_stages("evaluate"))
    ['benchmark', 'export', 'report']
    """
    readers = READERS.get(stage, ())
    return {*readers}.union(*(later_stages(reader) for reader in readers))


def remove_own(folder: Path, stage: str) -> None:
    """Remove the figures of a stage from a pipeline folder; of `evaluate`, also its forecasts."""
    for path in FIGURES.get(stage, ()):
        (folder / path).unlink(missing_ok=True)
    if stage == "evaluate":
        Pipeline(folder).predictions.unlink(missing_ok=True)


def remove_later(folder: Path, stage: str) -> None:
    """Remove the figures of all later stages."""
    for reader in later_stages(stage):
        remove_own(folder, reader)
