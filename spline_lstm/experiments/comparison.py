"""Everything a comparison found, in one value: what tables, figure and page are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spline_lstm.core.artifacts import rounded
from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.evaluation.blocks import Interval, block_length, draw_blocks
from spline_lstm.experiments.bootstrap import intervals_to_best, rmse_difference
from spline_lstm.experiments.code_id import code_id
from spline_lstm.experiments.costs import Cost
from spline_lstm.experiments.driver import cost_book
from spline_lstm.experiments.git import cache_folder
from spline_lstm.experiments.latency import Latency, latencies
from spline_lstm.experiments.results import (
    PROBABILITY_SCORES,
    SCALED,
    SCORES,
    Record,
    Value,
    baselines_by_mode,
    evaluation_of,
    exp_show,
    number,
    read_records,
    with_latency,
)
from spline_lstm.experiments.runs import Run
from spline_lstm.experiments.squared_errors import Errors, read_errors
from spline_lstm.experiments.winners import (
    Candidate,
    Verdict,
    best_candidate,
    candidates_of,
    decide,
)


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes
    ----------
    commit : that the experiments start from
    code : content id of code and params (`code_id.code_id`)
    params : of the commit
    runs : all runs of the matrix
    records : those with an experiment, in the order of the matrix
    candidates : models in a feature mode, in the same order
    best : name of the candidate with the lowest mean RMSE
    intervals : candidate, or baseline and mode -> difference of its RMSE to that of the best
    latencies : experiment -> latency of its exported file, in the order of the records
    verdict : Verdict
    step_rmse : candidate -> [seeds, horizon] RMSE by step; NaN if a step has none
    step_baseline : [horizon] RMSE of the best baseline at each step
    windows : test windows
    block, wanted_block : forecast origins per block of the bootstrap, and in params.yaml
    costs : experiment -> its cost, if it was measured here
    """

    commit: str
    code: str
    params: Params
    runs: tuple[Run, ...]
    records: tuple[Record, ...]
    candidates: tuple[Candidate, ...]
    best: str
    intervals: Mapping[str, Interval]
    latencies: Mapping[str, Latency]
    verdict: Verdict
    step_rmse: Mapping[str, Float[np.ndarray, "seeds horizon"]]
    step_baseline: Float[np.ndarray, " horizon"]
    windows: int
    block: int
    wanted_block: int
    costs: Mapping[str, Cost]

    @property
    def measure(self) -> str:
        """Column that decides: see `Record.measure`."""
        return self.records[0].measure

    @property
    def missing(self) -> list[str]:
        """Names of the runs without an experiment."""
        found = {record.run for record in self.records}
        return [run.name for run in self.runs if run not in found]


def collect(
    pipeline: TrackedPipeline, commit: str, params: Params, runs: Sequence[Run]
) -> Comparison:
    """Read everything that the experiments of `commit` measured.

    Raises
    ------
    ExperimentError
        There is none, or they do not fit together.
    """
    records = read_records(
        exp_show(pipeline, commit), pipeline, commit, runs, params.compare.format
    )
    if not records:
        raise ExperimentError(
            f"none of the {len(runs)} experiments is done, so there is nothing to compare; "
            "see .cache/compare/logs"
        )
    cache = cache_folder(pipeline)
    measured = latencies(pipeline, cache, commit, records, params.compare)
    records = [_timed(record, measured.get(record.run.name)) for record in records]
    baselines = baselines_by_mode(records)
    names = sorted({name for rows in baselines.values() for name in rows})
    errors = read_errors(pipeline, cache, records, names)
    candidates = candidates_of(records)
    best = best_candidate(candidates).name
    wanted = params.compare.block or -(
        -(params.evaluate.season or params.clock.season) // params.window.stride
    )
    block = block_length(len(errors.counts), wanted)
    blocks = draw_blocks(
        len(errors.counts), block, params.compare.repetitions, params.compare.bootstrap_seed
    )

    def difference(one: Record, other: Record) -> Interval:
        squared = errors.squared
        return rmse_difference(
            [squared[one.run.name]], [squared[other.run.name]], errors.counts, blocks
        )

    key = (SCORES | SCALED | PROBABILITY_SCORES)[records[0].measure]
    steps = {
        record.run.name: evaluation_of(pipeline, record.revision)["horizon"] for record in records
    }
    book = cost_book(pipeline, commit)
    costs = {record.run.name: book.read(record.run.name) for record in records}
    return Comparison(
        commit=commit,
        code=code_id(pipeline),
        params=params,
        runs=tuple(runs),
        records=tuple(records),
        candidates=tuple(candidates),
        best=best,
        intervals=intervals_to_best(
            errors.squared, errors.counts, _members(errors, candidates), best, blocks
        ),
        latencies=measured,
        verdict=decide(records, measured, params.compare, difference),
        step_rmse={
            candidate.name: np.array(
                [_rmse_of(steps[record.run.name], key) for record in candidate.records]
            )
            for candidate in candidates
        },
        step_baseline=best_baseline_rmse([*steps.values()], key),
        windows=errors.windows,
        block=block,
        wanted_block=wanted,
        costs={name: cost for name, cost in costs.items() if cost is not None},
    )


def _timed(record: Record, latency: Latency | None) -> Record:
    """The record with the median of each percentile over the rounds."""
    if latency is None:
        return record
    p50, p95 = (float(np.median(values)) for values in (latency.p50_ms, latency.p95_ms))
    return with_latency(record, rounded(p50), rounded(p95))


def _rmse_of(rows: Sequence[Mapping[str, Value]], key: str) -> list[float]:
    return [number(row[key]) for row in rows]


def _members(errors: Errors, candidates: Sequence[Candidate]) -> dict[str, list[str]]:
    """Candidate, or baseline and mode -> its forecasts in `errors`."""
    members = {each.name: [record.run.name for record in each.records] for each in candidates}
    runs = {name for names in members.values() for name in names}
    return members | {name: [name] for name in errors.squared if name not in runs}


def best_baseline_rmse(
    rows: Sequence[Sequence[Mapping[str, Value]]], key: str = "rmse"
) -> Float[np.ndarray, " horizon"]:
    """RMSE (`key`) of the best baseline at each step; NaN if none has one.

    The rows of each experiment contain its RMSE and its skill against the best baseline of its
    feature mode: skill = 1 - RMSE / RMSE of the baseline. The lowest baseline of all modes counts.
    """
    rmse, skill = (
        np.array([[number(row.get(name)) for row in steps] for steps in rows])
        for name in (key, "skill")
    )
    # The skill of a probability is that of the Brier score, not of its root.
    ratio = np.sqrt(1.0 - skill) if key == "root_brier" else 1.0 - skill
    baseline = np.divide(rmse, ratio, out=np.full(rmse.shape, np.nan), where=ratio != 0.0)
    return np.fmin.reduce(baseline, axis=0)
