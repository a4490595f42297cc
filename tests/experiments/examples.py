"""Records with figures that a reader can check by head."""

import numpy as np

from spline_lstm.evaluation.blocks import Interval
from spline_lstm.experiments.latency import Latency
from spline_lstm.experiments.results import LATENCY, SCORES, SIZE, Record, scores_of_values
from spline_lstm.experiments.runs import Run

RIDGE = 16.0


def make_record(
    model="lstm",
    mode="univariate",
    seed=42,
    *,
    rmse=15.0,
    p95=0.1,
    size=0.2,
    ridge=RIDGE,
    naive=20.0,
    training_stds=None,
    **others,
) -> Record:
    cells = dict.fromkeys((*SCORES, *LATENCY, SIZE), 1.0) | {
        "run_id": f"{model}{seed}",
        "model_type": model,
        "data_mode": mode,
        "seed": seed,
        "RMSE": rmse,
        "p95(ms)": p95,
        SIZE: size,
        "params": 10,
        "train_time(s)": 2.5,
        "epochs": 3,
        "commit": "0123456789",
        **others,
    }
    scores = scores_of_values(len(training_stds or {}))
    baselines = {"naive": dict.fromkeys(scores, naive), "ridge": dict.fromkeys(scores, ridge)}
    revision = f"sha-{model}-{mode}-{seed}"
    return Record(Run(model, mode, seed), revision, cells, baselines, 0.1, training_stds or {})


def make_latencies(records, spread=0.0):
    """Rounds around the p95 of each record: relatively up to `spread` above and below."""
    rounds = 1.0 + spread * np.linspace(-1.0, 1.0, 21)
    return {
        record.run.name: Latency(
            0.5 * record.cells["p95(ms)"] * rounds, record.cells["p95(ms)"] * rounds
        )
        for record in records
    }


def intervals(**low):
    """Cell (with _ for the blank) -> an interval that begins at `low` and is two wide."""
    return {
        name.replace("_", " "): Interval(value + 1.0, value, value + 2.0)
        for name, value in low.items()
    }
