# ruff: noqa: PLC0415 (each peer imports its own library, and only when it is asked for)
"""Forecasts of other libraries for the test windows of the accuracy suite.

Run by the Python of an environment with the extra `peers`, after the suite kept its tasks::

    python -m benchmarks.accuracy_suite DATA --work WORK
    PEERS_ENV/bin/python benchmarks/accuracy_peers.py WORK/tasks FOLDER
    python -m benchmarks.accuracy_suite DATA --work WORK --peers FOLDER

It writes FOLDER/NAME.csv with the columns peer, window, step and value; peers that are there
already stay. Every peer has one setting for all data sets:

- NHITS, NLinear and LSTM of neuralforecast: squared loss, z-scores by the training split of each
  series, up to 500 steps of 128 windows with early stopping on our validation split, the weights
  with the least loss there, as our network has them; an even sample of at most 1,000 test windows.
  NHITS and NLinear read our lookback, the LSTM at most five horizons. NLinear takes up to 1,000
  steps at ten times the rate: at the rate of the others its validation loss still falls at the end.
- AutoETS and AutoTheta of statsforecast: chosen and fitted once on the last 1,000 rows before the
  test split, then given all rows from there to each origin with the parameters kept; an even sample
  of at most 200 test windows. A season of AutoETS has at most 24 rows.

Missing rows carry the last observation forward; no loss counts them.
"""

import argparse
import logging
import math
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

STEPS, CHECK, PATIENCE, RATE, BATCH = 500, 25, 4, 1e-3, 128
MULTIPLE = 5  # horizons that a recurrent network reads
HISTORY = 1000
SAMPLE, NETWORK_SAMPLE, EACH = 200, 1000, 5  # test windows: of all series; at least of each
LONGEST_SEASON = 24  # of AutoETS
NEURAL, STATISTICAL = ("NHITS", "NLinear", "LSTM"), ("AutoETS", "AutoTheta")


