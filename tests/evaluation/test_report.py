from dataclasses import replace

import numpy as np
import pytest
import scipy
from matplotlib.figure import Figure

from spline_lstm.core.formatting import number
from spline_lstm.evaluation.verdict import verdict, warnings_of
from spline_lstm.reporting.document import (
    Bullets,
    Document,
    Facts,
    Picture,
    Section,
    Table,
    Text,
)
from spline_lstm.reporting.html import to_html
from spline_lstm.reporting.markdown import to_markdown

GOOD = {"rmse": 2.0, "skill": 0.2, "best_baseline": "moving_average"}
BAD = {"rmse": 2.0, "skill": -0.1, "best_baseline": "naive"}
EMPTY = {"rmse": None, "skill": None, "best_baseline": None}
SCORES = {
    "rmse": 2.1213,
    "bias": -0.125,
    "skill": 0.3118,
    "best_baseline": "moving_average",
    "beats_baselines": True,
    "loses_to": [],
    "n_windows": 10_000,
    "horizon": {"1": GOOD, "2": GOOD},
    "targets": {"glucose": GOOD},
    "baselines": {"naive": {"rmse": 3.5}, "moving_average": {"rmse": 3.0822}},
    "intervals": [{"interval": "80", "width": 4.0, "coverage": 81.5}],
}
INTERVAL = {"interval": "80", "width": 4.0, "coverage": 80.5}


def part(coverage, n=100, **name):
    return {**name, "n": n, "coverage": float(coverage)}


TRAIN = {"overfitting_warning": False, "train_loss": 0.05, "validation_loss": 0.09, "best_step": 7}
LOSING = SCORES | {"beats_baselines": False, "loses_to": ["moving_average"], "rmse": 4.25}


def test_a_model_that_wins_is_said_to_win_by_how_much():
    text = (
        "the model beats all 2 baselines: RMSE 2.121, 31.2 % below that of the best, "
        "moving average (3.082)"
    )
    assert verdict(SCORES) == text
    assert warnings_of(SCORES, TRAIN, {}) == []


def test_a_model_that_loses_to_any_baseline_is_said_to_lose_to_it():
    assert verdict(LOSING).startswith("the model LOSES TO moving average: RMSE 4.250 against 3.082")
    (text,) = warnings_of(LOSING, TRAIN, {})
    assert "does not beat moving average" in text


def test_a_model_with_the_score_of_the_best_baseline_is_not_said_to_lose():
    tie = LOSING | {"rmse": 3.0822}
    assert verdict(tie) == (
        "the model is NO BETTER THAN moving average: RMSE 3.082, the same as that of the best "
        "baseline, moving average"
    )
    (text,) = warnings_of(tie, TRAIN, {})
    assert "does not beat moving average" in text


@pytest.mark.parametrize(
    ("width", "coverage", "count"), [(0.0, 100, 0), (0.1, 100, 3), (0.0, 40, 3)]
)
def test_intervals_of_no_width_that_cover_all_are_not_too_wide(width, coverage, count):
    rows = {
        "steps": [part(coverage, step=step, width=width) for step in "12"],
        "terciles": [part(coverage, tercile=name, width=width) for name in ("low", "high")],
    }
    row = {"interval": "80", "width": width, "coverage": float(coverage), **rows}
    scores = SCORES | {"intervals": [row]}
    assert len(warnings_of(scores, TRAIN, {})) == count


def test_of_several_targets_the_scaled_rmse_is_in_the_verdict():
    targets = {"load": GOOD, "temp": GOOD}
    baselines = {"naive": {"rmse": 3.5, "scaled_rmse": 0.5}}
    scores = SCORES | {"targets": targets, "baselines": baselines, "scaled_rmse": 0.4}
    assert verdict(scores | {"skill": 0.2, "best_baseline": "naive"}) == (
        "the model beats all 1 baselines: scaled RMSE 0.4000, 20.0 % below that of the best, "
        "naive (0.5000)"
    )


