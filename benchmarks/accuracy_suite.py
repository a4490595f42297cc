"""Accuracy on series that nobody tuned: `init` and the stages, against simple forecasts.

Run at the root: ``python -m benchmarks.accuracy_suite FOLDER [--only NAME ...]``.

Every CSV file of FOLDER becomes a pipeline by `init`, in a temporary folder; the stages run in this
process, the training once per seed. The forecasts of the test windows are compared with the naive
forecast, the seasonal naive one of each season found, and a ridge regression on the last rows whose
lookback and penalty are chosen on validation, on the same windows. The bar is the best of them *on
the test split*, which nobody knows beforehand. Peers that run in an environment of their own can
join: ``--peers FOLDER`` with NAME.csv, columns peer, window, step, value (positions from 0).
`accuracy_peers` writes such files from the tasks that ``--work FOLDER`` keeps.

``--work FOLDER`` makes the pipelines there and keeps them; a data set that was measured there with
the same seeds and params is only judged again, so an interrupted call goes on where it was.

``--linear`` trains only the linear forecaster (`model.type: linear`): seconds for all series.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from benchmarks.accuracy_runs import Runs, forget_runs, key_of, save_task
from benchmarks.accuracy_table import Result, error, markdown, panel_metrics
from spline_lstm.core.errors import TooLittleDataError, UsageError
from spline_lstm.core.params import load_params
from spline_lstm.core.params_file import params_text
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.models.jax_setup import configure_threads
from spline_lstm.models.linear import fill, gather
from spline_lstm.models.linear_designs import Design, lookbacks, seasonal_lags
from spline_lstm.models.linear_fit import fold
from spline_lstm.models.linear_members import Problem, Share, judge
from spline_lstm.models.linear_moments import Rows, Series, fit_scale
from spline_lstm.models.seasons import find_seasons
from spline_lstm.scaffold.options import NO_TIMESTAMP, Options
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.scaffold.write_folder import scaffold
from spline_lstm.training.linear import series_of
from spline_lstm.windows.windows import Windows, load_windows
from stages import evaluate, ingest, preprocess, train_flax_rnn, window

ROOT = Path(__file__).parent.parent
NAIVE = "naive"
LINEAR_ONLY = {"model.type": "linear"}
# What these files of the development folder leave open.
OPTIONS = {
    "australian_tourism": Options(timestamp=NO_TIMESTAMP, targets=("Total",)),
    "ec2_network_in": Options(duplicates="mean"),
    "exchange_2_cpc": Options(duplicates="mean"),
    "ETTh1": Options(targets=("OT",)),
    "NAB_machine_temperature": Options(duplicates="mean"),
    "gasrate_co2": Options(timestamp=NO_TIMESTAMP, targets=("CO2%",)),
    "heart_rate": Options(timestamp=NO_TIMESTAMP, separator=","),
}
# Files without timestamps whose step is known: they get invented ones.
STEPS = {"taylor": "30min"}


@dataclass(frozen=True)
class Task:
    """Test windows of one target, and what the baselines need.

    Attributes
    ----------
    series : Series
    splits : name -> [n] origins, rows
    seasons : rows, those that the training split follows
    horizon, lookback : int, rows; of the ridge regression the shortest lookback
    """

    series: Series
    splits: Mapping[str, Int[np.ndarray, " n"]]
    seasons: tuple[int, ...]
    horizon: int
    lookback: int

    @property
    def truth(self) -> Float[np.ndarray, "n horizon"]:
        """Labels of the test windows, data units, NaN: not observed."""
        return self.series.labels(self.splits["test"], self.horizon)

    @property
    def spread(self) -> Float[np.ndarray, " n"]:
        """Training standard deviation of the series of each test window."""
        return fit_scale(self.series, log=False).scale[self.series.of(self.splits["test"])]

    def repeat(self, season: int) -> Float[np.ndarray, "n horizon"]:
        """The naive forecast (`season` 0) or the seasonal naive one of the test windows."""
        lags = seasonal_lags(self.horizon, season) if season else np.full(self.horizon, -1)
        origins = self.splits["test"]
        starts = self.series.offsets[self.series.of(origins)]
        # Carried forward from as far back as needed, as everywhere.
        past = gather(self.series.values, starts, origins, int(-lags.min()) + 4 * self.lookback)
        return fill(past)[:, lags]

    def ridge(self) -> Float[np.ndarray, "n horizon"] | None:
        """The regression with the least error on validation; nothing with too few windows."""
        longest = int(self.series.training.sum() / max(len(self.series.offsets) - 1, 1))
        base = min(self.lookback, 4 * self.horizon)
        designs = [Design(rows) for rows in lookbacks(self.horizon, base, self.seasons, longest)]
        scale = fit_scale(self.series, log=False)
        problem = Problem.of(
            Rows.of(self.series, scale),
            self.splits["train"],
            self.splits["validation"],
            [design.depth(self.horizon) for design in designs],
            scale.scale,
            self.horizon,
        )
        members = [member for design in designs for member in judge(design, 0, problem)]
        if not members:
            return None
        best = fold([Share(min(members, key=lambda each: each.error), 1.0)], [problem])
        origins = self.splits["test"]
        return best.predict(self.series.windows(origins, best.depth), self.series.of(origins))

    def baselines(self) -> dict[str, Float[np.ndarray, "n horizon"]]:
        """Forecasts by name."""
        found = {NAIVE: self.repeat(0)}
        found |= {f"seasonal naive {season}": self.repeat(season) for season in self.seasons}
        ridge = self.ridge()
        return found if ridge is None else found | {"ridge": ridge}

    def arrays(self) -> dict[str, Any]:
        """The content of a file that `accuracy_peers` reads."""
        return {
            "values": self.series.values,
            "offsets": self.series.offsets,
            "training": self.series.training,
            **self.splits,
            "seasons": np.array(self.seasons, int),
            "horizon": self.horizon,
            "lookback": self.lookback,
        }

    def seasonal_steps(self) -> Float[np.ndarray, " series"]:
        """Mean absolute seasonal difference of the training rows of each series."""
        season = self.seasons[0] if self.seasons else 1
        bounds = zip(self.series.offsets[:-1], self.series.offsets[1:], strict=True)
        parts = [self.series.values[a:b][self.series.training[a:b]] for a, b in bounds]
        return np.array([np.nanmean(np.abs(p[season:] - p[:-season])) for p in parts])


def task_of(windows: Windows, seasons: tuple[int, ...]) -> Task:
    """The first target of a pipeline."""
    return Task(series_of(windows, 0), windows.splits, seasons, windows.horizon, windows.lookback)


def run_pipeline(csv: Path, folder: Path, seeds: Sequence[int], overlay: Mapping[str, Any]) -> Runs:
    """Forecasts of the test windows, verdict and CPU seconds of each seed."""
    if folder.exists():  # of a call that was interrupted, or of other params
        shutil.rmtree(folder)
    start = time.process_time()
    options = OPTIONS.get(csv.stem, Options())
    scaffold(folder.name, csv, options, folder.parent.parent, UserFiles(overlay))
    for stage in (ingest, preprocess, window):
        stage.main(folder)
    shared = time.process_time() - start
    horizon = load_windows(folder).horizon
    forecasts, verdicts, seconds = [], [], []
    for seed in seeds:
        start = time.process_time()
        set_seed(folder, seed)
        train_flax_rnn.main(folder)
        verdicts.append(evaluate.main(folder))
        seconds.append(shared + time.process_time() - start)
        forecasts.append(read_forecast(folder, horizon))
    key = key_of([*seeds], overlay)
    return Runs(key, np.stack(forecasts), tuple(verdicts), tuple(seconds))


def set_seed(folder: Path, seed: int) -> None:
    """Write the seed into the params of a pipeline."""
    params = load_params(folder)
    train = params.train.model_copy(update={"seed": seed})
    path = Pipeline(folder).params
    path.write_text(params_text(params.model_copy(update={"train": train})))


def read_forecast(folder: Path, horizon: int) -> Float[np.ndarray, "n horizon"]:
    """The model's forecast of the first target, in the order of the test windows."""
    table = pd.read_parquet(Pipeline(folder).predictions, columns=["target", "y_pred"])
    first = table["target"] == table["target"].iloc[0]
    return table.loc[first, "y_pred"].to_numpy().reshape(-1, horizon)


