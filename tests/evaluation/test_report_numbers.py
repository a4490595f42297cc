"""Every number of the report, computed again from data/predictions.parquet with pandas alone.

Only the recent changes before an origin need the windows too.

What a forecast is scaled by comes from the training part: it is computed from the raw table here.
"""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from spline_lstm.windows.windows import load_windows

BASELINES = ["naive", "seasonal_naive", "moving_average", "drift", "ridge"]
METRICS = ["MAE", "MSE", "RMSE", "robust MAPE", "sMAPE", "MASE", "R2", "bias"]
SEASON = 48


class Page(HTMLParser):
    """Tables (rows of cells), facts and tags of an HTML report."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.facts, self.tags = [], [], []
        self._into = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self._into = self.tables[-1][-1]
        elif tag in ("dt", "dd"):
            self._into = self.facts
            self._into.append("")

    def handle_endtag(self, tag):
        if tag in ("th", "td", "dt", "dd"):
            self._into = None

    def handle_data(self, data):
        if self._into is not None:
            self._into[-1] += data


def markdown_tables(text):
    """(section, title) -> header and rows of a Markdown report."""
    tables, section, title = {}, "", ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("### "):
            title = line[4:]
        elif line.startswith("| ") and not line.startswith("| ---"):
            cells = [
                cell.strip().strip("*").replace("&lt;", "<") for cell in line.strip("|").split("|")
            ]
            tables.setdefault((section, title), []).append(cells)
    return tables


def value(cell):
    return np.nan if cell == "-" else float(cell)


@pytest.fixture(scope="module")
def markdown(small_pipeline):
    return markdown_tables((small_pipeline / "plots/report.md").read_text())


@pytest.fixture(scope="module")
def page(small_pipeline):
    return Page((small_pipeline / "plots/report.html").read_text())


@pytest.fixture(scope="module")
def table(small_pipeline):
    """The predictions, with what each row's error is scaled by."""
    table = pd.read_parquet(small_pipeline / "data/predictions.parquet")
    raw = pd.read_csv(small_pipeline / "table.csv", parse_dates=["time"])
    hours = pd.date_range("2024-01-01", raw["time"].max(), freq="h")
    boundary = hours[0] + 0.7 * (hours[-1] - hours[0])
    for target in ("load", "heat"):
        wide = raw.pivot_table(index="time", columns="site", values=target).reindex(hours)
        train = wide[wide.index < boundary]
        here = table["target"] == target
        table.loc[here, "epsilon"] = 0.01 * np.nanmean(np.abs(train.to_numpy()))
        table.loc[here, ["z", "std"]] = np.nanstd(train.to_numpy())
        for site in wide.columns:
            season = (train[site] - train[site].shift(SEASON)).abs().mean()
            table.loc[here & (table["series"] == site), "season"] = season
    return table.assign(hour=table["timestamp"].dt.hour)


def metrics_of(part, column="y_pred"):
    part = part.dropna(subset=["y_true"])
    y, p = part["y_true"], part[column]
    error = p - y
    spread = sum(((each - each.mean()) ** 2).sum() for _, each in y.groupby(part["target"]))
    return {
        "MAE": error.abs().mean(),
        "MSE": (error**2).mean(),
        "RMSE": np.sqrt((error**2).mean()),
        "robust MAPE": 100 * (error.abs() / np.maximum(y.abs(), part["epsilon"])).mean(),
        "sMAPE": 100 * (2 * error.abs() / (y.abs() + p.abs())).mean(),
        "MASE": (error.abs() / part["season"]).mean(),
        "R2": 1 - (error**2).sum() / spread,
        "bias": error.mean(),
        "MSE (z)": ((error / part["z"]) ** 2).mean(),
        "MAE (z)": (error.abs() / part["z"]).mean(),
        "scaled RMSE": np.sqrt(((error / part["std"]) ** 2).mean()),
    }


def deciding_of(part, column="y_pred"):
    """Of several targets, errors count in standard deviations of their target."""
    several = part["target"].nunique() > 1
    return metrics_of(part, column)["scaled RMSE" if several else "RMSE"]


def best_of(part):
    rmse = {name: deciding_of(part, name) for name in BASELINES}
    best = min(rmse, key=rmse.get)
    return best.replace("_", " "), 1 - deciding_of(part) / rmse[best]


def about(number):
    """Four digits are shown."""
    return pytest.approx(number, rel=6e-4)


