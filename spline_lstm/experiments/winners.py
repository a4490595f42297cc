"""Candidates (a model in a feature mode, over its seeds), winners and a recommendation.

A run whose RMSE is not below that of every baseline of its feature mode can win nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spline_lstm.core.params import CompareParams
from spline_lstm.evaluation.blocks import Interval
from spline_lstm.experiments.bootstrap import SeedRange, seed_range
from spline_lstm.experiments.latency import Latency, is_above
from spline_lstm.experiments.results import PROBABILITY_SCORES, SIZE, Record, nan_last, number

# Shown with their range over the seeds, as far as the runs have them.
RANGE_COLUMNS = (
    "RMSE",
    "scaled RMSE",
    "MAE",
    "MASE",
    "R2",
    *PROBABILITY_SCORES,
    "p50(ms)",
    "p95(ms)",
    "model_size(MB)",
    "train_time(s)",
)


@dataclass(frozen=True)
class Candidate:
    """One model in one feature mode.

    Attributes
    ----------
    name : model and mode
    records : one per seed
    ranges : column -> mean, lowest and highest over the seeds
    """

    name: str
    records: tuple[Record, ...]
    ranges: Mapping[str, SeedRange]

    @property
    def rmse(self) -> SeedRange:
        """RMSE that decides, over the seeds."""
        return self.ranges[self.records[0].measure]


@dataclass(frozen=True)
class Verdict:
    """Who wins, and what to use.

    Attributes
    ----------
    accuracy : the run with the lowest RMSE, of several the edge winner if it is one of them; None
        if none beats the baselines
    edge : of those that beat the baselines, the run with the lowest weighted latency and size; of
        several that the clock cannot tell apart, the most accurate one, then the smallest; None
        without exported files
    recommended : of those that beat the baselines, the run with the lowest weighted RMSE, latency
        and size
    reason : one sentence
    scores : run that beats the baselines -> median of its edge score, 1 at best
    totals : run that beats the baselines -> its score with the RMSE, 1 at best
    """

    accuracy: Record | None
    edge: Record | None
    recommended: Record | None
    reason: str
    scores: Mapping[str, float]
    totals: Mapping[str, float]


def candidates_of(records: Sequence[Record]) -> list[Candidate]:
    """The candidates in the order of the records."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(candidate_name(record), []).append(record)
    return [Candidate(name, tuple(group), _ranges(group)) for name, group in groups.items()]


def _ranges(records: Sequence[Record]) -> dict[str, SeedRange]:
    return {
        column: seed_range([number(record.cells[column]) for record in records])
        for column in RANGE_COLUMNS
        if column in records[0].cells
    }


def candidate_name(record: Record) -> str:
    """Model and feature mode."""
    return f"{record.run.model_type} {record.run.feature_mode}"