def measure(
    csv: Path, root: Path, seeds: Sequence[int], overlay: Mapping[str, Any], peers: Path | None
) -> Result:
    """One data set, in a folder that `init` takes for the repository."""
    for name in ("params.yaml", "dvc.yaml", "stages", "configs"):
        if not (root / name).exists():
            (root / name).symlink_to(ROOT / name)
    with redirect_stdout(StringIO()):
        pipeline = root / "pipelines" / csv.stem
        runs = Runs.read(root, csv.stem, key_of([*seeds], overlay))
        if runs is None:
            forget_runs(root, csv.stem)
            runs = run_pipeline(with_timestamps(csv, root), pipeline, seeds, overlay)
            runs.save(root, csv.stem)
        windows = load_windows(pipeline)
        task = task_of(windows, seasons_of(windows))
    save_task(root, csv.stem, task.arrays())
    return judge_forecasts(csv.stem, task, runs, read_peers(peers, csv, len(task.splits["test"])))


def with_timestamps(csv: Path, folder: Path) -> Path:
    """The file, or a copy with invented timestamps if only its step is known."""
    if csv.stem not in STEPS:
        return csv
    table = pd.read_csv(csv)
    instants = pd.date_range("2020-01-06", periods=len(table), freq=STEPS[csv.stem])
    table.insert(0, "timestamp", instants)
    copy = folder / csv.name
    table.to_csv(copy, index=False)
    return copy


