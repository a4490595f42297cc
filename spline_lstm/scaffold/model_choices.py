"""How to forecast a series that nobody tuned: the settings that `init` chooses, with reasons.

A recipe, not a search: it looks only at how much data there is and at the seasons of the training
split. docs/accuracy.md says what was measured with it, and on what.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spline_lstm.core.formatting import plural
from spline_lstm.core.params import BacktestParams
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.models.linear_designs import MAX_LOOKBACK, long_lookbacks
from spline_lstm.models.seasons import find_seasons
from spline_lstm.scaffold.clocks import rows_of
from spline_lstm.scaffold.column_roles import Panel
from spline_lstm.scaffold.extent import Extent

# A lookback may take one of so many parts of the training rows: the rest are windows.
SHARE_OF_TRAINING = 2
MAX_NETWORK_LOOKBACK = 400
# Recurrent steps that a network is trained on in a reasonable time.
MOST_SEGMENTS = 28
LEAST_SEGMENT = 4
# Series of a panel that are looked at for seasons.
MOST_SERIES = 50
BATCH = 64
PASSES = 20
STEPS = (1500, 3000)
EVALUATIONS = 30
PATIENCE = 8
# Sections that are one recipe.
SECTIONS = ("model.", "train.", "backtest.")


@dataclass(frozen=True)
class Extents:
    """What the recipe looks at.

    Attributes
    ----------
    training : int, rows of the training split, of the median series of a panel
    series : int, how many
    seasons : rows, ascending, those that the training split follows
    horizon : int, rows
    absent : float, share of the grid without a target
    lookback : int, rows, if the user has decided; None: to be chosen
    lengths : rows of each series, of which the training split is a part; nothing: all are alike
    """

    training: int
    series: int
    seasons: tuple[int, ...]
    horizon: int
    absent: float
    lookback: int | None = None
    lengths: tuple[int, ...] = ()


def look_at(panel: Panel, extent: Extent, horizon: int, training: float) -> Extents:
    """The extents of a table; `training` is the share of the training split."""
    lengths = extent.lengths[extent.lengths > 0]
    return Extents(
        math.floor(training * float(np.median(lengths))),
        len(lengths),
        _seasons(panel, extent, training),
        horizon,
        extent.absent,
        lengths=tuple(lengths.tolist()),
    )


def _seasons(panel: Panel, extent: Extent, training: float) -> tuple[int, ...]:
    """Seasons of the clock that most series follow in their first target."""
    natural = list(extent.clock.seasons().values())
    name = next(iter(panel.targets))
    rows, observed = rows_of(extent.clock, panel), panel.observed(name)
    limit = rows.min() + math.floor(training * extent.longest)
    parts = []
    keys = np.unique(panel.keys[observed])
    for key in keys[evenly_spaced(len(keys), MOST_SERIES)]:
        own = observed & (panel.keys == key) & (rows < limit)
        if own.any():
            first = rows[own].min()
            part = np.full(int(rows[own].max() - first) + 1, np.nan)
            part[rows[own] - first] = panel.targets[name][own]
            parts.append(part)
    return find_seasons(parts, natural) if parts else ()


@dataclass(frozen=True)
class Choice:
    """A value of params.yaml, and why; an empty reason: part of the choice before it."""

    key: str
    value: Any
    reason: str = ""


def choose(
    panel: Panel, extent: Extent, horizon: int, training: float, overlay: Mapping[str, Any]
) -> list[Choice]:
    """What the recipe says where the `overlay` of the user says nothing.

    An overlay that says anything about the model or its training is a recipe of its own: there,
    only windows and scaling are chosen.

    Parameters
    ----------
    panel : Panel
    extent : Extent
    horizon : int, rows
    training : float, share of the training split
    overlay : dotted key of params.yaml -> value
    """
    extents = look_at(panel, extent, overlay.get("window.horizon", horizon), training)
    extents = replace(extents, lookback=overlay.get("window.lookback"))
    closed = SECTIONS if any(key.startswith(SECTIONS) for key in overlay) else ()
    return [
        choice
        for choice in choose_model(extents)
        if choice.key not in overlay and not choice.key.startswith(closed)
    ]


def choose_model(extents: Extents) -> list[Choice]:
    """All choices; the keys are those of params.yaml, dotted."""
    lookback = extents.lookback or choose_lookback(extents)
    network = choose_network_lookback(extents, lookback)
    season = extents.seasons[0] if extents.seasons else 1
    segment = choose_segment(network, season)
    choices = [
        Choice("window.lookback", lookback, _lookback_reason(extents, lookback)),
        Choice("model.network_lookback", network, _network_reason(extents, lookback, network)),
        Choice("model.segment", segment, _segment_reason(segment, season)),
        Choice(
            "model.linear_skip",
            "frozen",
            "the network corrects a linear forecast, as far as validation shows that it helps",
        ),
        Choice("model.seasonal_skip", bool(extents.seasons)),
        Choice("model.stack", "shrunk"),
        Choice("train.loss", "huber", "linear beyond the typical miss of the linear forecast"),
        Choice("train.huber_delta", "residual"),
        *_budget(extents, lookback),
    ]
    return choices + (_gaps() if extents.absent > 0 else [])


def _gaps() -> list[Choice]:
    return [
        Choice(
            "window.max_missing_inputs",
            0.5,
            "no window is lost to a gap; mask and age tell the network",
        ),
        Choice(
            "preprocess.fill",
            "seasonal",
            "a gap follows the season, if the training split shows that its profile fills better",
        ),
    ]


def choose_lookback(extents: Extents) -> int:
    """The longest of one to four seasons, with or without a horizon more, that the rows allow.

    Up to sixteen of the longest season where they are a quarter of the rows at most, also of the
    shortest series of a panel that one to four leave a window.
    """
    base = 4 * extents.horizon
    most = max(base, min(extents.training // SHARE_OF_TRAINING, MAX_LOOKBACK))
    lengths = {
        k * season + extra
        for season in extents.seasons
        for k in (1, 2, 3, 4)
        for extra in (0, extents.horizon)
    }
    fitting = [length for length in (base, *lengths) if length <= most]
    few = max(1, min(max(fitting), extents.training // 2))
    longest = max(extents.seasons, default=0)
    if longest < 2:
        return few
    many = long_lookbacks(extents.horizon, longest, _rows_of_shortest(extents, few))
    return max([few, *many])


def _rows_of_shortest(extents: Extents, lookback: int) -> int:
    """Training rows of the shortest series that has a window of this lookback."""
    reading = [rows for rows in extents.lengths if rows >= lookback + extents.horizon]
    if not reading:
        return extents.training
    part = extents.training * min(reading) / float(np.median(extents.lengths))
    return min(extents.training, math.floor(part))


def choose_network_lookback(extents: Extents, lookback: int) -> int:
    """The longest season that is not too long, and a horizon."""
    seasons = [season for season in extents.seasons if season <= MAX_NETWORK_LOOKBACK]
    wanted = max([4 * extents.horizon, *(season + extents.horizon for season in seasons)])
    return min(wanted, MAX_NETWORK_LOOKBACK, lookback)


def choose_segment(network_lookback: int, season: int) -> int:
    """Rows per recurrent step: the least divisor of the season that gives few steps."""
    least = max(LEAST_SEGMENT, math.ceil(network_lookback / MOST_SEGMENTS))
    divisors = [k for k in range(least, min(season, 4 * least) + 1) if season % k == 0]
    return min(divisors[0] if divisors else least, network_lookback)


def choose_steps(windows: int) -> int:
    """Steps of a training on so many windows."""
    steps = min(max(PASSES * windows // BATCH, STEPS[0]), STEPS[1])
    return steps - steps % EVALUATIONS


def _budget(extents: Extents, lookback: int) -> list[Choice]:
    windows = max(1, extents.training - lookback - extents.horizon + 1) * extents.series
    steps = choose_steps(windows)
    return [
        Choice("train.max_epochs", None),
        Choice("train.patience", None),
        Choice(
            "train.max_steps",
            steps,
            f"{PASSES} passes over about {windows} windows, {STEPS[0]} to {STEPS[1]}",
        ),
        Choice("train.eval_steps", steps // EVALUATIONS),
        Choice("train.patience_evaluations", PATIENCE),
        Choice("train.learning_rate", 0.002),
        Choice("backtest.max_epochs", None),
        # Its folds take every fourth window.
        Choice("backtest.max_steps", choose_steps(windows // (BacktestParams().stride or 1))),
    ]


def _lookback_reason(extents: Extents, lookback: int) -> str:
    if not extents.seasons:
        return "four horizons: no season was found"
    longest = [s for s in extents.seasons if s <= lookback]
    if not longest:
        return "the training split is too short for a season"
    count = (lookback - extents.horizon) / longest[-1]
    whole = lookback / longest[-1]
    if whole == round(whole):
        return f"{plural(round(whole), 'season')} of {longest[-1]} rows"
    if count == round(count):
        return f"{plural(round(count), 'season')} of {longest[-1]} rows and a horizon"
    return "four horizons, more than a season"


def _network_reason(extents: Extents, lookback: int, network: int) -> str:
    if network == lookback:
        return "the network reads the whole lookback"
    start = f"of the {lookback} rows the network reads the latest"
    for season in extents.seasons:
        if network == season + extents.horizon:
            return f"{start}: a season of {season} rows and a horizon"
    if network == 4 * extents.horizon:
        return f"{start}: four horizons"
    return f"{start}; longer ones cost time"


def _segment_reason(segment: int, season: int) -> str:
    if season > 1 and season % segment == 0:
        return f"rows in one step of the network; divides the season of {season}"
    return "rows in one step of the network"


def describe(choices: Sequence[Choice]) -> dict[str, str]:
    """Key -> value and reason, for the console; choices without a reason are not named."""
    return {c.key: f"{c.value} ({c.reason})" for c in choices if c.reason}
