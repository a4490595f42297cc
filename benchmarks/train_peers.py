# ruff: noqa: PLC0415 (each peer imports its own framework, and the import is part of what is
# measured)
"""One peer of benchmarks/train.py, in its own process.

Run by train.py as ``python benchmarks/train_peers.py PEER CASE``. All peers train the same
recurrent network (dense head on the last state, mean squared error, AdamW, clipping) on the same
windows of a sine with noise, in batches of the same size, the last one smaller, and end each epoch
with the loss of the same validation windows. The process trains one epoch for each line that it
reads, and answers with a JSON line. At the end of its input it prints its peak memory.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

HORIZON = 6
RATE = 1e-3
DECAY = 1e-4
CLIP = 1.0
VALIDATION = 256
# What a peer is: its epoch, called with the number of the epoch, and giving the validation loss.
Peer = Callable[[int], float]


def table(case: dict[str, Any]) -> np.ndarray:
    """A sine with noise [rows, features], long enough for training and validation windows."""
    rng = np.random.default_rng(0)
    rows = case["windows"] + VALIDATION + case["lookback"] + HORIZON - 1
    noise = rng.normal(scale=0.3, size=(rows, case["features"]))
    return (np.sin(np.arange(rows) / 8)[:, None] + noise).astype(np.float32)


def windows(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training X [windows, lookback, features] and y [windows, horizon], then of validation."""
    lookback, count = case["lookback"], case["windows"]
    view = np.lib.stride_tricks.sliding_window_view(table(case), lookback + HORIZON, axis=0)
    x = np.ascontiguousarray(view[:, :, :lookback].swapaxes(1, 2))
    y = np.ascontiguousarray(view[:, 0, lookback:])
    return x[:count], y[:count], x[count:], y[count:]


def ours(case: dict[str, Any]) -> Peer:
    """Use this project: gathering, steps and validation of an epoch in one program."""
    from spline_lstm.core.params import TrainParams, load_params
    from spline_lstm.models.config import ModelConfig
    from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads

    configure_threads(case["threads"])
    configure_compilation_cache(Path())
    from spline_lstm.training.budget import budget_of
    from spline_lstm.training.losses import forecast_loss
    from spline_lstm.training.objective import Objective
    from spline_lstm.training.optimizers import make_optimizer
    from spline_lstm.training.steps import start

    found = as_of_windows(case)
    names = found.feature_names
    config = ModelConfig(
        case["cell"],
        tuple(case["hidden"]),
        0.0,
        "none",
        case["lookback"],
        HORIZON,
        names,
        names[:1],
        (0,),
    )
    changes = {
        "batch_size": case["batch"],
        "seed": 0,
        "learning_rate": RATE,
        "schedule": "constant",
        "threads": case["threads"],
    }
    fixed = {
        "loss": "mse",
        "weight_decay": DECAY,
        "clip_norm": CLIP,
        "precision": "float32",
        "ensemble_size": 1,
    }
    params: TrainParams = load_params(Path()).train.model_copy(update=changes | fixed)
    budget = budget_of(params, len(found.splits["train"]))
    optimizer, per_epoch = make_optimizer(params, budget), budget.steps_per_epoch
    objective = Objective(forecast_loss(config, found, params), members=1)
    state, run = start(config, optimizer, params, found, objective)

    def epoch(number: int) -> float:
        nonlocal state
        state, figures = run(state, range((number - 1) * per_epoch, number * per_epoch), 1.0)
        return float(np.asarray(figures)[2])

    return epoch


def as_of_windows(case: dict[str, Any]) -> Any:
    """The rows as the stages of this project hand them to training."""
    from spline_lstm.core.clock import Clock
    from spline_lstm.windows.arrays import AsOfArrays
    from spline_lstm.windows.scaling import Scaler
    from spline_lstm.windows.windows import Windows

    values, lookback, features = table(case), case["lookback"], case["features"]
    rows = len(values)
    arrays = AsOfArrays(
        scaled=values,
        causal=values,
        known_at=np.repeat(np.arange(rows, dtype=np.int32)[:, None], features, axis=1),
        valid=np.ones(rows, dtype=bool),
        raw_target=values[:, :1].astype(np.float64),
        filled_target=values[:, :1].astype(np.float64),
        causal_target=values[:, :1].astype(np.float64),
        observed=np.ones((rows, 1), dtype=bool),
        timestamps=np.arange(rows, dtype=np.int64),
        series_offsets=np.array([0, rows]),
        static_ids=np.zeros((1, 0), dtype=np.int32),
        feature_names=np.array([f"f{index}" for index in range(features)]),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([case["windows"], rows]),
    )
    origins = np.arange(lookback, rows - HORIZON + 1)
    split = (np.arange(len(origins)) >= case["windows"]).astype(np.uint8)
    return Windows(
        arrays,
        Scaler("none", np.zeros(features), np.ones(features)),
        Clock("index", step=1),
        lookback,
        HORIZON,
        origins,
        split,
    )