def judge_forecasts(
    name: str,
    task: Task,
    made: Runs,
    peers: Mapping[str, Float[np.ndarray, "n horizon"]],
) -> Result:
    """Errors of the model's forecasts, one for each seed, and of the baselines."""
    truth, spread, index = task.truth, task.spread, task.series.of(task.splits["test"])
    bars = {k: error(forecast, truth, spread, index) for k, forecast in task.baselines().items()}
    runs = [error(forecast, truth, spread, index) for forecast in made.forecasts]
    middle = int(np.argsort(runs)[(len(runs) - 1) // 2])
    panel = {}
    if len(task.series.offsets) > 2:
        season = task.seasons[0] if task.seasons else 0
        panel = panel_metrics(
            made.forecasts[middle], truth, task.repeat(season), index, task.seasonal_steps()
        )
    ratios = {}
    for peer, forecast in peers.items():
        own = np.where(np.isnan(forecast), np.nan, made.forecasts[middle])
        bar = error(forecast, truth, spread, index)
        ratios[peer] = error(own, truth, spread, index) / bar
    verdict = _short(made.verdicts[middle])
    return Result(name, len(truth), bars, tuple(runs), verdict, made.seconds, panel, ratios)


def seasons_of(windows: Windows) -> tuple[int, ...]:
    """Seasons of the clock that the training split follows, whatever the lookback."""
    natural = windows.clock.seasons().values()
    series = series_of(windows, 0)
    bounds = zip(series.offsets[:-1], series.offsets[1:], strict=True)
    return find_seasons([series.values[a:b][series.training[a:b]] for a, b in bounds], [*natural])


def read_peers(
    folder: Path | None, csv: Path, windows: int
) -> dict[str, Float[np.ndarray, "n horizon"]]:
    """Forecasts of peers for this data set, by name; NaN: a window that a peer left out."""
    path = None if folder is None else folder / csv.name
    if path is None or not path.is_file():
        return {}
    table = pd.read_csv(path)
    return {
        str(name): part.pivot(index="window", columns="step", values="value")
        .reindex(np.arange(windows))
        .to_numpy()
        for name, part in table.groupby("peer")
    }


def _short(verdict: str) -> str:
    """The sentence after the count of windows, without what a table cannot hold."""
    return " ".join(verdict.split(": ", 1)[-1].split()).replace("|", "/")[:120]


def main() -> None:
    """Print a line per data set, then the table; write both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--linear", action="store_true", help="train only the linear forecaster")
    parser.add_argument("--params", type=Path, help="keys of params.yaml that override init's")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="forecasts of peers")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep pipelines and runs here")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="write table.md, results.json"
    )
    arguments = parser.parse_args()
    configure_threads(2)
    files = sorted(arguments.folder.glob("*.csv"))
    chosen = [f for f in files if not arguments.only or f.stem in arguments.only]
    seeds = arguments.seeds[:1] if arguments.linear else arguments.seeds
    overlay = LINEAR_ONLY if arguments.linear else UserFiles.read(arguments.params, None).overlay
    results = []
    # One folder for all: the cache of compiled programs stays where the first one put it.
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.work or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        for csv in chosen:
            try:
                results.append(measure(csv, root, seeds, overlay, arguments.peers))
            except (UsageError, TooLittleDataError) as refusal:
                print(f"{csv.stem:24s} left out: {refusal}", flush=True)
                continue
            print(f"{csv.stem:24s} {results[-1].ratio:.3f} of {results[-1].best}", flush=True)
    if not results:
        raise SystemExit("no data set was measured")
    table = markdown(results)
    print(table)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        (arguments.output / "table.md").write_text(table)
        content = json.dumps([asdict(result) for result in results], indent=2)
        (arguments.output / "results.json").write_text(content + "\n")


if __name__ == "__main__":
    main()
