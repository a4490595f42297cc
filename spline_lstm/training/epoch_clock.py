"""How long a training takes: the content of metrics/train_time.json, which is wall clock and nothing else."""

import time

import numpy as np


class EpochClock:
    """Starts when it is made; `tick` it at the end of each epoch."""

    def __init__(self) -> None:
        self._instants = [time.perf_counter()]

    def tick(self) -> None:
        """An epoch has ended."""
        self._instants.append(time.perf_counter())

    def figures(self) -> dict[str, float]:
        """Seconds of the training, of its first epoch (which holds the compilation), and of a later one (median).

        A training that went on behind a killed one counts its own time alone.
        """
        epochs = np.diff(self._instants)
        return {
            "train_seconds": float(epochs.sum()),
            "first_epoch_seconds": float(epochs[0]),
            "epoch_seconds": float(np.median(epochs[1:] if len(epochs) > 1 else epochs)),
        }
