"""Cells (a model in a feature mode, over its seeds), winners and a recommendation.

A run whose RMSE is not below that of every baseline of its feature mode can win nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spline_lstm.core.params import CompareParams
from spline_lstm.experiments.bootstrap import Interval, Spread, spread
from spline_lstm.experiments.results import Record, nan_last, number

SPREAD_COLUMNS = (
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
class Cell:
    """One model in one feature mode.

    Attributes
    ----------
    name : model and mode
    records : one per seed
    spreads : column -> mean, lowest and highest over the seeds
    """

    name: str
    records: tuple[Record, ...]
    spreads: Mapping[str, Spread]

    @property
    def rmse(self) -> Spread:
        """RMSE over the seeds."""
        return self.spreads["RMSE"]


@dataclass(frozen=True)
class Verdict:
    """Who wins, and what to use.

    Attributes
    ----------
    accuracy : the run with the lowest RMSE, None where none beats the baselines
    edge : the run with the lowest weighted latency and size of those that beat the baselines
    recommended : one of the two
    reason : one sentence
    scores : run that beats the baselines -> its edge score, 1 at best
    """

    accuracy: Record | None
    edge: Record | None
    recommended: Record | None
    reason: str
    scores: Mapping[str, float]


def cells_of(records: Sequence[Record]) -> list[Cell]:
    """The cells in the order of the records."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(cell_name(record), []).append(record)
    return [
        Cell(
            name,
            tuple(group),
            {
                column: spread([number(record.cells[column]) for record in group])
                for column in SPREAD_COLUMNS
            },
        )
        for name, group in groups.items()
    ]


def cell_name(record: Record) -> str:
    """Model and feature mode."""
    return f"{record.run.model_type} {record.run.feature_mode}"


def best_cell(cells: Sequence[Cell]) -> Cell:
    """The cell with the lowest mean RMSE."""
    return min(cells, key=lambda cell: nan_last(cell.rmse.mean))


def edge_scores(records: Sequence[Record], params: CompareParams) -> dict[str, float]:
    """Run -> weighted mean of its p95 and its size, each relative to the smallest; 1 is the best there can be."""
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
        return Verdict(
            None, None, None, "No run beats the best baseline: use the baseline, not a network.", {}
        )
    scores = edge_scores(able, params)
    accuracy = min(able, key=lambda record: record.rmse)
    edge = min(able, key=lambda record: (nan_last(scores[record.run.name]), record.rmse))
    recommended, reason = recommend(accuracy, edge, difference)
    return Verdict(accuracy, edge, recommended, reason, scores)


def recommend(
    accuracy: Record, edge: Record, difference: Callable[[Record, Record], Interval]
) -> tuple[Record, str]:
    """The edge winner where it is not worse than the accuracy winner beyond the noise, else that; and why."""
    if accuracy is edge:
        return (
            accuracy,
            f"{accuracy.run.name}, because it is the most accurate run and the cheapest on the edge.",
        )
    interval = difference(edge, accuracy)
    band = f"{interval.difference:+.3g} [{interval.low:+.3g}, {interval.high:+.3g}]"
    if interval.low > 0.0:
        return accuracy, (
            f"{accuracy.run.name}, because the RMSE of {edge.run.name}, the cheapest on the edge, is above its own by "
            f"{band}, more than the noise of the test windows."
        )
    return edge, (
        f"{edge.run.name}, because it is the cheapest on the edge, and its RMSE minus that of {accuracy.run.name}, the "
        f"most accurate run, is {band}: no more than the noise of the test windows."
    )
