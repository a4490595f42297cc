"""Tab Rows: a model that predicts a class or a number for each row of a table."""

from datetime import date
from typing import Any

import streamlit as st

from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page.charts import importance_chart
from spline_lstm.page.elements import bullets, chart, note, nothing_yet, table
from spline_lstm.page.rows import MAX_ROWS, rows_view
from spline_lstm.page.sources import Source
from spline_lstm.page.try_row import Cell, cells_of, try_row

TASK = "tabular"
# Cells beside each other; on a phone they are below each other.
CELLS_IN_LINE = 4
MISSING = "missing"
# Dates that can be chosen.
FIRST_DATE, LAST_DATE = date(1700, 1, 1), date(2200, 1, 1)


def show_rows(source: Source) -> None:
    """Metrics beside baselines and trees, importance of the features, rows of the test split."""
    task = source.params.task
    if task != TASK:
        st.info(f"This pipeline has the task {task}; this tab is for pipelines of the task {TASK}.")
        return
    view = rows_view(source.pipeline)
    if view is None:
        nothing_yet("The model was not evaluated yet.", source.repro())
        return
    show_try(source.pipeline)
    table(view.metrics, "Metrics of the model beside those of baselines and trees")
    if len(view.importance):
        st.subheader("What predictions rest on")
        name = st.selectbox("Importance for", view.importances) or view.importances[0]
        chart(importance_chart(view.importance, name), f"Importance of each feature for {name}")
        table(view.importance, "Importance of each feature")
    if len(view.calibration):
        st.subheader("Calibration")
        table(view.calibration, "Predictions beside what came, by bins")
    if len(view.intervals):
        table(view.intervals, "Coverage of the sets and intervals")
    if len(view.predictions):
        st.subheader("Rows of the test split")
        note(f"The first {MAX_ROWS} at most; line is that of the table.")
        table(view.predictions, "Predictions for rows of the test split")


def show_try(pipeline: Pipeline) -> None:
    """A form with a cell per column, and what the exported model says of the row."""
    cells = cells_of(pipeline)
    if cells is None:
        return
    st.subheader("Try a row")
    note("The model is the exported file of this folder. An emptied number or date is missing.")
    with st.form("row", border=False):
        filled: dict[str, Any] = {}
        for start in range(0, len(cells), CELLS_IN_LINE):
            places = st.columns(CELLS_IN_LINE)
            for cell, place in zip(cells[start : start + CELLS_IN_LINE], places, strict=False):
                with place:
                    filled[cell.name] = _filled(cell, f"cell {pipeline.folder} {cell.name}")
        asked = st.form_submit_button("Predict")
    if asked:
        tried = try_row(pipeline, filled)
        table(tried.predicted, "The prediction for this row")
        if tried.warnings:
            bullets(tried.warnings)


def _filled(cell: Cell, key: str) -> float | str | None:
    """What a person puts into a cell, whose state has this key; None: it is missing."""
    if cell.kind in ("category", "boolean"):
        return st.selectbox(
            cell.name,
            (None, *cell.choices),
            index=1 if cell.choices else 0,
            format_func=lambda text: MISSING if text is None else text,
            accept_new_options=cell.kind == "category",
            key=key,
        )
    # Streamlit puts a default back when an input is emptied, so none of them has one.
    if cell.kind == "number":
        st.session_state.setdefault(key, cell.ordinary)
        return st.number_input(cell.name, value=None, format="%g", placeholder=MISSING, key=key)
    st.session_state.setdefault(key, date.fromisoformat(cell.ordinary))
    chosen = st.date_input(
        cell.name, value=None, min_value=FIRST_DATE, max_value=LAST_DATE, key=key
    )
    return chosen.isoformat() if isinstance(chosen, date) else None