def torch(case: dict[str, Any], *, threads: int, compiled: bool = False) -> Peer:
    """PyTorch: nn.LSTM or nn.GRU layers, time first (the faster layout), fused AdamW, clipping."""
    import torch as library
    from torch import nn

    library.set_num_threads(threads)
    library.manual_seed(0)
    x, y, x_val, y_val = (library.from_numpy(value) for value in windows(case))
    widths = [case["features"], *case["hidden"]]
    layer = {"lstm": nn.LSTM, "gru": nn.GRU}[case["cell"]]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([layer(width, units) for width, units in pairwise(widths)])
            self.head = nn.Linear(widths[-1], HORIZON)

        def forward(self, value: Any) -> Any:
            value = value.transpose(0, 1)
            for layer in self.layers:
                value = layer(value)[0]
            return self.head(value[-1])

    network = Network()
    forward = library.compile(network) if compiled else network
    optimizer = library.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    parameters = list(network.parameters())

    def epoch(number: int) -> float:
        order = library.from_numpy(np.random.default_rng(number).permutation(len(x)))
        batches = zip(x[order].split(case["batch"]), y[order].split(case["batch"]), strict=True)
        for inputs, labels in batches:
            optimizer.zero_grad(set_to_none=True)
            nn.functional.mse_loss(forward(inputs), labels).backward()
            nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
            optimizer.step()
        with library.no_grad():
            return float(nn.functional.mse_loss(network(x_val), y_val))

    return epoch


def keras(case: dict[str, Any]) -> Peer:
    """Keras 3 on TensorFlow: `fit`."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras as library

    x, y, x_val, y_val = windows(case)
    layer = {"lstm": library.layers.LSTM, "gru": library.layers.GRU}[case["cell"]]
    layers = [layer(units, return_sequences=True) for units in case["hidden"][:-1]]
    layers += [layer(case["hidden"][-1]), library.layers.Dense(HORIZON)]
    network = library.Sequential([library.layers.Input(x.shape[1:]), *layers])
    network.compile(library.optimizers.AdamW(RATE, weight_decay=DECAY, global_clipnorm=CLIP), "mse")
    validation = {"validation_data": (x_val, y_val), "validation_batch_size": VALIDATION}

    def epoch(number: int) -> float:
        del number
        return network.fit(
            x, y, batch_size=case["batch"], epochs=1, verbose=0, **validation
        ).history["val_loss"][0]

    return epoch


def nnx_rnn(case: dict[str, Any]) -> Peer:
    """Flax as its tutorials write it: nnx.RNN, one nnx.jit step per batch from the host."""
    import jax.numpy as jnp
    import optax
    from flax import nnx

    x, y, x_val, y_val = windows(case)
    rngs, widths = nnx.Rngs(0), [case["features"], *case["hidden"]]
    cell = {"lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}[case["cell"]]

    class Network(nnx.Module):
        def __init__(self) -> None:
            self.layers = nnx.List([nnx.RNN(cell(a, b, rngs=rngs)) for a, b in pairwise(widths)])
            self.head = nnx.Linear(widths[-1], HORIZON, rngs=rngs)

        def __call__(self, value: Any) -> Any:
            for layer in self.layers:
                value = layer(value)
            return self.head(value[:, -1])

    network = Network()
    clipped = optax.chain(optax.clip_by_global_norm(CLIP), optax.adamw(RATE, weight_decay=DECAY))
    optimizer = nnx.Optimizer(network, clipped, wrt=nnx.Param)

    def loss(network: Any, x: Any, y: Any) -> Any:
        return jnp.mean((network(x) - y) ** 2)

    validate = nnx.jit(loss)

    @nnx.jit
    def step(network: Any, optimizer: Any, x: Any, y: Any) -> Any:
        value, gradient = nnx.value_and_grad(loss)(network, x, y)
        optimizer.update(network, gradient)
        return value

    def epoch(number: int) -> float:
        order = np.random.default_rng(number).permutation(len(x))
        for start in range(0, len(x), case["batch"]):
            rows = order[start : start + case["batch"]]
            step(network, optimizer, x[rows], y[rows])
        return float(validate(network, x_val, y_val))

    return epoch


PEERS: dict[str, Callable[[dict[str, Any]], Peer]] = {
    "ours": ours,
    "torch-1": lambda case: torch(case, threads=1),
    "torch-2": lambda case: torch(case, threads=2),
    "torch-1-compiled": lambda case: torch(case, threads=1, compiled=True),
    "torch-2-compiled": lambda case: torch(case, threads=2, compiled=True),
    "keras": keras,
    "nnx.RNN": nnx_rnn,
}


def memory_mb() -> float:
    """Peak of the resident memory of this process."""
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage would also count the process that this one was started by.
        return next(
            int(line.split()[1]) / 1024
            for line in status.read_text().splitlines()
            if "VmHWM" in line
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


def main() -> None:
    """Train an epoch per line of the input, and print its figures."""
    # Frameworks write to stdout, too: the answers keep a channel of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer, case = sys.argv[1], json.loads(sys.argv[2])
    epoch = PEERS[peer](case)
    for number, _ in enumerate(sys.stdin, start=1):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = epoch(number)
        figures = {
            "s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
            "validation_loss": loss,
        }
        print(json.dumps(figures), file=answers, flush=True)
    print(json.dumps({"memory_mb": memory_mb()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
