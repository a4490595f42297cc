"""Pieces that several tabs are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.formatting import number, plain
from spline_lstm.page.charts import Drawn
from spline_lstm.page.reading import plain_text


def nothing_yet(what: str, command: str) -> None:
    """What is not there, and the command that makes it."""
    st.info(f"{what} To get it, run:")
    st.code(command, language=None, wrap_lines=True)


def note(text: str) -> None:
    """Small text. The captions of Streamlit are paler than can be read well."""
    st.markdown(f":small[{text}]")


def error_lines(error: SplineLstmError) -> None:
    """The lines of an error, as the command line has them."""
    for line in error.lines:
        st.error(plain_text(line))


def chart(drawn: Drawn, alt_text: str) -> None:
    """A chart as wide as the page, with words for those who do not see it."""
    # A theme of Altair would put its own colours of text into the chart.
    with alt.theme.enable("default"):
        st.altair_chart(drawn, width="stretch", alt=alt_text)


def table(rows: pd.DataFrame, alt_text: str) -> None:
    """A table that can be sorted, searched and downloaded."""
    st.dataframe(rows, width="stretch", hide_index=True, alt=alt_text)


def facts(values: Mapping[str, Any], alt_text: str) -> None:
    """Names and values in two columns, without those that say nothing."""
    rows = [(plain(name), number(value)) for name, value in values.items() if value != ""]
    table(pd.DataFrame(rows, columns=["what", "value"]), alt_text)


def bullets(texts: Sequence[str]) -> None:
    """Texts of files as a list."""
    st.markdown("\n".join(f"- {plain_text(text)}" for text in texts))
