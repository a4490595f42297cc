"""Candidates (a model in a feature mode, over its seeds), winners and a recommendation.

A run whose RMSE is not below that of every baseline of its feature mode can win nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spline_lstm.core.params import CompareParams
from spline_lstm.experiments.bootstrap import Interval, SeedRange, seed_range
from spline_lstm.experiments.results import Record, nan_last, number

RANGE_COLUMNS = (
    "RMSE",
    "MAE",
    "MASE",
    "R2",
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
    accuracy : the run with the lowest RMSE, None if none beats the baselines
    edge : of those that beat the baselines, the run with the lowest weighted latency and size;
        None if none exports the file that counts
    recommended : one of the two
    reason : one sentence
    scores : run that beats the baselines -> its edge score, 1 at best
    """

    accuracy: Record | None
    edge: Record | None
    recommended: Record | None
    reason: str
    scores: Mapping[str, float]


def candidates_of(records: Sequence[Record]) -> list[Candidate]:
    """The candidates in the order of the records."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(candidate_name(record), []).append(record)
    return [Candidate(name, tuple(group), _ranges(group)) for name, group in groups.items()]


def _ranges(records: Sequence[Record]) -> dict[str, SeedRange]:
    return {
        column: seed_range([number(record.cells[column]) for record in records])
        for column in dict.fromkeys((*RANGE_COLUMNS, records[0].measure))
    }


def candidate_name(record: Record) -> str:
    """Model and feature mode."""
    return f"{record.run.model_type} {record.run.feature_mode}"


def best_candidate(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate with the lowest mean RMSE."""
    return min(candidates, key=lambda candidate: nan_last(candidate.rmse.mean))


def edge_scores(records: Sequence[Record], params: CompareParams) -> dict[str, float]:
    """Run -> weighted mean of its p95 and its size, each relative to the smallest; 1 is perfect."""
    p95 = {record.run.name: number(record.cells["p95(ms)"]) for record in records}
    size = {record.run.name: number(record.cells["model_size(MB)"]) for record in records}
    fastest, smallest = (min(map(nan_last, values.values())) for values in (p95, size))
    weights = params.p95_weight + params.size_weight
    return {
        name: (params.p95_weight * p95[name] / fastest + params.size_weight * size[name] / smallest)
        / weights
        for name in p95
    }


def decide(
    records: Sequence[Record],
    params: CompareParams,
    difference: Callable[[Record, Record], Interval],
) -> Verdict:
    """The verdict.

    Parameters
    ----------
    records : sequence of Record
    params : CompareParams
    difference : callable
        Of two runs: the RMSE of the one minus that of the other, with its bootstrap interval.
    """
    able = [record for record in records if record.beats_baselines]
    if not able:
        reason = "no run beats the best baseline; use the baseline, not a network."
        return Verdict(None, None, None, reason, {})
    accuracy = min(able, key=lambda record: record.rmse)
    exported = [record for record in able if record.cells["p95(ms)"] is not None]
    if not exported:
        reason = (
            f"because it is the most accurate run; none exports {params.format} (export.formats)."
        )
        return Verdict(accuracy, None, accuracy, f"{accuracy.run.name}, {reason}", {})
    scores = edge_scores(exported, params)
    edge = min(exported, key=lambda record: (nan_last(scores[record.run.name]), record.rmse))
    recommended, reason = recommend(accuracy, edge, difference)
    return Verdict(accuracy, edge, recommended, reason, scores)


def recommend(
    accuracy: Record, edge: Record, difference: Callable[[Record, Record], Interval]
) -> tuple[Record, str]:
    """The edge winner unless it is worse than the accuracy winner beyond the noise; and why."""
    if accuracy is edge:
        reason = "because it is the most accurate run and the cheapest on the edge."
        return accuracy, f"{accuracy.run.name}, {reason}"
    interval = difference(edge, accuracy)
    band = f"{interval.difference:+.3g} [{interval.low:+.3g}, {interval.high:+.3g}]"
    if interval.low > 0.0:
        return accuracy, (
            f"{accuracy.run.name}, because the {edge.measure} of {edge.run.name}, the cheapest on "
            f"the edge, is above its own by {band}, more than the noise of the test windows."
        )
    return edge, (
        f"{edge.run.name}, because it is the cheapest on the edge, and its {edge.measure} minus "
        f"that of {accuracy.run.name}, the most accurate run, is {band}: no more than the noise "
        "of the test windows."
    )
