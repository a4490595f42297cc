"""Members of a linear forecaster: closed-form regressions, judged on validation windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.models.exact import rounded, solve_spd
from spline_lstm.models.linear import log_cap
from spline_lstm.models.linear_designs import Design, Terms, extend
from spline_lstm.models.linear_moments import Moments, Rows, moments
from spline_lstm.models.linear_smoothing import Smoothing

STRENGTHS = (10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True)
class Form:
    """Variant of a regression.

    Attributes
    ----------
    anchor : int, index into `Design.anchors`
    level : bool, the level is an input
    strength : float, the penalty relative to the mean square of the scaled inputs; infinite:
        nothing is fitted, the forecast is the anchor
    """

    anchor: int
    level: bool
    strength: float


@dataclass(frozen=True)
class Member:
    """A regression in one form, or exponential smoothing, on one scale.

    Attributes
    ----------
    scale : int, index of the scale
    errors : [validation windows] mean squared error of each, in squares of `Problem.spread`
    """

    design: Design | Smoothing
    scale: int
    form: Form
    errors: Float[np.ndarray, " windows"]

    @property
    def error(self) -> float:
        """Mean squared error."""
        return float(self.errors.mean())

    @property
    def fitted(self) -> bool:
        """Whether it is a regression, not an anchor by itself."""
        return bool(np.isfinite(self.form.strength))

    @property
    def name(self) -> str:
        """For logs and reports, without the scale."""
        if self.fitted or isinstance(self.design, Smoothing):
            return self.design.name
        return f"seasonal naive {self.design.season}" if self.design.season else "naive"


class Share(NamedTuple):
    """A member, and its weight in an average."""

    member: Member
    weight: float


@dataclass(frozen=True)
class Equations:
    """Normal equations of a design in scaled inputs.

    Attributes
    ----------
    gram : [groups, n, n], cross : [n, horizon]
    units : [n], an input is a column of integers times its unit
    """

    gram: Float[np.ndarray, "groups n n"]
    cross: Float[np.ndarray, "n horizon"]
    units: Float[np.ndarray, " n"]

    @classmethod
    def of(cls, found: Moments, columns: Terms, anchor: Terms, grid: float) -> "Equations":
        """Scale the moments: inputs by their root mean square, level and constant as they are."""
        gram, cross = found.regression(columns, anchor)
        n = gram.shape[1] - 2
        squares = float(np.diagonal(gram, axis1=1, axis2=2)[:, :n].mean()) if n else 0.0
        size = float(np.sqrt(squares)) * grid or 1.0
        units = np.concatenate([np.full(n, grid / size), [grid, 1.0]])
        return cls(gram * units[:, None] * units, cross * units[:, None] * grid, units)

    def solve(self, level: bool, strengths: Sequence[float]) -> Float[np.ndarray, "n horizon s"]:
        """Weights of the columns for each strength; fast, the last digits depend on the CPU."""
        weights = np.zeros((*self.cross.shape, len(strengths)))
        keep = self._kept(level)
        for group, steps in self._groups():
            matrix = self.gram[group][np.ix_(keep, keep)]
            system = np.repeat(matrix[None], len(strengths), axis=0)
            diagonal = np.arange(len(keep))
            system[:, diagonal, diagonal] += np.array(strengths)[:, None]
            solution = np.linalg.solve(system, self.cross[keep][:, steps])
            weights[keep, steps] = np.moveaxis(solution, 0, -1)
        return weights * self.units[:, None, None]

    def solve_exactly(self, form: Form) -> Float[np.ndarray, "n horizon"]:
        """Weights of the columns, the same bytes on every CPU."""
        weights = np.zeros_like(self.cross)
        keep = self._kept(form.level)
        for group, steps in self._groups():
            matrix = self.gram[group][np.ix_(keep, keep)] + form.strength * np.eye(len(keep))
            weights[keep, steps] = rounded(solve_spd(matrix, self.cross[keep][:, steps]))
        return weights * self.units[:, None]

    def _kept(self, level: bool) -> np.ndarray:
        index = np.arange(len(self.units))
        return index if level else np.delete(index, -2)

    def _groups(self) -> list[tuple[int, slice]]:
        if len(self.gram) == 1:
            return [(0, slice(None))]
        return [(step, slice(step, step + 1)) for step in range(len(self.gram))]


@dataclass(frozen=True)
class Problem:
    """One scale: moments of the training windows, and the validation windows with their labels.

    Attributes
    ----------
    moments : of each depth
    windows : [windows, depth + 2] integers, see `linear_designs.extend`
    index : [windows] series of each
    times : [windows] row of the clock of the origin of each
    labels : [windows, horizon] data units, NaN: not observed
    spread : [series] data units in which the errors of each series count, see `typical_miss`
    """

    rows: Rows
    moments: dict[int, Moments]
    windows: Float[np.ndarray, "windows extended"]
    index: Int[np.ndarray, " windows"]
    times: Int[np.ndarray, " windows"]
    labels: Float[np.ndarray, "windows horizon"]
    spread: Float[np.ndarray, " series"]

    @classmethod
    def of(
        cls,
        rows: Rows,
        train: Int[np.ndarray, " n"],
        validation: Int[np.ndarray, " m"],
        depths: Sequence[int],
        spread: Float[np.ndarray, " series"],
        horizon: int,
    ) -> "Problem":
        """Moments at the origins `train`, windows at the origins `validation`."""
        return cls(
            rows,
            moments(rows, train, depths, horizon),
            extend(rows.windows(validation, max(depths))),
            rows.series.of(validation),
            rows.series.times(validation),
            rows.series.labels(validation, horizon),
            spread,
        )

    @property
    def horizon(self) -> int:
        """Steps of a forecast."""
        return self.labels.shape[1]

    def errors(self, scores: Float[np.ndarray, "windows horizon forms"]) -> np.ndarray:
        """Mean squared error [windows, forms] of forecasts in z-scores; 0 without a label."""
        shape = (-1, 1, 1)
        center, size = self.rows.scale.center[self.index], self.rows.scale.scale[self.index]
        if self.rows.scale.log:
            last = self.windows[:, -3] * self.rows.grid  # before the two columns of `extend`
            scores = np.minimum(scores, log_cap(last).reshape(shape))
        values = scores * size.reshape(shape) + center.reshape(shape)
        values = np.exp(values) if self.rows.scale.log else values
        miss = (values - self.labels[..., None]) / self.spread[self.index].reshape(shape)
        seen = ~np.isnan(self.labels)
        miss = np.where(seen[..., None], miss, 0.0)
        return np.einsum("nhf,nhf->nf", miss, miss) / np.maximum(seen.sum(axis=1), 1)[:, None]


def judge(
    design: Design, scale: int, problem: Problem, strengths: Sequence[float] = STRENGTHS
) -> list[Member]:
    """The design in all its forms; nothing if it has too few training windows."""
    found = problem.moments.get(design.depth(problem.horizon))
    if found is None:
        return []
    columns, grid = design.columns(problem.horizon), problem.rows.grid
    inputs = columns.of(problem.windows)
    members = []
    for index, anchor in enumerate(design.anchors(problem.horizon)):
        base = anchor.of(problem.windows)[..., None] * grid
        equations = Equations.of(found, columns, anchor, grid)
        for level in (False, True):
            scores = base + np.tensordot(inputs, equations.solve(level, strengths), 1)
            for strength, errors in zip(strengths, problem.errors(scores).T, strict=True):
                members.append(Member(design, scale, Form(index, level, strength), errors))
    return members


def unfitted(season: int, scale: int, problem: Problem) -> Member:
    """The seasonal naive forecast, or the naive one if `season` is 0."""
    design = Design(1, season=season)
    anchors = design.anchors(problem.horizon)
    scores = anchors[-1].of(problem.windows)[..., None] * problem.rows.grid
    form = Form(len(anchors) - 1, False, np.inf)
    return Member(design, scale, form, problem.errors(scores)[:, 0])


def smoothed(model: Smoothing, scale: int, problem: Problem) -> Member:
    """Exponential smoothing; its form says that no label was fitted."""
    weights = model.weights(problem.horizon)
    rows = problem.windows[:, -2 - model.lookback : -2] * problem.rows.grid
    errors = problem.errors(np.tensordot(rows, weights, 1)[..., None])[:, 0]
    return Member(model, scale, Form(0, False, np.inf), errors)


def matrix(member: Member, problem: Problem, depth: int) -> Float[np.ndarray, "extended horizon"]:
    """The member as weights of the z-scores of the last `depth` rows, of 1 and of 0."""
    design, grid, horizon = member.design, problem.rows.grid, problem.horizon
    if isinstance(design, Smoothing):
        return np.pad(design.weights(horizon), ((depth - design.lookback, 2), (0, 0)))
    columns, anchor = design.columns(horizon), design.anchors(horizon)[member.form.anchor]
    folded = anchor.fold(np.eye(horizon), depth)
    if not member.fitted:
        return folded
    equations = Equations.of(problem.moments[design.depth(horizon)], columns, anchor, grid)
    weights = equations.solve_exactly(member.form)
    # The columns were integers, z-scores divided by the grid; the constant was not divided.
    weights[:-1] /= grid
    return folded + columns.fold(weights, depth)
