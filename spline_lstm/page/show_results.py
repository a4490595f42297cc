"""Tabs Comparison, Data and Backtest: metrics that stages and `compare` wrote."""

import streamlit as st

from spline_lstm.core.formatting import listed, plain, plural, sentence
from spline_lstm.page.backtest import backtest_view, long_folds
from spline_lstm.page.charts import comparison_chart, drift_chart, fold_chart, missing_chart
from spline_lstm.page.comparison import ACCURACY, COST, comparison_view
from spline_lstm.page.elements import bullets, chart, facts, note, nothing_yet, table
from spline_lstm.page.quality import STATISTICS, QualityView, quality_view
from spline_lstm.page.reading import plain_text
from spline_lstm.page.sources import Source


def show_comparison(source: Source) -> None:
    """All runs: accuracy against latency or size, and the table."""
    view = comparison_view(source.pipeline)
    if view is None:
        nothing_yet("There is no comparison yet.", source.command("compare"))
        return
    if view.reason:
        st.markdown(f"**Recommended:** {plain_text(view.reason)}")
    if view.missing:
        st.warning(f"Runs without results: {plain_text(listed(view.missing))}")
    accuracies, costs = view.named(ACCURACY), view.named(COST)
    if accuracies and costs:
        places = st.columns(2)
        accuracy = places[0].selectbox("Accuracy", accuracies) or accuracies[0]
        cost = places[1].selectbox("Latency or size", costs) or costs[0]
        chart(
            comparison_chart(view.table, accuracy, cost),
            f"{accuracy} of each run against its {cost}",
        )
    note("Press the head of a column to sort by it.")
    table(view.table, "The runs of the comparison")


def show_quality(source: Source) -> None:
    """The quality report: broken rules, warnings, gaps and drift."""
    limits = source.params.preprocess.drift.model_dump()
    view = quality_view(source.pipeline, limits)
    if view is None:
        nothing_yet("The data were not looked at yet.", source.repro("preprocess"))
        return
    if len(view.violations):
        count = plural(len(view.violations), "broken rule")
        st.error(f"{count}: no later stage has run on this table.")
        table(view.violations, "Broken rules of the data contract")
    if view.warnings:
        st.warning(f"{plural(len(view.warnings), 'warning')}:")
        bullets(view.warnings)
    facts({**view.source, **view.facts}, "What is known of the table")
    _gaps(view)
    _drift(view)


def _gaps(view: QualityView) -> None:
    if len(view.columns):
        st.subheader("Gaps")
        table(view.columns, "Missing values, gaps and outliers of each column")
    if len(view.missing):
        chart(missing_chart(view), "Share of the rows without a value over time, by column")
    for name, rows in view.details.items():
        st.subheader(sentence(plain(name)).removesuffix("."))
        table(rows, plain(name))
    if len(view.per_series):
        table(view.per_series, "Missing values, gaps and outliers of each series")


def _drift(view: QualityView) -> None:
    if not len(view.drift):
        return
    st.subheader("Drift")
    present = [name for name in STATISTICS if name in set(view.drift["statistic"])]
    statistic = st.selectbox("Statistic of drift", present) or present[0]
    chart(
        drift_chart(view.drift, statistic),
        f"{statistic} of each column between the training and the later splits",
    )
    note("How far the later splits have moved from the training split; the line is the limit.")
    table(view.drift, "Drift of each column, and whether it is beyond the limit")


def show_backtest(source: Source) -> None:
    """A measure of each fold over time, and all measures."""
    view = backtest_view(source.pipeline)
    if view is None:
        nothing_yet("There is no backtest yet.", source.repro("backtest"))
        return
    if view.measures:
        measure = st.selectbox("Measure", view.measures) or view.measures[0]
        chart(
            fold_chart(long_folds(view, measure), measure),
            f"{measure} of each fold over time",
        )
    table(view.folds, "Folds of the backtest, in the order of time")
    st.subheader("All folds together")
    facts(view.summary, "Measures over all folds")
