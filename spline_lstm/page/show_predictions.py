"""Tab Predictions: what `score` stored."""

import pandas as pd
import streamlit as st

from spline_lstm.page.charts import stored_chart
from spline_lstm.page.elements import chart, note, nothing_yet, table
from spline_lstm.page.predictions import (
    DEFAULT_DATES,
    MAX_ROWS,
    Query,
    dates_stored,
    lines_of,
    read_stored,
    table_of,
)
from spline_lstm.page.reading import levels_of
from spline_lstm.page.sources import Source


def show_predictions(source: Source) -> None:
    """Choose dates and symbols; a chart of one symbol, and the rows."""
    folder = source.store.predictions
    dates = dates_stored(folder)
    if not dates:
        nothing_yet(
            "There are no stored predictions yet. They need a promoted model (tab Models).",
            source.command("score", "--asof DATE"),
        )
        return
    places = st.columns(3)
    begin = max(0, len(dates) - DEFAULT_DATES)
    first = places[0].selectbox("From", dates, index=begin) or dates[0]
    last = places[1].selectbox("To", dates, index=len(dates) - 1) or dates[-1]
    rows = read_stored(folder, Query(first, last))
    names = sorted(rows["symbol"].unique())
    symbols = tuple(places[2].multiselect("Symbols", names, placeholder="all"))
    if symbols:
        rows = rows[rows["symbol"].isin(symbols)]
    if not len(rows):
        st.info("No rows: choose an earlier From, a later To, or other symbols.")
        return
    shown = table_of(rows, source.params.clock)
    _chart(shown)
    if len(shown) > MAX_ROWS:
        note(f"The newest {MAX_ROWS} of {len(shown)} rows; choose fewer dates for the rest.")
    table(shown.head(MAX_ROWS), "Stored predictions, the newest first")


def _chart(rows: pd.DataFrame) -> None:
    """The predictions of one symbol and target over time."""
    places = st.columns(2)
    symbols = sorted(rows["symbol"].unique())
    symbol = places[0].selectbox("Symbol in the chart", symbols, format_func=_named) or symbols[0]
    targets = sorted(rows.loc[rows["symbol"] == symbol, "target"].unique())
    target = places[1].selectbox("Target in the chart", targets) or targets[0]
    lines = lines_of(rows, symbol, target)
    alt_text = f"Stored predictions of {symbol or 'the series'}, {target}, over time"
    chart(stored_chart(lines, levels_of(list(map(str, lines))), target), alt_text)


def _named(symbol: str) -> str:
    return symbol or "(one)"
