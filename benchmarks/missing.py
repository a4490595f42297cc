"""Forecast error under missing inputs, and the error of the fills as of the forecast origin.

Run at the root: ``python -m benchmarks.missing FOLDER [--only NAME ...] [--seeds 0 1 2]``.

Three series are made incomplete: the embedded one (data/raw/series.csv, from ``dvc repro ingest``),
and taylor.csv and sunspots.csv of FOLDER, which the user provides (see docs/accuracy.md). The last
`ROWS` rows of each are taken, and 10, 30 or 60 % of the observations deleted in all splits, as
single rows or as blocks of 6 to 24 rows. Every variant forecasts the same test windows and is
scored on the values before the deletion, observed by the model or not. One small LSTM with one
budget does it all: the table compares variants, it is not the best that can be reached.

=================  ===========================================================================
fill               inputs are filled (`preprocess.fill`) and the network is not told
fill + mask        ... and is told which rows were not observed (`preprocess.was_missing`)
fill + mask + age  ... and how long ago the last observation was (`window.max_missing_inputs`)
masked revin       the same, and each window is normalised by its observed rows only
revin              inputs are filled, and each window is normalised by all of its rows
=================  ===========================================================================
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import Reading
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.inference.arguments import params_of, read_frame, schema_of
from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.config import model_config
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.saved_model import new_model
from spline_lstm.series.preprocess import preprocess
from spline_lstm.training.model import train_model
from spline_lstm.windows.windows import Windows, make_windows

ROOT = Path(__file__).parent.parent
# All series get the same shapes, so that a variant is compiled once.
ROWS, LOOKBACK, HORIZON = 2_800, 48, 6
WINDOWS = {"train": 1_500, "validation": 256, "test": 300}
BLOCK = (6, 24)
SHARES = (0.1, 0.3, 0.6)
PATTERNS = ("points", "blocks")
COMMON = {
    "preprocess.frequency": "index 1",
    # Every gap is filled, so that all variants have the same windows.
    "preprocess.max_gap": ROWS,
    "preprocess.max_missing": 0.95,
    "window.lookback": LOOKBACK,
    "window.horizon": HORIZON,
    "model.type": "lstm",
    "model.hidden": [24],
    "model.dropout": 0.0,
    "model.normalization": "last",
    "train.batch_size": 64,
    "train.max_epochs": None,
    "train.max_steps": 240,
    "train.eval_steps": 40,
    "train.patience": None,
}
AGE = {"window.max_missing_inputs": 0.95}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "fill": {},
    "fill + mask": {"preprocess.was_missing": True},
    "fill + mask + age": AGE,
    "masked revin": AGE | {"model.normalization": "revin"},
    "revin": {"model.normalization": "revin"},
}


@dataclass(frozen=True)
class Case:
    """A series, and which of its rows are deleted.

    Attributes
    ----------
    values : [rows] float64, NaN if the series itself has no value
    deleted : [rows] bool
    """

    values: Float[np.ndarray, " rows"]
    deleted: Bool[np.ndarray, " rows"]

    @property
    def frame(self) -> pd.DataFrame:
        """What remains, on an index."""
        kept = np.flatnonzero(~self.deleted & ~np.isnan(self.values))
        return pd.DataFrame({"row": kept, "y": self.values[kept]})

    @property
    def scale(self) -> float:
        """Standard deviation of the training split, nothing deleted."""
        return float(np.nanstd(self.values[: round(0.7 * len(self.values))]))

    def at(self, windows: Windows, rows: Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Values of rows of the windows' arrays."""
        return self.values[windows.arrays.timestamps[rows]]


def read_series(folder: Path) -> dict[str, Float[np.ndarray, " rows"]]:
    """The last `ROWS` rows of the three series."""
    raw = pd.read_csv(Pipeline(ROOT).raw_csv, parse_dates=["datetime"])
    rows = (raw["datetime"] - raw["datetime"].min()) / pd.Timedelta("5min")
    embedded = raw.groupby(rows.round().astype(int))["glucose"].mean()
    found = {
        "glucose": embedded.reindex(range(embedded.index.max() + 1)),
        "taylor": pd.read_csv(folder / "taylor.csv")["Y"],
        "sunspots": pd.read_csv(folder / "sunspots.csv")["Sunspots"],
    }
    return {name: values.to_numpy(dtype=np.float64)[-ROWS:] for name, values in found.items()}


def deletions(rows: int, share: float, pattern: str, seed: int) -> Bool[np.ndarray, " rows"]:
    """Rows to delete; the first and the last ten stay.

    >>> round(deletions(10_000, 0.3, "blocks", 0).mean(), 2)
    0.3
    """
    rng, deleted = np.random.default_rng(seed), np.zeros(rows, dtype=bool)
    if pattern == "points":
        deleted = rng.random(rows) < share
    while pattern == "blocks" and deleted.mean() < share:
        start = rng.integers(rows)
        deleted[start : start + rng.integers(BLOCK[0], BLOCK[1] + 1)] = True
    deleted[:10] = deleted[-10:] = False
    return deleted