def test_metrics_of_all_forecasts(markdown, table):
    header, *rows = markdown["Model against baselines", "On the same test windows"]
    assert [row[0] for row in rows] == ["model", *(name.replace("_", " ") for name in BASELINES)]
    for row, column in zip(rows, ["y_pred", *BASELINES], strict=True):
        expected = metrics_of(table, column)
        assert header[1:] == list(expected)
        for cell, name in zip(row[1:], header[1:], strict=True):
            assert value(cell) == about(expected[name]), (row[0], name)


@pytest.mark.parametrize(
    ("section", "column"),
    [
        ("Error by step", "step"),
        ("Error by hour of the day", "hour"),
        ("Error by target", "target"),
        ("Error by series", "series"),
    ],
)
def test_metrics_of_each_part(section, column, markdown, table):
    header, *rows = markdown[section, "Metrics of the model"]
    assert header == [column, *METRICS, "skill", "best baseline"]
    assert [row[0] for row in rows] == [
        str(part) for part in sorted(table[column].unique(), reverse=column == "target")
    ]
    for row in rows:
        part = table[table[column].astype(str) == row[0]]
        expected, (best, skill) = metrics_of(part), best_of(part)
        assert [value(cell) for cell in row[1:9]] == [about(expected[name]) for name in METRICS]
        # Of a ratio near 1 four digits of the skill are fewer of the RMSE.
        assert (value(row[9]), row[10]) == (pytest.approx(skill, rel=6e-4, abs=2e-5), best)


def test_rmse_of_all_forecasts_at_each_step(markdown, table):
    header, *rows = markdown["Error by step", "scaled RMSE of all"]
    assert header == ["step", "model", *(name.replace("_", " ") for name in BASELINES)]
    for row in rows:
        part = table[table["step"] == int(row[0])]
        assert [value(cell) for cell in row[1:]] == [
            about(deciding_of(part, column)) for column in ["y_pred", *BASELINES]
        ]


def covered(part, level):
    part = part.dropna(subset=["y_true"])
    low, high = part[f"lower_{level}"], part[f"upper_{level}"]
    return 100 * ((low <= part["y_true"]) & (part["y_true"] <= high)).mean(), (high - low).mean()


def interval_numbers(part, level):
    """Coverage, width and interval score."""
    coverage, width = covered(part, level)
    part = part.dropna(subset=["y_true"])
    below = (part[f"lower_{level}"] - part["y_true"]).clip(lower=0)
    above = (part["y_true"] - part[f"upper_{level}"]).clip(lower=0)
    return coverage, width, width + 2 / (1 - int(level) / 100) * (below + above).mean()


def test_coverage_width_and_score_of_the_intervals(markdown, table):
    _, *rows = markdown["Prediction intervals", "On the test split"]
    assert [row[0] for row in rows] == ["80", "95"]
    for row in rows:
        assert [value(cell) for cell in row[1:]] == [
            about(number) for number in interval_numbers(table, row[0])
        ]
    for row in markdown["Prediction intervals", "By step"][1:]:
        part = table[table["step"] == int(row[0])]
        expected = [*covered(part, "80"), *covered(part, "95")]
        assert [value(cell) for cell in row[1:]] == [about(number) for number in expected]
    for row in markdown["Prediction intervals", "Coverage by series"][1:]:
        part = table[table["series"] == row[0]]
        assert [value(cell) for cell in row[1:]] == [
            about(covered(part, level)[0]) for level in ("80", "95")
        ]


def test_terciles_are_thirds_of_the_windows_by_their_recent_changes(
    markdown, table, small_pipeline
):
    windows = load_windows(small_pipeline)
    weights = 0.5 ** (np.arange(windows.lookback - 2, -1, -1) / windows.horizon)

    def changes(split):
        batch = windows.gather(split)
        steps = np.abs(np.diff(windows.history(batch), axis=1))
        return batch.series, np.average(steps, axis=1, weights=weights)

    series, found = changes("train")
    usual = {key: np.median(found[series == key], axis=0) for key in set(series)}
    series, found = changes("test")
    relative = found / [usual[key] for key in series]
    low, high = np.quantile(relative, [1 / 3, 2 / 3], axis=0)
    third = (relative > low).astype(int) + (relative > high)
    # Rows are in the order of windows, steps and targets.
    third = np.repeat(third[:, None], windows.horizon, axis=1).reshape(-1)
    rows = markdown["Prediction intervals", "By recent change"][1:]
    assert [row[0] for row in rows] == ["low", "middle", "high"]
    for index, row in enumerate(rows):
        part = table[third == index]
        expected = [*interval_numbers(part, "80"), *interval_numbers(part, "95")]
        assert [value(cell) for cell in row[2:]] == [about(number) for number in expected]
        assert int(row[1]) == part["y_true"].notna().sum()