@dataclass(frozen=True)
class Task:
    """What the suite kept of one data set; see `accuracy_suite.Task`.

    Attributes
    ----------
    values : [rows] data units, one series after another, NaN: not observed
    offsets : [series + 1] first row of each series, and the end
    training : [rows] bool, rows of the training split
    validation, test : [n] origins, rows
    seasons : rows
    horizon, lookback : int, rows
    """

    values: np.ndarray
    offsets: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    seasons: tuple[int, ...]
    horizon: int
    lookback: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """A file of the suite."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in cls.__annotations__}
        seasons = tuple(arrays.pop("seasons").tolist())
        horizon, lookback = int(arrays.pop("horizon")), int(arrays.pop("lookback"))
        return cls(**arrays, seasons=seasons, horizon=horizon, lookback=lookback)

    def of(self, origins: np.ndarray) -> np.ndarray:
        """Index of the series of each origin."""
        return np.searchsorted(self.offsets, origins, side="right") - 1

    def pieces(self) -> Iterator[tuple[int, slice]]:
        """Index and rows of each series that has validation windows."""
        for index in np.unique(self.of(self.validation)):
            yield int(index), slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def filled(self) -> np.ndarray:
        """Values with the last observation carried forward, within each series."""
        parts = [
            pd.Series(self.values[a:b]).ffill().bfill()
            for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)
        ]
        return np.concatenate(parts)

    def z_scores(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Filled values in training standard deviations; center and scale of each series."""
        center, scale = np.zeros(len(self.offsets) - 1), np.ones(len(self.offsets) - 1)
        for index, rows in self.pieces():
            own = self.values[rows][self.training[rows]]
            center[index], scale[index] = np.nanmean(own), np.nanstd(own) or 1.0
        series = self.of(np.arange(len(self.values)))
        return (self.filled() - center[series]) / scale[series], center, scale

    def sample(self, size: int) -> np.ndarray:
        """Positions of an even sample of about `size` test windows, of every series."""
        series = self.of(self.test)
        most = max(size // len(np.unique(series)), EACH)
        own = [np.flatnonzero(series == index) for index in np.unique(series)]
        return np.concatenate([p[_even(len(p), most)] for p in own])


def _even(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def keep_best() -> Any:
    """Give a network back its weights of the least validation loss; the library keeps the last."""
    from pytorch_lightning.callbacks import Callback

    class KeepBest(Callback):
        least, weights = math.inf, None

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            loss = float(trainer.callback_metrics["ptl/val_loss"])
            if loss < self.least:
                self.least, self.weights = loss, deepcopy(pl_module.state_dict())

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            if self.weights is not None:
                pl_module.load_state_dict(self.weights)

    return KeepBest()


def network(peer: str, task: Task) -> Any:
    """One network of neuralforecast."""
    from neuralforecast import models
    from neuralforecast.losses.pytorch import MSE

    # A training window needs its labels too, and the embargo has a horizon.
    longest = int(task.training.sum()) // (len(task.offsets) - 1) - 2 * task.horizon
    rows = min(task.lookback, longest)
    own: dict[str, Any] = {
        "NHITS": {"input_size": rows, "scaler_type": "standard"},
        "NLinear": {"input_size": rows, "max_steps": 2 * STEPS, "learning_rate": 10 * RATE},
        "LSTM": {"input_size": min(rows, MULTIPLE * task.horizon), "encoder_hidden_size": 64},
    }[peer]
    shared: dict[str, Any] = {"max_steps": STEPS, "learning_rate": RATE}
    return getattr(models, peer)(
        h=task.horizon,
        loss=MSE(),
        windows_batch_size=BATCH,
        val_check_steps=CHECK,
        early_stop_patience_steps=PATIENCE,
        random_seed=0,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[keep_best()],
        **shared | own,
    )


def frame(name: str, scores: np.ndarray, observed: np.ndarray) -> pd.DataFrame:
    """Rows of one series, or of one window, as neuralforecast reads them."""
    return pd.DataFrame(
        {
            "unique_id": name,
            "ds": np.arange(len(scores)),
            "y": scores,
            "available_mask": observed.astype(float),
        }
    )


def neural(peer: str, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Positions of a sample of the test windows, and their forecasts [n, horizon]."""
    from neuralforecast import NeuralForecast

    scores, center, scale = task.z_scores()
    observed = np.isfinite(task.values)
    owner = task.of(task.validation)
    known, spans = [], []
    for index, rows in task.pieces():
        own = task.validation[owner == index]
        piece = slice(rows.start, int(own.max()) + task.horizon)
        known.append(frame(f"{index:09d}", scores[piece], observed[piece]))
        spans.append(int(own.max()) + task.horizon - int(own.min()))
    model = network(peer, task)
    forecaster = NeuralForecast(models=[model], freq=1)
    forecaster.fit(pd.concat(known), val_size=min(spans))
    chosen = task.sample(NETWORK_SAMPLE)
    origins = task.test[chosen]
    series = task.of(origins)
    windows = []
    for position, origin in enumerate(origins):
        start = max(origin - model.input_size, task.offsets[series[position]])
        rows = slice(int(start), int(origin))
        windows.append(frame(f"{position:09d}", scores[rows], observed[rows]))
    table = forecaster.predict(pd.concat(windows)).sort_values(["unique_id", "ds"])
    made = table[peer].to_numpy().reshape(-1, task.horizon)
    return chosen, made * scale[series][:, None] + center[series][:, None]


def statistical(peer: str, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Positions of a sample of the test windows, and their forecasts [n, horizon]."""
    from statsforecast import models

    filled, chosen = task.filled(), task.sample(SAMPLE)
    owner = task.of(task.test[chosen])
    seasons = [s for s in task.seasons if peer != "AutoETS" or s <= LONGEST_SEASON]
    season = seasons[0] if seasons else 1
    made = np.empty((len(chosen), task.horizon))
    for index in np.unique(owner):
        own = np.flatnonzero(owner == index)
        until = int(task.test[task.of(task.test) == index].min())
        # The states that a model starts with belong to this row: the rows given later start here.
        start = max(int(task.offsets[index]), until - HISTORY)
        model = getattr(models, peer)(season_length=season)
        model.fit(filled[start:until])
        for position in own:
            origin = int(task.test[chosen[position]])
            made[position] = model.forward(filled[start:origin], task.horizon)["mean"]
    return chosen, made


def rows_of(peer: str, chosen: np.ndarray, forecast: np.ndarray) -> pd.DataFrame:
    """One row a window and step."""
    horizon = forecast.shape[1]
    return pd.DataFrame(
        {
            "peer": peer,
            "window": np.repeat(chosen, horizon),
            "step": np.tile(np.arange(horizon), len(chosen)),
            "value": forecast.ravel(),
        }
    )


def add(path: Path, target: Path, peers: Sequence[str]) -> None:
    """Forecast with the peers that a file has not, each saved as soon as it is done."""
    task = Task.read(path)
    made = pd.read_csv(target) if target.exists() else pd.DataFrame({"peer": []})
    for peer in [each for each in peers if each not in set(made["peer"])]:
        start = time.process_time()
        forecast = neural if peer in NEURAL else statistical
        made = pd.concat([made, rows_of(peer, *forecast(peer, task))])
        # Half a file would count as a peer that is there.
        part = target.with_suffix(".part")
        made.to_csv(part, index=False, float_format="%.8g")
        part.replace(target)
        print(f"{path.stem} {peer} {time.process_time() - start:.0f} CPU s", flush=True)


def main() -> None:
    """Add what is missing to the file of each task, the smallest task first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", type=Path, help="folder tasks of what the suite kept")
    parser.add_argument("folder", type=Path, help="for the forecasts")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets (default: all)")
    parser.add_argument("--peers", nargs="+", default=[*NEURAL, *STATISTICAL])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PyTorch starts its threads
    for path in sorted(arguments.tasks.glob("*.npz"), key=lambda path: path.stat().st_size):
        if not arguments.only or path.stem in arguments.only:
            add(path, arguments.folder / f"{path.stem}.csv", arguments.peers)


if __name__ == "__main__":
    main()
