"""Invented daily bars: a random walk with a range around it."""

import json

import numpy as np
import pandas as pd

from spline_lstm.core.params import Params, with_values
from spline_lstm.core.schema import Schema, parse_schema
from spline_lstm.market.bars import Bars
from spline_lstm.tables.raw_table import RawTable, read_raw_table


def make_frame(*, days: int, seed: int, symbol: str = "A", start: str = "2015-01-01"):
    """Bars of business days as a table: symbol, date, open, high, low, close, volume, adj_close."""
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0005, 0.02, days)))
    open_ = close * np.exp(rng.normal(0.0, 0.01, days))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, 0.01, days)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, 0.01, days)))
    return pd.DataFrame(
        {
            "symbol": symbol,
            "date": pd.bdate_range(start, periods=days).strftime("%Y-%m-%d"),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": rng.integers(1_000, 9_000, days).astype(float),
            "adj_close": close * 0.5,
        }
    )


def make_bars(*, days: int, seed: int) -> Bars:
    """Bars of one symbol, unadjusted."""
    frame = make_frame(days=days, seed=seed)
    dates = frame["date"].to_numpy().astype("datetime64[D]")
    columns = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    return Bars("A", dates.astype("datetime64[ns]").view(np.int64), dates, **columns)


def direction_schema(**changes) -> Schema:
    """The schema of `make_frame`."""
    covariates = [
        {"name": name, "dtype": "float"} for name in ("open", "high", "low", "close", "volume")
    ]
    content = {
        "version": 1,
        "timestamp_col": "date",
        "series_col": "symbol",
        "target_cols": ["adj_close"],
        "dynamic_covariates": covariates,
        "calendar_features": {"enabled": False, "features": []},
    }
    return parse_schema(json.dumps(content | changes), "test")


def direction_params(values=None) -> Params:
    """The params of the task for `make_frame`, with some other `values`."""
    overlay = {
        "task": "direction",
        "preprocess.frequency": "observed",
        "preprocess.feature_mode": "multivariate",
        "target.scaled": False,
        "window.lookback": 20,
        "window.horizon": 1,
        "model.type": "attention_lstm",
        "model.hidden": [8, 8],
        "model.head_units": 4,
        "model.normalization": "none",
        "model.segment": 1,
        "train.loss": "bce",
        "train.max_epochs": 1,
    }
    return with_values(Params(), overlay | (values or {}), "test")


def read(frame: pd.DataFrame) -> RawTable:
    """The frame as the stages read it."""
    return read_raw_table(frame.to_csv(index=False).encode(), direction_schema(), where="test")
