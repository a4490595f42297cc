"""Sections of params.yaml from the raw table to the windows."""

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_params import parse_clock
from spline_lstm.core.open_days import parse_closed, parse_week_mask
from spline_lstm.core.section import Count, NotNegative, Positive, Rows, Section, Share
from spline_lstm.core.time_zones import parse_zone
from spline_lstm.core.timestamps import parse_instant


class DataParams(Section):
    """Stage ingest: where the raw table comes from."""

    source: Annotated[str, Field(min_length=1)] = "bokeh_sampledata/CGM"
    """bokeh_sampledata/CGM (the embedded glucose sensor), bokeh_sampledata/stocks (daily prices of
    five shares), synthetic/stores (an hourly panel with known truth), or the path of a CSV or
    Parquet file, relative to this folder"""
    schema_file: Annotated[str, Field(min_length=1)] = "configs/covariates/glucose.json"
    """covariate schema (JSON): names of columns, missing markers, covariates; relative to this
    folder"""
    partition_rows: Count | None = None
    """rows of a partition: a Parquet file of many series becomes files of about so many rows, which
    stages read one at a time, so that memory does not limit its size (docs/scaling.md); null: one
    file"""
    sort: bool = False
    """true: sort rows by timestamp; false: rows out of order are an error"""
    duplicates: Literal["error", "copies", "first", "last", "mean", "sum"] = "last"
    """rows of one series with the same timestamp: error | copies (exact copies are dropped, other
    rows are an error) | first | last | mean | sum"""
    short_series: Literal["skip", "error"] = "skip"
    """a series of several that is shorter than window.lookback + window.horizon, or empty: skip (it
    is named and left out) | error (so is a series that is constant in the training split)"""
    time_zone: str | None = None
    """time zone of timestamps that are written without one, in which days are counted and
    timestamps are given to people, such as Europe/Berlin; null: UTC"""
    ambiguous_hour: Literal["order", "earlier", "later"] = "order"
    """the hour that occurs twice when clocks are set back: order (the order of the rows tells which
    of the two it is) | earlier | later"""

    @pydantic.field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return None if value is None else parse_zone(value)


class OutliersParams(Section):
    """Values far from the median of those before them (Hampel's rule); it looks back only."""

    method: Literal["off", "mark", "replace"] = "off"
    """off | mark (count and report) | replace (an outlier counts as missing, in the inputs and as a
    label to learn from; scores are given with and without such labels)"""
    window: Annotated[int, Field(ge=3)] = 168
    """observations to look back on, at least 3"""
    threshold: Positive = 6.0
    """normal standard deviations from the median beyond which a value is an outlier"""


class SmoothingParams(Section):
    """Of targets and numeric covariates, by a smoothing spline that looks back only."""

    method: Literal["off", "replace", "channel"] = "off"
    """off | replace (the inputs are smoothed) | channel (one more feature per smoothed column)"""
    strength: Positive | None = None
    """noise-to-signal ratio in cubes of a step (the smoothed value lags by strength^(1/4) steps);
    null: fitted on the training split"""


class SplitParams(Section):
    """Chronological shares of the time span, the same in every series; the rest is for the test."""

    train: Share = 0.7
    """share of the training split, 0 to 1"""
    validation: Share = 0.15
    """share of the validation split, 0 to 1"""
    dates: Annotated[tuple[str | int, ...], Field(min_length=2, max_length=3)] | None = None
    """instead of shares, the start of the validation and of the test split, in data.time_zone:
    [2024-03-01, 2024-05-01 06:00], or numbers of an index: [5000, 6000]; a third one ends the test
    split, and rows from then on are in no split; null: shares"""

    @pydantic.field_validator("dates")
    @classmethod
    def _in_order(cls, value: tuple[str | int, ...] | None) -> tuple[str | int, ...] | None:
        if value is not None:
            if len({type(each) for each in value}) > 1:
                raise ValueError("must be all dates, or all whole numbers of an index")
            instants = [each if isinstance(each, int) else parse_instant(each) for each in value]
            if any(earlier >= later for earlier, later in pairwise(instants)):
                raise ValueError(
                    "the validation split must start before the test split, and that before its end"
                )
        return value

    @pydantic.model_validator(mode="after")
    def _test_split_remains(self) -> "SplitParams":
        if self.train + self.validation >= 1.0:
            raise ValueError("train + validation must be below 1, so that a test split remains")
        return self


class DriftParams(Section):
    """Limits against the training split; beyond them metrics/data.json has a warning."""

    mean_shift: Positive = 0.5
    """shift of the mean, in training standard deviations"""
    std_ratio: Annotated[float, Field(ge=1.0)] = 1.5
    """ratio of the standard deviations, either way"""
    psi: Positive = 0.25
    """population stability index over ten bins (below 0.1 stable, above 0.25 shifted)"""
    ks: Annotated[float, Field(gt=0.0, le=1.0)] = 0.2
    """Kolmogorov-Smirnov distance, 0 to 1"""


