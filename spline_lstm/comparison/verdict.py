"""Cells (a model in a feature mode, over its seeds), winners and a recommendation.

A run whose RMSE is not below that of every baseline of its feature mode can win nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spline_lstm.comparison.records import Record, nan_last, number
from spline_lstm.comparison.significance import Interval, Spread, spread
from spline_lstm.params import CompareParams

SPREAD_COLUMNS = ("RMSE", "MAE", "MASE", "R2", "p50(ms)", "p95(ms)", "model_size(MB)", "train_time(s)")


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
    edge : the run of the cell with the lowest weighted latency and size
    recommended : one of the two
    reason : one sentence
    """

    accuracy: Record | None
    edge: Record | None
    recommended: Record | None
    reason: str


def cells_of(records: Sequence[Record]) -> list[Cell]:
    """The cells in the order of the records."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(cell_name(record), []).append(record)
    return [
        Cell(
            name,
            tuple(group),
            {column: spread([number(record.cells[column]) for record in group]) for column in SPREAD_COLUMNS},
        )
        for name, group in groups.items()
    ]


def cell_name(record: Record) -> str:
    """Model and feature mode."""
    return f"{record.run.model_type} {record.run.data_mode}"


def best_cell(cells: Sequence[Cell]) -> Cell:
    """The cell with the lowest mean RMSE."""
    return min(cells, key=lambda cell: nan_last(cell.rmse.mean))


def edge_scores(cells: Sequence[Cell], params: CompareParams) -> dict[str, float]:
    """Cell -> weighted mean of p95 and size, each relative to the smallest; 1 is the best there can be."""
    p95 = {cell.name: cell.spreads["p95(ms)"].mean for cell in cells}
    size = {cell.name: cell.spreads["model_size(MB)"].mean for cell in cells}
    weights = params.p95_weight + params.size_weight
    return {
        name: (params.p95_weight * p95[name] / min(p95.values()) + params.size_weight * size[name] / min(size.values()))
        / weights
        for name in p95
    }


def decide(cells: Sequence[Cell], intervals: Mapping[str, Interval], params: CompareParams) -> Verdict:
    """The verdict.

    Parameters
    ----------
    cells : sequence of Cell
    intervals : mapping
        Cell -> difference of its RMSE to that of the best cell.
    params : CompareParams
    """
    able = [record for cell in cells for record in cell.records if record.beats_baselines]
    if not able:
        return Verdict(None, None, None, "No run beats the best baseline: use the baseline, not a network.")
    accuracy = min(able, key=lambda record: record.rmse)
    fit = [cell for cell in cells if any(record in able for record in cell.records)]
    scores = edge_scores(fit, params)
    light = min(fit, key=lambda cell: scores[cell.name])
    edge = min((record for record in light.records if record in able), key=lambda record: record.rmse)
    return recommend(accuracy, edge, intervals)


def recommend(accuracy: Record, edge: Record, intervals: Mapping[str, Interval]) -> Verdict:
    """The edge winner where its cell is not worse than the best one beyond the noise, else the accuracy winner."""
    if accuracy is edge:
        reason = f"{accuracy.run.name} is the most accurate run and its model the cheapest on the edge."
        return Verdict(accuracy, edge, accuracy, reason)
    interval = intervals[cell_name(edge)]
    band = f"{interval.difference:+.3g} [{interval.low:+.3g}, {interval.high:+.3g}]"
    if interval.low > 0.0:
        reason = (
            f"{accuracy.run.name}, because the RMSE of the cheaper {cell_name(edge)} is worse beyond the noise of the "
            f"test windows ({band} to the best)."
        )
        return Verdict(accuracy, edge, accuracy, reason)
    reason = (
        f"{edge.run.name}, because it is the cheapest on the edge and its RMSE cannot be told from the best on these "
        f"test windows ({band})."
    )
    return Verdict(accuracy, edge, edge, reason)
