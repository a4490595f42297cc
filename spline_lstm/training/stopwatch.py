"""How long a training takes."""

import time

import numpy as np


class Stopwatch:
    """Wall-clock times of a training, from its construction; call `tick` at each evaluation."""

    def __init__(self) -> None:
        self._instants = [time.perf_counter()]

    def tick(self) -> None:
        """An evaluation has ended."""
        self._instants.append(time.perf_counter())

    def times(self) -> dict[str, float]:
        """Content of metrics/train_time.json: seconds of the training and up to an evaluation.

        The first one includes the compilation; of the later ones it is the median. A resumed
        training counts only its own time.
        """
        seconds = np.diff(self._instants)
        return {
            "train_seconds": float(seconds.sum()),
            "first_evaluation_seconds": float(seconds[0]),
            "evaluation_seconds": float(np.median(seconds[1:] if len(seconds) > 1 else seconds)),
        }
