"""Arithmetic of the accuracy suite: errors of forecasts, ratios, and one table of all series."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from jaxtyping import Float, Int

Values = Float[np.ndarray, "windows horizon"]
LIMIT = 1.02
LEVEL = 1.005  # a ratio that counts as level
RIDGE = "ridge"


@dataclass(frozen=True)
class Result:
    """One data set.

    Attributes
    ----------
    name : str
    windows : int, test windows
    errors : name -> `error` of each simple baseline, in training standard deviations of the series
    runs : `error` of each seed, same units
    verdict : what evaluation said of the median seed
    seconds : CPU seconds of all stages, of each seed
    panel : metric -> value of the median seed; empty for a single series
    peers : name -> `error` of the median seed / that of the peer, on the windows that the peer
        forecast
    """

    name: str
    windows: int
    errors: Mapping[str, float]
    runs: tuple[float, ...]
    verdict: str
    seconds: tuple[float, ...]
    panel: Mapping[str, float]
    peers: Mapping[str, float] = field(default_factory=dict)

    @property
    def against_each(self) -> dict[str, float]:
        """`peers`, and the regression among the baselines, which is one like those."""
        ridge = {RIDGE: median(self.runs) / self.errors[RIDGE]} if RIDGE in self.errors else {}
        return {**ridge, **self.peers}

    @property
    def against(self) -> tuple[str, float]:
        """The best peer, known only in hindsight, and the error of the model / its error."""
        peers = self.against_each
        name = max(peers, key=lambda peer: peers[peer])
        return name, peers[name]

    @property
    def best(self) -> str:
        """The simple baseline with the least test error: known only in hindsight."""
        return min(self.errors, key=lambda name: self.errors[name])

    @property
    def ratio(self) -> float:
        """Median over the seeds of RMSE / RMSE of the best simple baseline."""
        return median(self.runs) / self.errors[self.best]


def rmse(forecast: Values, truth: Values, spread: Float[np.ndarray, " windows"]) -> float:
    """Root mean square of errors in units of `spread`, over the observed labels."""
    return float(np.sqrt(np.nanmean(((forecast - truth) / spread[:, None]) ** 2)))


def error(
    forecast: Values,
    truth: Values,
    spread: Float[np.ndarray, " windows"],
    series: Int[np.ndarray, " windows"],
) -> float:
    """`rmse` of one series; of a panel the geometric mean over the series, which count the same.

    A pooled error would be that of the few series that went astray.
    """
    groups = [series == index for index in np.unique(series)]
    return geometric_mean([rmse(forecast[g], truth[g], spread[g]) for g in groups])


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive numbers.

    >>> round(geometric_mean([1.0, 4.0]), 12)
    2.0
    """
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def sign_test(ratios: Sequence[float]) -> float:
    """Two-sided probability of so many or more ratios on one side of 1 by chance; ties left out.

    >>> sign_test([0.9, 0.8, 0.7, 1.1])
    0.625
    """
    below = sum(ratio < 1 for ratio in ratios)
    count = below + sum(ratio > 1 for ratio in ratios)
    most = max(below, count - below)
    tail = math.fsum(math.comb(count, k) for k in range(most, count + 1)) / 2**count
    return min(1.0, 2 * tail)


def panel_metrics(
    forecast: Values,
    truth: Values,
    seasonal: Values,
    series: Int[np.ndarray, " windows"],
    steps: Float[np.ndarray, " series"],
) -> dict[str, float]:
    """Each series counts the same, whatever its size.

    Parameters
    ----------
    forecast, truth, seasonal : [windows, horizon] data units; of the model, observed (NaN: not),
        and of the seasonal naive forecast
    series : [windows] index of the series of each
    steps : [series] mean absolute seasonal difference of the training rows, the scale of MASE
        (Hyndman and Koehler 2006, International Journal of Forecasting 22, 679-688)

    Returns
    -------
    dict
        Geometric mean over the series of RMSE / RMSE of the seasonal naive forecast; mean over the
        series of sMAPE, percent (Makridakis 1993), and of MASE.
    """
    ratios, percent, scaled = [], [], []
    for index in np.unique(series):
        own = series == index
        error, bar = forecast[own] - truth[own], seasonal[own] - truth[own]
        ratios.append(float(np.sqrt(np.nanmean(error**2) / np.nanmean(bar**2))))
        size = np.abs(forecast[own]) + np.abs(truth[own])
        percent.append(float(np.nanmean(200 * np.abs(error) / np.where(size > 0, size, 1.0))))
        scaled.append(float(np.nanmean(np.abs(error)) / steps[index]))
    return {
        "RMSE / seasonal naive": geometric_mean(ratios),
        "sMAPE": float(np.mean(percent)),
        "MASE": float(np.mean(scaled)),
    }


