"""Charts of the page: Altair specifications, drawn by the Vega of Streamlit, without any download.

Their colours are those of all figures (Okabe and Ito), of which these have a contrast of at least 3
to a white and to a dark page. Shapes tell the kinds of points apart too.
"""

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import pandas as pd

from spline_lstm.page.forecasts import ForecastView
from spline_lstm.page.quality import QualityView
from spline_lstm.reporting.style import BLUE, GREEN, GREY, ORANGE

Drawn = alt.Chart | alt.LayerChart | alt.FacetChart
COLOURS = (BLUE, ORANGE, GREEN, GREY)
HEIGHT = 320
DASHES = ([1, 0], [4, 2], [1, 2], [6, 2, 1, 2], [2, 2], [8, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
# Kind of points -> colour and shape.
OBSERVED, REPAIRED, FILLED, REPLACED, FORECAST = (
    "observed",
    "repaired",
    "filled",
    "replaced",
    "forecast",
)
KINDS = {
    OBSERVED: (BLUE, "circle"),
    REPAIRED: (GREY, "stroke"),
    FILLED: (ORANGE, "diamond"),
    REPLACED: (ORANGE, "cross"),
    FORECAST: (GREEN, "square"),
}
# Opacity of the band of an interval; the bands of several levels add up.
BAND = 0.25


def axis_type(column: pd.Series) -> Literal["temporal", "quantitative", "nominal"]:
    """How an axis shows a column: temporal, quantitative, or nominal."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return "temporal"
    return "quantitative" if pd.api.types.is_numeric_dtype(column) else "nominal"


def over(name: str, column: pd.Series, title: str | None = None) -> alt.X:
    """A horizontal axis of a column, with labels as short as its span allows."""
    kind = axis_type(column)
    axis, scale = alt.Axis(), alt.Scale(zero=False, nice=False, padding=10)
    if kind == "temporal":
        days = (column.max() - column.min()) / pd.Timedelta(days=1) if len(column) else 0
        form = "%d %b %H:%M" if days < 4 else "%d %b %Y" if days < 1000 else "%b %Y"
        axis, scale = alt.Axis(format=form, tickCount=6), alt.Scale(padding=10)
    if kind == "nominal":
        scale = alt.Scale()
    return alt.X(name, type=kind, title=title, axis=axis, scale=scale)


def forecast_chart(view: ForecastView, target: str) -> Drawn:
    """History, repair and forecast of one origin; the dashed line is the origin."""
    history, forecast = view.history, view.forecast
    x = over("time", pd.concat([history["time"], forecast["time"]]))
    points = pd.concat(
        [
            _points(history["time"], history["raw"], OBSERVED),
            _points(history["time"], history["repaired"].where(history["made"] == FILLED), FILLED),
            _points(
                history["time"], history["repaired"].where(history["made"] == REPLACED), REPLACED
            ),
            _points(forecast["time"], forecast["observed"], OBSERVED),
            _points(forecast["time"], forecast["forecast"], FORECAST),
        ],
        ignore_index=True,
    )
    lines = pd.concat(
        [
            _points(history["time"], history["repaired"], REPAIRED),
            _points(forecast["time"], forecast["forecast"], FORECAST),
        ],
        ignore_index=True,
    )
    there = [name for name in KINDS if name in {*points["kind"], *lines["kind"]}]
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=there, range=[KINDS[name][0] for name in there]),
        legend=alt.Legend(orient="top", columns=3),
    )
    shape = alt.Shape(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=there, range=[KINDS[name][1] for name in there]),
        legend=alt.Legend(orient="top", columns=3),
    )
    y = alt.Y("value:Q", title=target, scale=alt.Scale(zero=False))
    origin = alt.Chart(forecast.head(1)).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x=x)
    drawn = alt.Chart(lines).mark_line(strokeWidth=1.6).encode(x=x, y=y, color=colour)
    dots = (
        alt.Chart(points)
        .mark_point(size=36, filled=True, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=["time", "value", "kind"])
    )
    bands = _bands(forecast, view.levels, x, target)
    return alt.layer(*bands, origin, drawn, dots).properties(height=HEIGHT)


def _points(time: pd.Series, value: pd.Series, kind: str) -> pd.DataFrame:
    return pd.DataFrame({"time": time, "value": value, "kind": kind}).dropna(subset=["value"])


def _bands(table: pd.DataFrame, levels: Sequence[str], x: alt.X, title: str) -> list[alt.Chart]:
    """The intervals, the widest below."""
    return [
        alt.Chart(table)
        .mark_area(color=GREEN, opacity=BAND)
        .encode(
            x=x,
            y=alt.Y(f"lower_{level}:Q", title=title, scale=alt.Scale(zero=False)),
            y2=alt.Y2(f"upper_{level}"),
        )
        for level in levels
    ]


def stored_chart(lines: pd.DataFrame, levels: Sequence[str], target: str) -> Drawn:
    """Stored predictions of one symbol: the newest ones with their intervals, older ones in grey.

    Parameters
    ----------
    lines : DataFrame
        Of `predictions.lines_of`.
    levels : sequence of str
        Of the intervals, the widest first.
    target : str
    """
    x = over("time", lines["time"])
    y = alt.Y("score:Q", title=target, scale=alt.Scale(zero=False))
    main = lines[lines["line"].isin(["newest", "score"])]
    older = lines.drop(main.index)
    tooltip = ["time", "score", "line"]
    marks = {"color": BLUE, "point": {"filled": True, "color": BLUE}}
    drawn = [
        *_bands(main, levels, x, target),
        alt.Chart(older)
        .mark_line(color=GREY, strokeWidth=1)
        .encode(x=x, y=y, detail="line:N", tooltip=tooltip),
        alt.Chart(main).mark_line(**marks).encode(x=x, y=y, tooltip=tooltip),
    ]
    return alt.layer(*drawn).properties(height=HEIGHT)


def comparison_chart(table: pd.DataFrame, accuracy: str, cost: str) -> Drawn:
    """Each run: its accuracy against what it costs; the shape is the type of model."""
    table = table.dropna(subset=[accuracy, cost])
    return (
        alt.Chart(table)
        .mark_point(filled=True, size=110, opacity=0.9)
        .encode(
            x=alt.X(_field(cost), type="quantitative", title=cost, scale=alt.Scale(zero=False)),
            y=alt.Y(
                _field(accuracy), type="quantitative", title=accuracy, scale=alt.Scale(zero=False)
            ),
            color=_by("model_type", table["model_type"], COLOURS, alt.Color),
            shape=_by("model_type", table["model_type"], SHAPES, alt.Shape),
            tooltip=["run", "model_type", "data_mode", "seed"],
        )
        .properties(height=HEIGHT)
    )


def _field(name: str) -> str:
    """A name of a column as Vega takes it: brackets and dots would lead into the value."""
    return "".join(f"\\{sign}" if sign in "[]." else sign for sign in name)


def _by(name: str, column: pd.Series, given: Sequence[Any], channel: Any) -> Any:
    """Colours, dashes or shapes for the values of a column, from the start again if too few."""
    domain = [str(value) for value in column.drop_duplicates()]
    values = [given[index % len(given)] for index in range(len(domain))]
    return channel(
        f"{name}:N",
        title=None,
        scale=alt.Scale(domain=domain, range=values),
        legend=alt.Legend(orient="top", columns=2),
    )


def missing_chart(view: QualityView) -> Drawn:
    """Share of the rows without a value over time, a line per column."""
    table = view.missing
    return (
        alt.Chart(table)
        .mark_line(interpolate="step-after", strokeWidth=1.6)
        .encode(
            x=over("time", table["time"]),
            y=alt.Y("missing:Q", title="share missing", axis=alt.Axis(format="%")),
            color=_by("column", table["column"], COLOURS, alt.Color),
            strokeDash=_by("column", table["column"], DASHES, alt.StrokeDash),
            tooltip=["time", "column", "missing"],
        )
        .properties(height=HEIGHT)
    )


def drift_chart(drift: pd.DataFrame, statistic: str) -> Drawn:
    """One statistic of drift of each column and split, and its limit as a line."""
    rows = drift[drift["statistic"] == statistic]
    bars = (
        alt.Chart(rows)
        .mark_bar(size=14)
        .encode(
            y=alt.Y("column:N", title=None),
            yOffset="split:N",
            x=alt.X("value:Q", title=statistic),
            color=_by("split", rows["split"], COLOURS[:1] + COLOURS[2:], alt.Color),
            tooltip=["column", "split", "value", "limit"],
        )
    )
    limit = alt.Chart(rows.head(1)).mark_rule(color=ORANGE, strokeDash=[4, 3]).encode(x="limit:Q")
    return alt.layer(bars, limit)


def importance_chart(importance: pd.DataFrame, name: str, at_most: int = 24) -> Drawn:
    """The importance of the features for one model, the largest first."""
    rows = importance.nlargest(at_most, name)
    features = rows["feature"].tolist()
    return (
        alt.Chart(rows)
        .mark_bar(color=BLUE)
        .encode(
            y=alt.Y("feature:N", title=None, sort=features),
            x=alt.X(_field(name), type="quantitative", title=f"importance for {name}"),
            tooltip=["feature"],
        )
    )


def days_chart(rows: pd.DataFrame) -> Drawn:
    """Probabilities over days, a line per forecast; the dashed line is chance."""
    half = alt.Chart(pd.DataFrame({"probability": [0.5]}))
    drawn = (
        alt.Chart(rows)
        .mark_line(strokeWidth=1.6)
        .encode(
            x=over("day", rows["day"]),
            y=alt.Y("probability:Q", scale=alt.Scale(zero=False)),
            color=_by("forecast", rows["forecast"], COLOURS, alt.Color),
            strokeDash=_by("forecast", rows["forecast"], DASHES, alt.StrokeDash),
            tooltip=["day", "forecast", "probability"],
        )
    )
    chance = half.mark_rule(color=GREY, strokeDash=[4, 3]).encode(y="probability:Q")
    return alt.layer(chance, drawn).properties(height=HEIGHT)


def fold_chart(folds: pd.DataFrame, measure: str) -> Drawn:
    """A measure of each fold, as long as its test split.

    Parameters
    ----------
    folds : DataFrame
        Of `backtest.long_folds`.
    measure : str
    """
    base = alt.Chart(folds)
    y = alt.Y("value:Q", title=measure, scale=alt.Scale(zero=False))
    x = over("start", pd.concat([folds["start"], folds["end"]]), "test split")
    tooltip = ["fold", "start", "end", "value"]
    spans = base.mark_rule(color=BLUE, strokeWidth=4).encode(x=x, x2="end", y=y, tooltip=tooltip)
    dots = base.mark_point(color=BLUE, filled=True, size=60).encode(x=x, y=y, tooltip=tooltip)
    line = base.mark_line(color=GREY, strokeDash=[2, 2]).encode(x=x, y=y)
    return alt.layer(line, spans, dots).properties(height=HEIGHT)
