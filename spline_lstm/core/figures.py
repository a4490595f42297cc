"""The figures that stages write for people, and how a failed run takes old ones away.

Before it works, a stage removes its own figures; if it fails, also those of all later stages,
for they describe a model or data that are no more. What a failing stage writes about its failure
stays: the violations of a table, the curve of a training that diverged, the verdicts of the gate.
"""

from pathlib import Path

# Stage -> its metrics, or its pages; in the order of the pipeline. Not every pipeline has all.
FIGURES = {
    "ingest": ("metrics/ingest.json",),
    "preprocess": ("metrics/data.json",),
    "window": (),
    "train-flax-rnn": ("metrics/train.json", "metrics/train_time.json"),
    "train-trees": ("metrics/trees.json",),
    "evaluate": ("metrics/baselines.json", "metrics/evaluate.json", "metrics/run.json"),
    "export": ("metrics/export.json",),
    "benchmark": ("metrics/latency.json",),
    "backtest": ("metrics/backtest.json",),
    "report": ("plots/report.html", "plots/report.md"),
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
    """Remove the figures of a stage from a pipeline folder."""
    for path in FIGURES.get(stage, ()):
        (folder / path).unlink(missing_ok=True)


def remove_later(folder: Path, stage: str) -> None:
    """Remove the figures of all later stages."""
    for reader in later_stages(stage):
        remove_own(folder, reader)
