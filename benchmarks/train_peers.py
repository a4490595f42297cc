# ruff: noqa: PLC0415 (each peer imports its own framework, and the import is part of what is measured)
"""One training in one process, timed: `python benchmarks/train_peers.py PEER '{"batch": 32, ...}'`.

All peers train the same LSTM network (dense head on the last state) with AdamW on the same windows of
a sine with noise, in the same number of batches. Prints one JSON line: seconds and CPU seconds of each
epoch, of the imports, of the start until the first epoch ends, and the peak memory in MB.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

HORIZON = 6
RATE = 1e-3


def windows(count: int, lookback: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """X [count, lookback, features] and y [count, horizon] of a sine with noise."""
    rng = np.random.default_rng(0)
    rows = count + lookback + HORIZON
    series = np.sin(np.arange(rows) / 8)[:, None] + rng.normal(scale=0.3, size=(rows, features))
    view = np.lib.stride_tricks.sliding_window_view(series.astype(np.float32), lookback + HORIZON, axis=0)[:count]
    return np.ascontiguousarray(view[:, :, :lookback].swapaxes(1, 2)), np.ascontiguousarray(view[:, 0, lookback:])


def batches(count: int, size: int, epoch: int) -> Iterator[np.ndarray]:
    """Shuffled indices of an epoch, in whole batches."""
    order = np.random.default_rng(epoch).permutation(count)
    return iter(order[: count // size * size].reshape(-1, size))


def ours(case: dict[str, Any]) -> Callable[[int], None]:
    """Return the epoch of this project: gathering, steps and validation in one compiled program."""
    import dataclasses
    from pathlib import Path

    from spline_lstm.models.config import ModelConfig
    from spline_lstm.params import TrainParams, WindowParams
    from spline_lstm.runtime import configure_compilation_cache, configure_threads
    from spline_lstm.series.arrays import AsOfArrays
    from spline_lstm.series.scaling import Scaler
    from spline_lstm.training import make_epoch, make_optimizer, start
    from spline_lstm.windows import make_windows

    configure_threads(2)
    if case["cache"]:
        configure_compilation_cache(Path())
    lookback, features = case["lookback"], case["features"]
    rows = case["windows"] + lookback + HORIZON + 3 * HORIZON
    x, _ = windows(rows, 1, features)
    names = tuple(f"f{index}" for index in range(features))
    arrays = AsOfArrays(
        scaled=x[:, 0],
        causal=x[:, 0],
        known_at=np.repeat(np.arange(rows, dtype=np.int32)[:, None], features, axis=1),
        valid=np.ones(rows, dtype=bool),
        raw_target=x[:, 0, :1].astype(np.float64),
        observed=np.ones((rows, 1), dtype=bool),
        timestamps=np.arange(rows, dtype=np.int64),
        series_offsets=np.array([0, rows]),
        static_ids=np.zeros((1, 0), dtype=np.int32),
        feature_names=np.array(names),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([rows - 2 * HORIZON - 1, rows - HORIZON]),
    )
    params = WindowParams(lookback=lookback, horizon=HORIZON, stride=1, embargo=0, materialize=False)
    found = make_windows(arrays, Scaler("none", np.zeros(features), np.ones(features)), params)
    split = np.where(np.arange(len(found.origins)) < case["windows"], 0, 1).astype(np.uint8)
    found = dataclasses.replace(found, split=split)
    config = ModelConfig("lstm", tuple(case["hidden"]), 0.0, "none", lookback, HORIZON, names, names[:1], (0,))
    optimisation = TrainParams(
        seed=0, loss="mse", positive_weight=1.0, batch_size=case["batch"], max_epochs=10, patience=10, min_delta=0.0,
        learning_rate=RATE, schedule="constant", plateau_factor=0.5, plateau_patience=2, weight_decay=1e-4,
        clip_norm=1.0, overfitting_ratio=2.0, precision="float32", ensemble_size=1, threads=2,
    )  # fmt: skip
    optimizer = make_optimizer(optimisation, steps_per_epoch=1)
    state = start(config, optimizer, 0)
    run = make_epoch(config, optimizer, optimisation, found)

    def epoch(number: int) -> None:
        nonlocal state
        state, figures = run(state, number, 1.0)
        np.asarray(figures)

    return epoch


def torch(case: dict[str, Any], *, threads: int, compiled: bool = False) -> Callable[[int], None]:
    """Return the epoch of PyTorch: nn.LSTM layers, AdamW, clipping."""
    import torch as library
    from torch import nn

    library.set_num_threads(threads)
    x, y = (library.from_numpy(value) for value in windows(case["windows"], case["lookback"], case["features"]))
    widths = [case["features"], *case["hidden"]]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = pairwise(widths)
            self.layers = nn.ModuleList([nn.LSTM(width, units, batch_first=True) for width, units in pairs])
            self.head = nn.Linear(widths[-1], HORIZON)

        def forward(self, value: Any) -> Any:
            for layer in self.layers:
                value = layer(value)[0]
            return self.head(value[:, -1])

    network = Network()
    forward = library.compile(network) if compiled else network
    optimizer = library.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-4)

    def epoch(number: int) -> None:
        for index in batches(case["windows"], case["batch"], number):
            rows = library.from_numpy(index)
            optimizer.zero_grad()
            nn.functional.mse_loss(forward(x[rows]), y[rows]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

    return epoch


def keras(case: dict[str, Any]) -> Callable[[int], None]:
    """Return the epoch of Keras on TensorFlow: `fit` on the same windows."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras as library

    x, y = windows(case["windows"], case["lookback"], case["features"])
    layers = [library.layers.LSTM(units, return_sequences=True) for units in case["hidden"][:-1]]
    layers += [library.layers.LSTM(case["hidden"][-1]), library.layers.Dense(HORIZON)]
    network = library.Sequential([library.layers.Input(x.shape[1:]), *layers])
    network.compile(library.optimizers.AdamW(RATE, weight_decay=1e-4, global_clipnorm=1.0), "mse")
    return lambda number: network.fit(x, y, batch_size=case["batch"], epochs=1, verbose=0) and None