def best_candidate(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate with the lowest mean RMSE."""
    return min(candidates, key=lambda candidate: nan_last(candidate.rmse.mean))


def edge_scores(
    records: Sequence[Record], latencies: Mapping[str, Latency], params: CompareParams
) -> dict[str, Float[np.ndarray, " rounds"]]:
    """Run -> [rounds] weighted mean of p95 and size, each relative to the smallest; 1 is perfect.

    The fastest is the run with the lowest median over the rounds. Runs without a latency are left
    out.
    """
    p95 = {
        record.run.name: latencies[record.run.name].p95_ms
        for record in records
        if record.run.name in latencies
    }
    if not p95:
        return {}
    size = {record.run.name: number(record.cells[SIZE]) for record in records}
    fastest = min(float(np.median(values)) for values in p95.values())
    smallest = min(size[name] for name in p95)
    weights = params.p95_weight + params.size_weight
    return {
        name: (params.p95_weight * values / fastest + params.size_weight * size[name] / smallest)
        / weights
        for name, values in p95.items()
    }


def edge_winner(
    records: Sequence[Record], scores: Mapping[str, Float[np.ndarray, " rounds"]]
) -> Record | None:
    """The run with the lowest median score, or a more accurate or smaller one that is as cheap.

    As cheap: its score is not above the lowest in more rounds than chance would give
    (`latency.is_above`), so that the clock cannot tell the two apart. Networks that add nothing to
    the same linear forecast are equally accurate: then the size decides, the same on every machine.
    """
    able = [record for record in records if record.run.name in scores]
    if not able:
        return None
    lowest = min(able, key=lambda record: (np.median(scores[record.run.name]), record.rmse))
    reference = scores[lowest.run.name]
    tied = [record for record in able if not is_above(scores[record.run.name] - reference)]
    return min(
        tied,
        key=lambda record: (
            record.rmse,
            number(record.cells[SIZE]),
            np.median(scores[record.run.name]),
        ),
    )


def decide(
    records: Sequence[Record],
    latencies: Mapping[str, Latency],
    params: CompareParams,
    difference: Callable[[Record, Record], Interval],
) -> Verdict:
    """The verdict.

    Parameters
    ----------
    records : sequence of Record
    latencies : mapping
        Run -> latency of its exported file.
    params : CompareParams
    difference : callable
        Of two runs: the RMSE of the one minus that of the other, with its bootstrap interval.
    """
    able = [record for record in records if record.beats_baselines]
    if not able:
        reason = "no run beats the best baseline; use the baseline, not a network."
        return Verdict(None, None, None, reason, {}, {})
    scores = edge_scores(able, latencies, params)
    edge = edge_winner(able, scores)
    accuracy = min(able, key=lambda record: (record.rmse, record is not edge))
    if edge is None:
        reason = (
            f"{accuracy.run.name}, because it is the most accurate run; no run has "
            f"the file model.{params.format}, so latency and size do not count."
        )
        return Verdict(accuracy, None, accuracy, reason, {}, {})
    medians = {name: float(np.median(values)) for name, values in scores.items()}
    noise = {record.run.name: difference(record, accuracy) for record in able}
    # Of runs that the clock cannot tell apart the edge winner counts as the cheapest.
    counted = {**medians, edge.run.name: min(medians.values())}
    totals = total_scores(able, accuracy, counted, noise, params)
    # The winners first: between equals they are the plainer answer.
    ranked = sorted(
        (record for record in able if record.run.name in totals),
        key=lambda record: (totals[record.run.name], record is not edge, record is not accuracy),
    )
    reason = reason_of(ranked[0], accuracy, edge, noise, totals)
    return Verdict(accuracy, edge, ranked[0], reason, medians, totals)


def total_scores(
    records: Sequence[Record],
    accuracy: Record,
    edge: Mapping[str, float],
    noise: Mapping[str, Interval],
    params: CompareParams,
) -> dict[str, float]:
    """Run -> weighted mean of its RMSE, relative to the lowest, and of its edge score.

    An RMSE whose difference to the lowest is within the noise of the test windows counts as 1.
    """
    edge_weight = params.p95_weight + params.size_weight
    relative = {
        record.run.name: record.rmse / accuracy.rmse if noise[record.run.name].low > 0.0 else 1.0
        for record in records
    }
    return {
        name: (params.rmse_weight * relative[name] + edge_weight * score)
        / (params.rmse_weight + edge_weight)
        for name, score in edge.items()
    }


def reason_of(
    recommended: Record,
    accuracy: Record,
    edge: Record,
    noise: Mapping[str, Interval],
    totals: Mapping[str, float],
) -> str:
    """Why a run is recommended, in one sentence."""
    name = recommended.run.name
    if accuracy is edge and recommended is edge:
        return f"{name}, because it is the most accurate run and the cheapest on the edge."
    if recommended is accuracy:
        return (
            f"{name}, because the {edge.measure} of {edge.run.name}, the cheapest on the edge, is "
            f"above its own by {_band(noise[edge.run.name])}, more than the noise of the test "
            "windows, and counts for more than latency and size"
            f"{_scores(totals, recommended, edge)}."
        )
    if noise[name].low > 0.0:
        return (
            f"{name}, because it is the best of {accuracy.measure}, latency and size together"
            f"{_scores(totals, recommended, accuracy)}; its {accuracy.measure} is above that of "
            f"{accuracy.run.name}, the most accurate run, by {_band(noise[name])}."
        )
    cheapest = (
        "it is the cheapest on the edge"
        if recommended is edge
        else f"it is the best of latency and size{_scores(totals, recommended, edge)}"
    )
    return (
        f"{name}, because {cheapest}, and its {accuracy.measure} minus that of "
        f"{accuracy.run.name}, the most accurate run, is {_band(noise[name])}: no more than the "
        "noise of the test windows."
    )


def _band(interval: Interval) -> str:
    return f"{interval.difference:+.3g} [{interval.low:+.3g}, {interval.high:+.3g}]"


def _scores(totals: Mapping[str, float], one: Record, other: Record) -> str:
    """The weighted scores of two runs, in brackets; "" if one has none."""
    names = (one.run.name, other.run.name)
    if any(name not in totals for name in names):
        return ""
    ours, theirs = (totals[name] for name in names)
    return f" (score {ours:.3f} against {theirs:.3f})"
