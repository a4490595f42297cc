"""Charts: what they draw, and that they can be read on a white and on a dark page."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page import charts
from spline_lstm.page.backtest import backtest_view, long_folds
from spline_lstm.page.comparison import comparison_view
from spline_lstm.page.forecasts import Choice, stored_forecasts, view_of
from spline_lstm.page.predictions import Query, lines_of, read_stored, table_of
from spline_lstm.page.quality import quality_view
from spline_lstm.page.run import OPTIONS
from tests.builders import HOUR, START
from tests.page.examples import store_of

PAGES = [OPTIONS[f"theme_{scheme}_backgroundColor"] for scheme in ("light", "dark")]


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(first: str, second: str) -> float:
    light, dark = sorted([luminance(first), luminance(second)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", PAGES)
def test_colours_have_a_contrast_of_3_to_light_and_dark_pages(page):
    # The contrast that WCAG 2 asks of graphics.
    assert min(contrast(colour, page) for colour in charts.COLOURS) >= 3
    assert {colour for colour, _ in charts.KINDS.values()} <= {*charts.COLOURS}


def layers(chart) -> list[dict]:
    """The marks of a chart with their data, as Vega gets them."""
    content = chart.to_dict()
    data = content["datasets"]
    return [
        {**layer, "rows": data[layer.get("data", content.get("data", {})).get("name")]}
        for layer in content.get("layer", [content])
    ]


def test_history_fills_forecast_and_intervals_are_drawn(full, clock):
    pipeline = Pipeline(full)
    choice = Choice("a", "y", START + HOUR * 104)
    view = view_of(pipeline, stored_forecasts(pipeline), choice, clock)
    drawn = layers(charts.forecast_chart(view, "y"))
    marks = [layer["mark"]["type"] for layer in drawn]
    assert marks == ["area", "area", "rule", "line", "point"]
    kinds = pd.DataFrame(drawn[-1]["rows"])["kind"].value_counts()
    assert kinds.to_dict() == {"observed": len(view.history) - 2 + 2, "forecast": 3, "filled": 2}
    # The widest interval is below the others.
    assert drawn[0]["encoding"]["y"]["field"] == "lower_95"
    assert drawn[0]["encoding"]["x"]["type"] == "temporal"


def test_the_newest_predictions_have_intervals_and_older_ones_are_grey(full, clock):
    rows = read_stored(store_of(full).predictions, Query("2020-01-01", "2020-01-02"))
    drawn = layers(charts.stored_chart(lines_of(table_of(rows, clock), "a", "y"), ["80"], "y"))
    assert [layer["mark"]["color"] for layer in drawn] == [charts.GREEN, charts.GREY, charts.BLUE]
    assert len(drawn[1]["rows"]) == len(drawn[2]["rows"]) == 2


def test_runs_without_latency_are_not_in_the_chart(full):
    chart = charts.comparison_chart(comparison_view(Pipeline(full)).table, "RMSE", "p95(ms)")
    (layer,) = layers(chart)
    assert {row["model_type"] for row in layer["rows"]} == {"lstm", "gru"}
    assert layer["encoding"]["x"]["field"] == "p95(ms)"


def test_gaps_and_drift_have_a_mark_per_column(full):
    pipeline = Pipeline(full)
    view = quality_view(pipeline, load_params(full).preprocess.drift.model_dump())
    (gaps,) = layers(charts.missing_chart(view))
    assert gaps["encoding"]["color"]["scale"]["domain"] == ["y", "price"]
    bars, limit = layers(charts.drift_chart(view.drift, "psi"))
    assert {row["statistic"] for row in bars["rows"]} == {"psi"}
    assert limit["rows"][0]["limit"] == 0.25


def test_a_fold_is_as_long_as_its_test_split(full):
    folds = long_folds(backtest_view(Pipeline(full)), "rmse")
    _line, span, _dot = layers(charts.fold_chart(folds, "rmse"))
    assert span["encoding"]["x2"]["field"] == "end"


def test_more_columns_than_colours_start_again():
    column = pd.Series([f"c{index}" for index in range(9)])
    scale = charts._by("column", column, charts.COLOURS, charts.alt.Color).to_dict()["scale"]
    assert len(scale["domain"]) == len(scale["range"]) == 9


@pytest.mark.parametrize(("name", "expected"), [("p95(ms)", "p95(ms)"), ("a.b[c]", r"a\.b\[c\]")])
def test_names_of_columns_are_not_paths(name, expected):
    assert charts._field(name) == expected