def nnx_rnn(case: dict[str, Any]) -> Callable[[int], None]:
    """Return the epoch of Flax as its tutorials write it: nnx.RNN, one nnx.jit step per batch from the host."""
    import jax.numpy as jnp
    import optax
    from flax import nnx

    x, y = windows(case["windows"], case["lookback"], case["features"])
    rngs, widths = nnx.Rngs(0), [case["features"], *case["hidden"]]

    class Network(nnx.Module):
        def __init__(self) -> None:
            pairs = pairwise(widths)
            self.layers = nnx.List([nnx.RNN(nnx.OptimizedLSTMCell(a, b, rngs=rngs)) for a, b in pairs])
            self.head = nnx.Linear(widths[-1], HORIZON, rngs=rngs)

        def __call__(self, value: Any) -> Any:
            for layer in self.layers:
                value = layer(value)
            return self.head(value[:, -1])

    network = Network()
    clipped = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(RATE, weight_decay=1e-4))
    optimizer = nnx.Optimizer(network, clipped, wrt=nnx.Param)

    @nnx.jit
    def step(network: Any, optimizer: Any, x: Any, y: Any) -> Any:
        loss, gradient = nnx.value_and_grad(lambda network: jnp.mean((network(x) - y) ** 2))(network)
        optimizer.update(network, gradient)
        return loss

    def epoch(number: int) -> None:
        for index in batches(case["windows"], case["batch"], number):
            float(step(network, optimizer, x[index], y[index]))

    return epoch


PEERS: dict[str, Callable[[dict[str, Any]], Callable[[int], None]]] = {
    "ours": ours,
    "torch-1": lambda case: torch(case, threads=1),
    "torch-2": lambda case: torch(case, threads=2),
    "torch-compile": lambda case: torch(case, threads=2, compiled=True),
    "keras": keras,
    "nnx.RNN": nnx_rnn,
}


def main() -> None:
    """Train, and print the figures."""
    peer, case = sys.argv[1], json.loads(sys.argv[2])
    clock = time.perf_counter(), time.process_time()
    epoch = PEERS[peer](case)
    marks = [(time.perf_counter(), time.process_time())]
    for number in range(1, case["epochs"] + 1):
        epoch(number)
        marks.append((time.perf_counter(), time.process_time()))
    steps = np.diff(marks, axis=0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    figures = {"epoch_s": steps[1:, 0].tolist(), "epoch_cpu_s": steps[1:, 1].tolist(), "memory_mb": memory}
    ready = marks[1]
    figures |= {"start_s": ready[0] - clock[0], "start_cpu_s": ready[1] - clock[1], "all_s": marks[-1][0] - clock[0]}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