def test_distribution_of_the_residuals(markdown, table):
    for row in markdown["Residuals", "Distribution"][1:]:
        part = table[table["target"] == row[0]]
        error = (part["y_pred"] - part["y_true"]).dropna()
        expected = [
            len(error),
            error.mean(),
            error.std(ddof=0),
            *error.quantile([0.05, 0.25, 0.5, 0.75, 0.95]),
        ]
        assert [value(cell) for cell in row[1:]] == [about(number) for number in expected]


def test_windows_and_span_of_the_test_part(markdown, table):
    row = markdown["Splits", "Windows"][-1]
    assert row[0] == "test"
    assert int(row[1]) == len(table[["series", "origin"]].drop_duplicates())
    assert pd.Timestamp(row[2]) == table["timestamp"].min()
    assert pd.Timestamp(row[3]) == table["timestamp"].max()


def test_the_numbers_to_see_first_and_the_verdict(page, small_pipeline, table):
    facts = dict(zip(page.facts[::2], page.facts[1::2], strict=True))
    best, skill = best_of(table)
    rmse = deciding_of(table)
    assert float(facts["Scaled RMSE"]) == about(rmse)
    assert float(facts[f"scaled RMSE of the best baseline ({best})"]) == about(
        deciding_of(table, best)
    )
    words = "Skill, 1 - scaled RMSE / scaled RMSE of the best baseline"
    assert float(facts[words]) == about(skill)
    assert float(facts["MASE"]) == about(metrics_of(table)["MASE"])
    for level in ("80", "95"):
        assert float(facts[f"{level} % intervals cover (%)"]) == about(covered(table, level)[0])
    losers = [name for name in BASELINES if deciding_of(table, name) <= rmse]
    text = (small_pipeline / "plots/report.md").read_text()
    if losers:
        assert f"LOSES TO {', '.join(losers).replace('_', ' ')}" in text
    else:
        assert f"beats all 5 baselines: RMSE {rmse:.4g}" in text


def test_error_of_each_example(markdown, table):
    header, *rows = markdown["Forecasts", "Windows shown"]
    assert header == ["window", "series", "origin", "RMSE of load"]
    assert [row[0] for row in rows] == ["best", "median", "worst"]
    error = table.assign(square=((table["y_pred"] - table["y_true"]) / table["z"]) ** 2)
    window = error.groupby(["series", "origin"])["square"].agg(
        lambda part: part.mean() if part.notna().all() else np.nan
    )
    for label, series, text, shown in rows:
        origin = pd.Timestamp(text)
        here = table[
            (table["series"] == series) & (table["origin"] == origin) & (table["target"] == "load")
        ]
        assert float(shown) == about(np.sqrt(((here["y_pred"] - here["y_true"]) ** 2).mean()))
        rank = (window.dropna() < window[series, origin] * (1 - 1e-6)).mean()
        assert rank == pytest.approx({"best": 0.0, "median": 0.5, "worst": 1.0}[label], abs=0.02)


def test_page_and_markdown_hold_the_same_tables(page, markdown):
    assert page.tables == list(markdown.values())


def test_the_warnings_of_the_data_and_their_provenance_are_in_both(small_pipeline, page):
    quality = json.loads((small_pipeline / "metrics/data.json").read_text())
    ingest = json.loads((small_pipeline / "metrics/ingest.json").read_text())
    model = json.loads((small_pipeline / "models/rnn/model.json").read_text())
    assert quality["warnings"]
    for name in ("report.html", "report.md"):
        text = (small_pipeline / "plots" / name).read_text()
        for part in [
            ingest["sha256"],
            model["run_id"],
            model["preprocessor_run_id"],
            *quality["warnings"],
        ]:
            assert part in text
    facts = dict(zip(page.facts[::2], page.facts[1::2], strict=True))
    assert facts["packages"].startswith(f"numpy {np.__version__}, ")
    assert ["window.horizon", "3"] in page.tables[-1]


def test_the_page_needs_nothing_but_itself(small_pipeline, page):
    text = (small_pipeline / "plots/report.html").read_text()
    assert not re.search(r"(?i)\b(src|href)=\"(?!#|data:)", text)
    # Of the page itself: the area that a figure is clipped to.
    assert not re.search(r"url\((?!#)", text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object", "img")]
    assert "<b>north" not in text
    assert "&lt;b&gt;north" in text


def test_every_chart_says_in_words_what_it_shows(page):
    charts = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(charts) == 8
    assert all(attrs["aria-label"] for attrs in charts)
    assert [attrs["lang"] for tag, attrs in page.tags if tag == "html"] == ["en"]