class PreprocessParams(Section):
    """Stage preprocess: raw table -> regular as-of arrays."""

    feature_mode: Literal["univariate", "multivariate"] = "univariate"
    """univariate: only the targets; multivariate: targets, dynamic covariates and calendar
    features"""
    frequency: str = "5min"
    """the clock, whose instants are the rows of the grid: a duration (5min, 1h) | D, W-SUN, MS, ME,
    QS-OCT, YE, ... (calendar units of pandas) | B (business days) | observed (the dates of the
    data) | index 10 (whole numbers); docs/data-contract.md"""
    holidays: tuple[str, ...] = ()
    """days on which nothing happens, of frequency B: calendars of the package holidays (NYSE, US,
    DE-BY) and dates (2024-12-24)"""
    week_mask: str | None = None
    """open days of the week, of frequency B: Mon-Sat, Sun Mon Tue Wed Thu; null: those of the first
    calendar in holidays, or Mon-Fri"""
    snap: Annotated[float, Field(ge=0.0, le=0.5)] | Literal["interpolate", "auto"] = 0.5
    """a timestamp at most this far from a grid row is moved onto it, in steps, 0 to 0.5; others
    only shape the spline | interpolate (none is moved: inputs are spline values at the instants of
    the rows, labels the observations nearest to them) | auto (interpolate if the timestamps of the
    training split scatter by more than 0.05 steps, else 0.5)"""
    fill: Literal["linear", "pchip", "akima", "cubic", "seasonal"] = "pchip"
    """inside gaps: linear | pchip | akima | cubic (overshoots) | seasonal (profile of the season,
    and pchip of the rest)"""
    season: Annotated[int, Field(ge=2)] | None = None
    """rows in one season, for fill: seasonal; null: a day, a week or a year, found per column in
    the training split. The only season of an index, which has no calendar: models and baselines
    follow it; null: none"""
    max_gap: Rows = 6
    """longest gap that is filled, in steps; longer gaps stay missing and no window crosses them"""
    was_missing: bool = False
    """true: one more feature per target, 1 if a row was not observed"""
    outliers: OutliersParams = OutliersParams()
    smoothing: SmoothingParams = SmoothingParams()
    scaler: Literal["standard", "minmax", "robust", "none"] = "standard"
    """scaling fitted on observed training rows: standard | minmax | robust (median, quartiles) |
    none"""
    scaler_scope: Literal["global", "per_series", "auto"] = "global"
    """one scaling for all series, or one each: global | per_series | auto (one each if the series
    differ by more than scaler_scope_ratio in the training split)"""
    scaler_scope_ratio: Annotated[float, Field(gt=1.0)] = 10.0
    """auto: ratio of the largest to the smallest standard deviation of a series, or distance of
    their means in standard deviations of the typical series"""
    max_missing: Annotated[float, Field(gt=0.0, le=1.0)] = 0.3
    """highest share of grid rows without an observed target, 0 to 1; more is an error"""
    longest_gap: Count | None = None
    """longest gap of a target that is accepted at all, in steps; null: any (no window crosses a gap
    beyond max_gap)"""
    min_rows: Count = 100
    """fewest rows of the raw table; fewer is an error"""
    split: SplitParams = SplitParams()
    drift: DriftParams = DriftParams()

    @pydantic.field_validator("frequency")
    @classmethod
    def _is_clock(cls, value: str) -> str:
        parse_clock(value)
        return value

    @pydantic.field_validator("holidays")
    @classmethod
    def _known_holidays(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_closed(value)
        return value

    @pydantic.field_validator("week_mask")
    @classmethod
    def _known_weekdays(cls, value: str | None) -> str | None:
        if value is not None:
            parse_week_mask(value)
        return value

    @pydantic.model_validator(mode="after")
    def _dates_fit_the_clock(self) -> "PreprocessParams":
        is_index = self.clock().kind == "index"
        if self.split.dates is not None and isinstance(self.split.dates[0], int) != is_index:
            wanted = "whole numbers such as 5000" if is_index else "dates such as 2024-03-01"
            raise ValueError(
                f"with preprocess.frequency {self.frequency}, preprocess.split.dates must be "
                f"{wanted}"
            )
        return self

    def clock(self, zone: str | None = None) -> Clock:
        """The clock of these params in a time zone, not yet bound to data."""
        clock = parse_clock(
            self.frequency, zone=zone, holidays=self.holidays, week_mask=self.week_mask
        )
        return replace(clock, index_season=self.season or 0) if clock.kind == "index" else clock


class WindowParams(Section):
    """Stage window: forecast origins and their splits."""

    lookback: Count = 24
    """rows a forecast looks back on"""
    horizon: Count = 6
    """rows ahead that are forecast"""
    stride: Count = 1
    """rows between two forecast origins"""
    embargo: Rows | None = None
    """rows left out between two splits, so that no label of one is an input of another; null:
    horizon"""
    max_missing_inputs: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """share of the rows of a lookback that may lie in a gap beyond preprocess.max_gap, 0 to below
    1; above 0 every target gets the features mask and age, and inputs in gaps hold the last
    observation"""
    materialize: bool = False
    """true: windows.npz also contains X and y of all windows, for other tools"""

    @property
    def rows(self) -> int:
        """Rows of a window and its labels."""
        return self.lookback + self.horizon


class TargetParams(Section):
    """Stage preprocess: what targets go through before they are scaled."""

    transform: Literal["none", "log", "box-cox"] = "none"
    """none | log | box-cox (a power fitted on the training split); for positive targets; models in
    closed form find out by themselves whether logarithms help"""
    scaled: bool = True
    """false: targets stay as they are, whatever preprocess.scaler does to covariates; train.loss
    bce needs it, because its labels are 0 and 1"""
    bound_ratio: NotNegative = 2.0
    """log and box-cox: a forecast lies at most this many training ranges beyond the lowest and the
    highest training value"""