def test_the_bias_of_several_targets_is_judged_target_by_target():
    targets = {"load": GOOD | {"bias": -800.0, "rmse": 1000.0}, "temp": GOOD | {"bias": 0.01}}
    (text,) = warnings_of(SCORES | {"targets": targets, "bias": -400.0}, TRAIN, {})
    assert text == "The forecasts of load are too low on average: bias -800.0."


@pytest.mark.parametrize("level", [50, 80, 95])
@pytest.mark.parametrize("windows", [11, 60, 400])
def test_a_coverage_that_chance_makes_of_few_windows_is_no_warning(level, windows):
    """One that a binomial test of 99 % would reject is one, and one that is likely is none."""
    counts = np.arange(windows + 1)
    p_values = [scipy.stats.binomtest(int(n), windows, level / 100).pvalue for n in counts]
    for count, p_value in zip(counts, p_values, strict=True):
        row = {"interval": str(level), "width": 4.0, "coverage": 100 * count / windows}
        said = warnings_of(SCORES | {"intervals": [row], "n_windows": windows}, TRAIN, {})
        if not 0.01 < p_value < 0.1 and abs(row["coverage"] - level) > 2:
            assert bool(said) == (p_value < 0.05), (count, p_value)


def test_what_was_not_scored_is_neither_lost_nor_won():
    assert warnings_of(SCORES | {"series": {"a": GOOD, "b": EMPTY}}, TRAIN, {}) == []
    nothing = SCORES | EMPTY | {"beats_baselines": False, "bias": None}
    assert verdict(nothing) == "nothing was scored: no value of the test split was observed"
    assert warnings_of(nothing, TRAIN, {}) == []


@pytest.mark.parametrize(("gain", "count"), [(0.0, 0), (0.01, 1), (-0.01, 1)])
def test_overfitting_is_not_warned_of_if_the_network_has_no_part_in_the_forecast(gain, count):
    train = TRAIN | {"overfitted_at_best": True, "network": {"gain": gain}}
    assert len(warnings_of(SCORES, train, {})) == count


@pytest.mark.parametrize(
    ("scores", "train", "quality", "expected"),
    [
        (
            {},
            {"overfitted_at_best": True},
            {},
            "overfitted: validation loss 0.09000 against training loss 0.05000",
        ),
        (
            {},
            {
                "overfitted_after_best": True,
                "train_loss": 0.6,
                "validation_loss": 0.61,
                "last_train_loss": 0.27,
                "last_validation_loss": 0.78,
            },
            {},
            "after the best step (7), whose weights are used: from there on the training loss fell "
            "from 0.6000 to 0.2700, but the validation loss rose from 0.6100 to 0.7800.",
        ),
        (
            {"horizon": {"1": BAD, "2": GOOD}},
            {},
            {},
            "In 1 of 2 steps a baseline is at least as good: step 1 (naive).",
        ),
        ({"series": {"a": GOOD, "b": BAD, "c": BAD}}, {}, {}, "series b (naive), c (naive)."),
        ({"hours": {"3": BAD, "4": BAD}}, {}, {}, "In each of the 2 hours of the day a baseline"),
        (
            {"hours": {"3": BAD, "4": GOOD, "5": EMPTY}},
            {},
            {},
            "In 1 of 2 hours of the day a baseline is at least as",
        ),
        (
            {"intervals": [{"interval": "80", "width": 4.0, "coverage": 77.9}]},
            {},
            {},
            "80 % intervals are too narrow",
        ),
        (
            {"intervals": [{"interval": "95", "width": None, "coverage": 100.0}]},
            {},
            {},
            "Some 95 % intervals have no bounds, because the validation split has too few windows",
        ),
        (
            {"intervals": [{"interval": "95", "width": 4.0, "coverage": 97.5}]},
            {},
            {},
            "95 % intervals are too wide",
        ),
        (
            {
                "intervals": [
                    INTERVAL
                    | {"steps": [part(80, step="1"), part(69, step="2"), part(0, step="3", n=99)]}
                ]
            },
            {},
            {},
            "In 1 of 2 steps the coverage of the 80 % intervals is more than 10 points off: "
            "step 2 (69.00 %).",
        ),
        (
            {
                "intervals": [
                    INTERVAL
                    | {"series": [part(99, series="a"), part(71, series="b"), part(60, series="c")]}
                ]
            },
            {},
            {},
            "In 2 of 3 series the coverage of the 80 % intervals is more than 10 points off: "
            "series a (99.00 %), c (",
        ),
        ({"bias": 1.5}, {}, {}, "too high on average: bias 1.500"),
        (
            {},
            {},
            {"warning_summary": ["glucose: psi 0.5 exceeds the limit 0.25"]},
            "Data: glucose: psi 0.5 exceeds",
        ),
    ],
)
def test_what_speaks_against_a_model_is_said(scores, train, quality, expected):
    (text,) = warnings_of(SCORES | scores, TRAIN | train, quality)
    assert expected in text


