"""The reliability diagram of forecast probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from spline_lstm.reporting.style import BLUE, DASHES, GREY, house_style


@house_style()
def reliability_figure(table: Sequence[Mapping[str, Any]]) -> Figure:
    """Share of labels 1 against mean probability, bin by bin, above how many forecasts each has.

    Murphy and Winkler (1977); `table` as in metrics/evaluate.json.
    """
    figure = Figure(figsize=(5.5, 5.8))
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    diagonal = {"color": GREY, "linewidth": 1.5, "dashes": DASHES[0], "label": "calibrated"}
    curve.plot([0, 1], [0, 1], **diagonal)
    mean = [row["mean_probability"] for row in table]
    share = [row["positive_share"] for row in table]
    curve.plot(mean, share, "o-", color=BLUE, linewidth=2.2, markersize=5, label="model")
    curve.set(ylabel="share of labels 1", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    curve.legend(loc="upper left")
    for row in table:
        width = row["high"] - row["low"]
        counts.bar(row["low"] + width / 2, row["n"], width=0.9 * width, color=BLUE)
    counts.set(xlabel="probability", ylabel="forecasts")
    figure.suptitle("Reliability of the probabilities")
    return figure