def prepare(case: Case, params: Params) -> tuple[Windows, str, Any]:
    """Windows of what remains, as many as `WINDOWS` says, evenly spaced."""
    frame, columns = case.frame, {"covariates": (), "known_future": (), "static": ()}
    schema = schema_of(frame, target="y", timestamp="row", series=None, calendar=(), **columns)
    table = read_frame(frame, schema, None)
    result = preprocess(
        table,
        schema,
        params.preprocess,
        where="series",
        reading=Reading.of(params.data),
        options=TargetOptions.of(params),
        needed=params.window.rows,
    )
    preprocessor = result.preprocessor
    windows = make_windows(result.arrays, preprocessor.scaler, preprocessor.clock, params.window)
    chosen = [
        np.flatnonzero(windows.split == index)[evenly_spaced(len(origins), WINDOWS[name])]
        for index, (name, origins) in enumerate(windows.splits.items())
    ]
    rows = np.concatenate(chosen)
    thinned = replace(windows, origins=windows.origins[rows], split=windows.split[rows])
    return thinned, preprocessor.run_id, model_config(params, thinned, preprocessor)


def forecast_error(case: Case, variant: str, seed: int) -> float:
    """RMSE on the test windows, in training standard deviations."""
    params = params_of({**COMMON, **VARIANTS[variant], "train.seed": seed}, {})
    windows, run_id, config = prepare(case, params)
    trained = train_model(config, windows, params.train)
    model, batch = new_model(config, trained.best, run_id), windows.gather("test")
    outputs = data_unit_outputs(
        model, batch, windows.target_scaler, batch.series, windows.history(batch)
    )
    truth = case.at(windows, batch.origin[:, None] + np.arange(HORIZON))
    return rms(outputs.point[..., 0] - truth) / case.scale


def fill_errors(case: Case) -> tuple[float, float]:
    """RMSE of the filled inputs of the test windows: as of the origin, and with hindsight.

    In training standard deviations, over the rows that were deleted; NaN without any.
    """
    windows, _, _ = prepare(case, params_of(COMMON, {}))
    batch = windows.gather("test")
    rows = batch.origin[:, None] + np.arange(-LOOKBACK, 0)
    deleted = case.deleted[windows.arrays.timestamps[rows]]
    truth = case.at(windows, rows)
    as_of, later = windows.history(batch)[..., 0], windows.arrays.filled_target[rows, 0]
    return tuple(rms((filled - truth)[deleted]) / case.scale for filled in (as_of, later))


def rms(errors: Float[np.ndarray, "..."]) -> float:
    """Root mean square of those that are known."""
    known = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(np.square(known)))) if len(known) else float("nan")


def measure(
    name: str, values: Float[np.ndarray, " rows"], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """One record per pattern and share, the first one without deletions; each printed as a line."""
    cases = [("none", 0.0), *((pattern, share) for pattern in PATTERNS for share in SHARES)]
    records = []
    for pattern, share in cases:
        # The rows that are deleted differ from seed to seed as well.
        found = [Case(values, deletions(len(values), share, pattern, seed)) for seed in seeds]
        pairs = list(zip(found, seeds, strict=True))
        variants = VARIANTS if share else {"fill": {}, "revin": {}}
        fills = (
            np.array([fill_errors(case) for case in found]) if share else np.full((1, 2), np.nan)
        )
        records.append(
            {
                "series": name,
                "pattern": pattern,
                "share": share,
                "fill_as_of": float(fills[:, 0].mean()),
                "fill_hindsight": float(fills[:, 1].mean()),
                "rmse": {
                    variant: [forecast_error(case, variant, seed) for case, seed in pairs]
                    for variant in variants
                },
            }
        )
        print(json.dumps(records[-1]), flush=True)
    return records


def markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """RMSE as a multiple of the RMSE with nothing deleted (variant fill), mean over the seeds."""
    header = ["series", "missing", *VARIANTS, "fill error as of the origin", "with hindsight"]
    rules = ["---", "---", *["---:"] * (len(header) - 2)]
    whole = {r["series"]: np.mean(r["rmse"]["fill"]) for r in records if not r["share"]}
    rows = []
    for record in records:
        base = whole[record["series"]]
        cells = [
            _cell(np.array(record["rmse"][variant]) / base) if variant in record["rmse"] else ""
            for variant in VARIANTS
        ]
        missing = f"{record['share']:.0%} {record['pattern']}" if record["share"] else "nothing"
        fills = [record["fill_as_of"], record["fill_hindsight"]]
        errors = [f"{error:.2f}" if record["share"] else "" for error in fills]
        rows.append([record["series"], missing, *cells, *errors])
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rules, *rows]) + "\n"


def _cell(ratios: Float[np.ndarray, " seeds"]) -> str:
    """Mean and half of the range over the seeds."""
    return f"{ratios.mean():.2f} ± {np.ptp(ratios) / 2:.2f}"


def main() -> None:
    """Print a line per case, then the table; write both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="series (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    configure_threads(2)
    configure_compilation_cache(ROOT)
    records = []
    for name, values in read_series(arguments.folder).items():
        if not arguments.only or name in arguments.only:
            records += measure(name, values, arguments.seeds)
    print(markdown(records))


if __name__ == "__main__":
    main()
