"""Tab Forecasts: one forecast of the test split at a time, with its history."""

import streamlit as st

from spline_lstm.core.clock import Clock
from spline_lstm.page.charts import days_chart, forecast_chart
from spline_lstm.page.days import day_view
from spline_lstm.page.elements import chart, note, nothing_yet, table
from spline_lstm.page.forecasts import Choice, Stored, groups_of, stored_forecasts, view_of
from spline_lstm.page.reading import kind_of, plain_text
from spline_lstm.page.sources import Source


def show_forecasts(source: Source) -> None:
    """Choose series, target and origin; see what was known, what was forecast, and what came."""
    clock = source.params.clock
    kind = kind_of(source.pipeline.predictions)
    if kind == "days":
        _show_days(source)
        return
    if kind == "rows":
        st.info("This pipeline predicts rows of a table, which are in the tab Rows.")
        return
    stored = stored_forecasts(source.pipeline)
    if stored is None or not len(stored.keys):
        nothing_yet("There are no forecasts of the test split yet.", source.repro())
        return
    choice = _choice(stored, clock)
    view = view_of(source.pipeline, stored, choice, clock)
    chart(
        forecast_chart(view, choice.target),
        f"{choice.target}: history, forecast and intervals at {clock.text_of(choice.origin)}",
    )
    made = view.history["made"]
    note(
        f"The dashed line is the forecast origin, {plain_text(clock.text_of(choice.origin))}. Of "
        f"the {len(made)} rows before it, {int((made == 'filled').sum())} were filled and "
        f"{int((made == 'replaced').sum())} replaced as outliers, with what was known at the "
        "origin. " + (f"Bands: {' and '.join(view.levels)} % intervals." if view.levels else "")
    )
    table(view.forecast, "The forecast as numbers, a row per step")


def _show_days(source: Source) -> None:
    """The probabilities of one symbol over the days of the test split, and what came."""
    view = day_view(source.pipeline.predictions)
    places = st.columns(2)
    symbols = list(view.tables)
    symbol = places[0].selectbox("Symbol", symbols) or symbols[0]
    names = tuple(places[1].multiselect("Forecasts", view.forecasts, view.forecasts[:2]))
    if names:
        chart(days_chart(view.long(symbol, names)), f"Probabilities of {symbol} over the days")
    note("The dashed line is chance. label: what came; forward_return: by how much, as a share.")
    rows = view.tables[symbol].iloc[::-1]
    table(rows, "Probabilities of the symbol beside what came, the newest day first")


def _choice(stored: Stored, clock: Clock) -> Choice:
    places = st.columns(4)
    names = stored.series
    series = places[0].selectbox("Series", names, format_func=_named) or names[0]
    targets = stored.targets(series)
    target = places[1].selectbox("Target", targets) or targets[0]
    groups = groups_of(clock, stored.origins(series, target))
    last = len(groups) - 1
    group = places[2].selectbox("Period", list(groups), index=last) or list(groups)[last]
    origins = groups[group].tolist()
    last = len(origins) - 1
    origin = places[3].selectbox("Forecast origin", origins, index=last, format_func=clock.text_of)
    return Choice(series, target, origins[last] if origin is None else origin)


def _named(series: str) -> str:
    return series or "(one)"
