"""An hourly panel of stores with a known truth, for tests, examples and speed measurements.

Store `s` at hour `k` (hour of the day `h`, weekday `w`, hours in all `n`):

    season_k  = 12 + 9 sin(2 pi (k / 24 - 100) / 365.25)                               degrees C
    weather_k = 0.985 weather_(k-1) + N(0, 0.35),  one path for all stores
    temp_k    = season_k + weather_k + 4 sin(2 pi (h - 9) / 24) + 3 [region south] + N(0, 0.4)
    promo_k   = 1 from 8 h of a first day to 20 h of the second day after it, every 11 to 16 days,
                else 0
    shape_k   = 0.35 + exp(-((h - a) / 2.2)^2 / 2) + 1.2 exp(-((h - b) / 2.8)^2 / 2),
                peaks a, b by kind
    trend_k   = 1 + 0.15 sin(2 pi k / n) + 0.0001 k / 24
    heat_k    = 1 + 0.012 max(temp_k - 18, 0) - 0.006 max(5 - temp_k, 0)
    mean_k    = size * shape_k * week_w * trend_k * heat_k * (1 + 0.35 promo_k),
                log size ~ N(4.2, 0.35)
    u_k       = 0.6 u_(k-1) + N(0, noise)
    truth_k   = mean_k exp(u_k)
    demand_k  = truth_k, at an outlier times 0.05, 3.5 or 6

Stores are north and south in turn, and city, mall and petrol station in turn. Defects are drawn
from streams of their own: they change no truth, and another rate of one changes no other.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Float

REGIONS = ("north", "south")
PEAK_HOURS = ((8, 17), (13, 19), (7, 18))
WEEKDAYS = (
    (1.05, 1.0, 1.0, 1.02, 1.1, 0.85, 0.7),
    (1.0, 0.97, 1.0, 1.03, 1.15, 1.3, 0.8),
    (1.05, 1.0, 1.0, 1.02, 1.1, 0.85, 0.7),
)
OUTLIER_FACTORS = (0.05, 3.5, 6.0)
BLOCK_HOURS = (6, 48)
MIN_DAYS = 21
# Kinds of random streams; each store has its own of every kind but the weather.
SIGNAL, SINGLE, BLOCKS, OUTLIERS, JITTER, DUPLICATES, WEATHER = range(7)


@dataclass(frozen=True)
class Defects:
    """Rates of what is wrong with the table.

    Attributes
    ----------
    missing : float
        Share of rows lost one by one.
    blocks : float
        Share of rows lost in blocks of 6 to 48 hours (blocks may overlap, so a little less).
    outliers : float
        Share of values multiplied by 0.05, 3.5 or 6.
    jitter_s : int
        Largest distance of a timestamp from the full hour, in seconds, below 1800.
    duplicates : float
        Share of rows that are there twice, with the same timestamp.
    """

    missing: float
    blocks: float
    outliers: float
    jitter_s: int
    duplicates: float

    def __post_init__(self) -> None:
        rates = (self.missing, self.blocks, self.outliers, self.duplicates)
        if not all(0 <= rate < 1 for rate in rates) or not 0 <= self.jitter_s < 1800:
            raise ValueError(f"{self}: rates must be in 0 to below 1, jitter_s in 0 to below 1800")


def stores(
    *,
    n_stores: int = 6,
    days: int = 365,
    seed: int = 7,
    start: str = "2023-01-02",
    missing: float = 0.05,
    blocks: float = 0.04,
    outliers: float = 0.004,
    jitter_s: int = 240,
    duplicates: float = 0.001,
    noise: float = 0.08,
) -> pd.DataFrame:
    """Make the panel; equal arguments give equal bytes of its CSV in every process.

    Parameters
    ----------
    n_stores, days : int
        Size; at least 1 and 21. A further store changes none of the others.
    seed : int
        Seed of all random numbers.
    start : str
        First day, UTC; a Monday keeps the weekdays as named in `WEEKDAYS`.
    missing, blocks, outliers, jitter_s, duplicates : float
        Rates of the defects (see `Defects`); each may be 0. Half of the lost rows, and half of
        the lost blocks, are absent; the others are there with a NaN demand.
    noise : float
        Standard deviation of the innovations of `u`; 0 gives ``truth = mean``.

    Returns
    -------
    pd.DataFrame
        Sorted by store and timestamp: `store_id` (S00, ...), `timestamp` (UTC, whole seconds),
        `demand` (3 decimals, NaN where lost), `temp` (2 decimals, always known), `promo` (0 or 1,
        known in advance), `region`, `truth` (3 decimals: demand without loss and outliers).

    Raises
    ------
    ValueError
        A size or a rate is out of range.

    >>> stores(n_stores=1, days=30, missing=0, blocks=0, duplicates=0).shape
    (720, 7)
    """
    if n_stores < 1 or days < MIN_DAYS or noise < 0:
        raise ValueError(
            f"n_stores {n_stores}, days {days}, noise {noise}: at least 1, {MIN_DAYS} and 0"
        )
    defects = Defects(missing, blocks, outliers, jitter_s, duplicates)
    hours = pd.date_range(start, periods=days * 24, freq="h", tz="UTC", unit="s")
    rng = np.random.default_rng((seed, WEATHER))
    weather = _autoregression(0.985, rng.normal(0, 0.35, len(hours)))
    panel = [
        _with_defects(_store(hours, weather, s, seed, noise), s, seed, defects)
        for s in range(n_stores)
    ]
    return pd.concat(panel, ignore_index=True)


def _autoregression(coefficient: float, noise: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(scipy.signal.lfilter([1.0], [1.0, -coefficient], noise))


def _store(
    hours: pd.DatetimeIndex, weather: np.ndarray, store: int, seed: int, noise: float
) -> pd.DataFrame:
    """One store without defects; the formula is in the docstring of the module."""
    rng = np.random.default_rng((seed, SIGNAL, store))
    n, k = len(hours), np.arange(len(hours))
    hour, weekday = hours.hour.to_numpy(), hours.day_of_week.to_numpy()
    size, region = np.exp(rng.normal(4.2, 0.35)), store % 2
    season = 12 + 9 * np.sin(2 * np.pi * (k / 24 - 100) / 365.25)
    temp = (
        season
        + weather
        + 4 * np.sin(2 * np.pi * (hour - 9) / 24)
        + 3 * region
        + rng.normal(0, 0.4, n)
    )
    promo = _promotions(n, rng)
    early, late = PEAK_HOURS[store % 3]
    shape = (
        0.35
        + np.exp(-(((hour - early) / 2.2) ** 2) / 2)
        + 1.2 * np.exp(-(((hour - late) / 2.8) ** 2) / 2)
    )
    trend = 1 + 0.15 * np.sin(2 * np.pi * k / n) + 0.0001 * k / 24
    heat = 1 + 0.012 * np.maximum(temp - 18, 0) - 0.006 * np.maximum(5 - temp, 0)
    mean = size * shape * np.array(WEEKDAYS[store % 3])[weekday] * trend * heat * (1 + 0.35 * promo)
    truth = mean * np.exp(_autoregression(0.6, rng.normal(0, noise, n)))
    # Rounding hides what another build of the exponential may change in the last bit.
    columns = {
        "store_id": f"S{store:02d}",
        "timestamp": hours,
        "demand": truth.round(3),
        "temp": temp.round(2),
        "promo": promo,
        "region": REGIONS[region],
        "truth": truth.round(3),
    }
    return pd.DataFrame(columns)


def _promotions(n: int, rng: np.random.Generator) -> np.ndarray:
    first = rng.integers(3, 10)
    days = first + np.concatenate([[0], np.cumsum(rng.integers(11, 17, n // (11 * 24)))])
    starts = days[days < n // 24 - 3] * 24 + 8
    return _covered(n, starts, starts + 60)


def _covered(n: int, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """[n] int, 1 inside any of the half-open row ranges."""
    steps = np.bincount(starts, minlength=n + 1) - np.bincount(np.minimum(ends, n), minlength=n + 1)
    return (np.cumsum(steps[:n]) > 0).astype(np.int64)


def _with_defects(clean: pd.DataFrame, store: int, seed: int, defects: Defects) -> pd.DataFrame:
    n = len(clean)

    def stream(kind: int) -> np.random.Generator:
        return np.random.default_rng((seed, kind, store))

    absent, unknown = _lost(n, defects, stream(SINGLE), stream(BLOCKS))
    rng = stream(OUTLIERS)
    factor = np.where(rng.random(n) < defects.outliers, rng.choice(OUTLIER_FACTORS, n), 1.0)
    jitter = np.rint(stream(JITTER).uniform(-1, 1, n) * defects.jitter_s).astype(np.int64)
    twice = stream(DUPLICATES).random(n) < defects.duplicates
    table = clean.assign(
        timestamp=clean["timestamp"] + pd.to_timedelta(jitter, unit="s"),
        demand=(clean["demand"] * factor).round(3).where(~unknown),
    )
    return table.iloc[np.repeat(np.arange(n), np.where(absent, 0, 1 + twice))]


def _lost(
    n: int, defects: Defects, single: np.random.Generator, block: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """[n] bool each: rows that are absent, and rows whose demand is NaN."""
    gone, cut = single.random(n) < defects.missing, single.random(n) < 0.5
    low, high = BLOCK_HOURS
    count = round(defects.blocks * n / ((low + high) / 2))
    # The first two days stay whole, so that every store has a past.
    starts, lengths = block.integers(2 * 24, n - high, count), block.integers(low, high + 1, count)
    cut_block = block.random(count) < 0.5
    absent = (gone & cut) | (_covered(n, starts[cut_block], (starts + lengths)[cut_block]) > 0)
    unknown = (gone & ~cut) | (_covered(n, starts[~cut_block], (starts + lengths)[~cut_block]) > 0)
    return absent, unknown