def figure():
    made = Figure()
    made.subplots().plot([0.0, 1.0, 2.0], label="<m>")
    return made


REPORT = Document(
    title="Forecast of a|b",
    good=True,
    verdict="the model beats all",
    warnings=["first <warning>"],
    caveat="always",
    key_numbers={"RMSE": 2.1213},
    sections=[
        Section(
            "One & two",
            [
                Text("A text."),
                Bullets(["x", "y"]),
                Facts({"label": [64, 32]}),
                Table(
                    "Numbers", ["name", "MAE"], [["model", 1.25], ["na|ive", None]], strong="model"
                ),
                Picture("Error <1>", figure(), "horizon"),
                Picture("On the page", figure(), "hours", has_png=False),
            ],
        )
    ],
)


def test_markdown_tells_the_verdict_and_the_warnings_before_all_else():
    lines = to_markdown(REPORT).splitlines()
    assert lines[:4] == ["# Forecast of a|b", "", "> [!NOTE]", "> **The model beats all.**"]
    assert (
        lines.index("- first &lt;warning>") < lines.index("- always") < lines.index("## One & two")
    )
    assert "> [!WARNING]" in to_markdown(replace(REPORT, good=False))


def test_markdown_holds_every_block():
    text = to_markdown(REPORT)
    for line in (
        "- x",
        "- label: 64, 32",
        "### Numbers",
        "| name | MAE |",
        "| **model** | 1.250 |",
        "| na\\|ive | - |",
        "![Error &lt;1>](horizon.png)",
    ):
        assert line in text.splitlines()
    assert "hours" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_page_holds_every_block_and_escapes_what_it_is_given():
    text = to_html(REPORT)
    for part in (
        '<p class="verdict good">The model beats all.</p>',
        "<li>first &lt;warning&gt;</li>",
        "<p>A text.</p>",
        "<dt>label</dt><dd>64, 32</dd>",
        '<tr class="strong"><th scope="row" class="text">model</th><td>1.250</td></tr>',
        '<h2 id="one-two">One &amp; two</h2>',
        '<svg role="img" aria-label="Error &lt;1&gt;"',
        '<svg role="img" aria-label="On the page"',
    ):
        assert part in text
    assert "verdict bad" in to_html(replace(REPORT, good=False))


def test_reports_are_the_same_twice():
    assert to_html(REPORT) == to_html(REPORT)
    assert to_markdown(REPORT) == to_markdown(REPORT)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.123456, "0.1235"),
        (-21.98765, "-21.99"),
        (9999.96, "10000"),
        (123456.7, "123457"),
        (1.5e-7, "1.5e-07"),
        (np.float32(0.5), "0.5000"),
        (float("inf"), "-"),
        (None, "-"),
        (False, "no"),
        (42, "42"),
        ([64, 32], "64, 32"),
        ([], "none"),
        ("a\nb", "a b"),
    ],
)
def test_figures_are_written_for_people(value, text):
    assert number(value) == text