def summary(results: Sequence[Result]) -> str:
    """The last lines of the table."""
    ratios = [result.ratio for result in results]
    worst = max(results, key=lambda result: result.ratio)
    over = sum(ratio > LIMIT for ratio in ratios)
    lines = [
        f"Geometric mean {geometric_mean(ratios):.3f}, worst {worst.ratio:.3f} ({worst.name}), "
        f"above {LIMIT}: {over} of {len(results)}; sign test against the best baseline in "
        f"hindsight: p = {sign_test(ratios):.3f}; CPU seconds of a run, median "
        f"{median(s for result in results for s in result.seconds):.0f}, most "
        f"{max(s for result in results for s in result.seconds):.0f}."
    ]
    for result in results:
        if result.panel:
            figures = ", ".join(f"{name} {value:.3f}" for name, value in result.panel.items())
            lines.append(f"{result.name}, each series counts the same: {figures}.")
    return "\n\n".join(lines)


def peer_table(results: Sequence[Result]) -> str:
    """Ratios of RMSE to that of each peer, and who wins; empty without peers."""
    joined = [result for result in results if result.peers]
    if not joined:
        return ""
    names = sorted({name for result in joined for name in result.peers})
    rows = [
        f"| series | {' | '.join(names)} | ridge | best peer | ratio |",
        "|---|" + "---:|" * (len(names) + 1) + "---|---:|",
    ]
    for result in joined:
        every = result.against_each
        cells = [f"{every[name]:.3f}" if name in every else "" for name in [*names, RIDGE]]
        best, ratio = result.against
        rows.append(f"| {result.name} | {' | '.join(cells)} | {best} | {ratio:.3f} |")
    ratios = [result.against[1] for result in joined]
    ahead, level = sum(r < 1 for r in ratios), sum(1 <= r <= LEVEL for r in ratios)
    text = (
        f"Against the best peer in hindsight: ahead on {ahead} of {len(joined)}, worse by "
        f"at most {LEVEL - 1:.1%} on {level}; geometric mean {geometric_mean(ratios):.3f}; sign "
        f"test p = {sign_test(ratios):.3f}."
    )
    means = [
        f"{name} {geometric_mean(own):.3f} ({sum(r < 1 for r in own)} of {len(own)})"
        for name in names
        if (own := [result.peers[name] for result in joined if name in result.peers])
    ]
    each = f"Geometric mean against each, and how often ahead: {', '.join(means)}."
    return "\n".join(rows) + f"\n\n{text}\n\n{each}\n"


def markdown(results: Sequence[Result]) -> str:
    """The whole table; ratios are of RMSE to that of the best simple baseline."""
    rows = [
        "| series | windows | best baseline | ratio | seeds | CPU s | verdict |",
        "|---|---:|---|---:|---|---:|---|",
    ]
    for result in results:
        bar = result.errors[result.best]
        seeds = " ".join(f"{run / bar:.3f}" for run in result.runs)
        rows.append(
            f"| {result.name} | {result.windows} | {result.best} | {result.ratio:.3f} | {seeds} "
            f"| {median(result.seconds):.0f} | {result.verdict} |"
        )
    peers = peer_table(results)
    return "\n".join(rows) + "\n\n" + summary(results) + "\n" + (peers and "\n" + peers)
