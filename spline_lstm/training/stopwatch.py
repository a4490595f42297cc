"""How long a training takes."""

import time

import numpy as np


class Stopwatch:
    """Wall-clock times of a training, from its construction; call `tick` at each evaluation."""

    def __init__(self) -> None:
        self._instants = [time.perf_counter()]
        self._epochs: list[float] = []

    def tick(self, epoch: float) -> None:
        """An evaluation has ended, after so many epochs of the training."""
        self._instants.append(time.perf_counter())
        self._epochs.append(epoch)

    def times(self) -> dict[str, float]:
        """Content of metrics/train_time.json: seconds of the training and up to an evaluation.

        The first one includes the compilation; of the later ones it is the median. A resumed
        training counts only its own time. `epoch_seconds` are those of the later evaluations per
        epoch; a training of one evaluation has only that one.
        """
        seconds = np.diff(self._instants)
        epochs = np.diff(self._epochs)
        later = bool(len(epochs)) and epochs.min() > 0
        of_epoch = np.median(seconds[1:] / epochs) if later else seconds[0]
        return {
            "train_seconds": float(seconds.sum()),
            "first_evaluation_seconds": float(seconds[0]),
            "evaluation_seconds": float(np.median(seconds[1:] if len(seconds) > 1 else seconds)),
            "epoch_seconds": float(of_epoch),
        }
