"""Tab Rows: a model that predicts a class or a number for each row of a table."""

import streamlit as st

from spline_lstm.page.charts import importance_chart
from spline_lstm.page.elements import chart, note, nothing_yet, table
from spline_lstm.page.rows import MAX_ROWS, rows_view
from spline_lstm.page.sources import Source

TASK = "tabular"


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
