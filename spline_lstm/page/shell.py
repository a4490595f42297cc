"""The page around its tabs: the title, the choice of the pipeline, and what an error looks like."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.page.elements import error_lines
from spline_lstm.page.show_forecasts import show_forecasts
from spline_lstm.page.show_models import show_models
from spline_lstm.page.show_predictions import show_predictions
from spline_lstm.page.show_results import show_backtest, show_comparison, show_quality
from spline_lstm.page.show_rows import show_rows
from spline_lstm.page.show_upload import show_upload
from spline_lstm.page.sources import Source

TITLE = "Spline-LSTM"
# Keys of the choices that are part of the address of the page.
PIPELINE, TAB = "pipeline", "tab"


@dataclass(frozen=True)
class Tab:
    """One tab.

    Attributes
    ----------
    title : its name
    show : writes its content
    """

    title: str
    show: Callable[[Source], None]


TABS = (
    Tab("Forecasts", show_forecasts),
    Tab("Predictions", show_predictions),
    Tab("Models", show_models),
    Tab("Comparison", show_comparison),
    Tab("Data", show_quality),
    Tab("Backtest", show_backtest),
    Tab("Rows", show_rows),
    Tab("New data", show_upload),
)


def show_page(sources: Sequence[Source]) -> None:
    """Write the whole page; only the tab that is open reads files."""
    st.set_page_config(page_title=TITLE, layout="wide")
    st.title(TITLE)
    source = _chosen(sources)
    places = st.tabs([tab.title for tab in TABS], key=TAB, bind="query-params")
    for tab, place in zip(TABS, places, strict=True):
        if place.open:
            with place:
                guarded(tab, source)


def guarded(tab: Tab, source: Source) -> None:
    """Write a tab; what is wrong with a file is one line in it."""
    try:
        tab.show(source)
    except SplineLstmError as error:
        error_lines(error)


def _chosen(sources: Sequence[Source]) -> Source:
    by_name = {source.name: source for source in sources}
    name = st.selectbox("Pipeline", list(by_name), key=PIPELINE, bind="query-params")
    return by_name[name or sources[0].name]
