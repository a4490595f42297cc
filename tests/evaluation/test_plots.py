import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock_params import parse_clock
from spline_lstm.evaluation.plots import (
    coverage_figure,
    forecasts_figure,
    hour_figure,
    residuals_figure,
    step_figure,
    training_figure,
)
from spline_lstm.evaluation.tables import (
    forecast_table,
    horizon_table,
    residual_histogram,
    residual_step_table,
)
from spline_lstm.reporting.style import save_png, svg_element
from tests.evaluation.test_tables import EXAMPLE, FIVE_MINUTES

RESIDUALS = np.random.default_rng(0).normal(size=(200, 3))
STEPS = horizon_table(
    {
        "model": np.array([1.0, 2.0]),
        "naive": np.array([1.5, 2.5]),
        "moving_average": np.array([2.0, 3.0]),
    }
)
LOSSES = ([1, 2, 3], [0.9, 0.5, 0.4], [1.0, 0.6, 0.7])
INTERVALS = [
    {"interval": level, "steps": [{"step": "1", "coverage": 81.0}, {"step": "2", "coverage": None}]}
    for level in ("80", "95")
]


def examples(example, count=1, clock=FIVE_MINUTES):
    made = [replace(example, label=f"{rank}.") for rank in range(count)]
    table = forecast_table(made, clock)
    return forecasts_figure(table, target="glucose", clock=clock)


def residuals(values):
    bias = float(np.nanmean(values)) if np.isfinite(values).any() else None
    tables = residual_histogram(values), residual_step_table(values)
    return residuals_figure(*tables, target="glucose", unit="mg/dL", bias=bias)


def training(step, train, validation):
    curve = {"step": step, "train_loss": train, "validation_loss": validation}
    return training_figure(pd.DataFrame(curve), loss="MSE (z-scores)")


FIGURES = {
    "forecasts": lambda: examples(EXAMPLE, count=3),
    "residuals": lambda: residuals(RESIDUALS),
    "steps": lambda: step_figure(STEPS, title="Error by step", skill=[0.3, None]),
    "steps without skill": lambda: step_figure(STEPS, title="Error by step"),
    "hours": lambda: hour_figure(STEPS.rename(columns={"step": "hour"})),
    "coverage": lambda: coverage_figure(INTERVALS),
    "training": lambda: training(*LOSSES),
}
EACH = pytest.mark.parametrize("name", FIGURES)


def files_of(figure, folder):
    """Bytes of both files of a figure."""
    save_png(figure, folder / "figure.png")
    return (folder / "figure.png").read_bytes(), svg_element(figure, "name", "what it shows")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """PNG and SVG of each figure."""
    folder = tmp_path_factory.mktemp("plots")
    return {name: files_of(make(), folder) for name, make in FIGURES.items()}


def chunks_of(png):
    """Names of the chunks of a PNG file, and its size in pixels."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    names, place = [], 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        names.append(png[place + 4 : place + 8].decode())
        body = png[place + 4 : place + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(
            png[place + 8 + length : place + 12 + length], "big"
        )
        place += 12 + length
    return names, (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big"))


@EACH
def test_the_same_data_give_the_same_bytes_whatever_the_user_has_set(name, pictures, tmp_path):
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        again = files_of(FIGURES[name](), tmp_path)
        assert mpl.rcParams["font.size"] == 30
    assert again == pictures[name]


@EACH
def test_the_file_is_a_picture_without_text_chunks(name, pictures):
    names, (width, height) = chunks_of(pictures[name][0])
    assert not {"tEXt", "iTXt", "zTXt", "tIME"} & set(names)
    assert width > 800
    assert height > 400


@EACH
def test_the_element_is_small_well_formed_and_in_the_colours_of_the_page(name, pictures):
    svg = pictures[name][1]
    assert len(svg) < 100_000
    # What it refers to by xlink is declared by HTML itself.
    ET.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
    assert set(re.findall(r": (#\w{6})", svg)) <= {"#ffffff"}
    assert "<metadata" not in svg
    assert "<style" not in svg


def test_neither_pyplot_nor_jax_is_loaded():
    code = (
        "import sys, spline_lstm.evaluation.plots; "
        "print({'matplotlib.pyplot', 'jax'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"


def test_other_data_give_another_picture(pictures, tmp_path):
    png, svg = files_of(residuals(RESIDUALS + 1), tmp_path)
    assert png != pictures["residuals"][0]
    assert svg != pictures["residuals"][1]


@pytest.mark.parametrize("count", [1, 4])
def test_any_number_of_examples_is_drawn(count, tmp_path):
    png, _ = files_of(examples(EXAMPLE, count), tmp_path)
    assert chunks_of(png)[0][0] == "IHDR"


@pytest.mark.parametrize("frequency", ["1ns", "1D", "MS", "B", "index 10"])
def test_steps_of_any_clock_are_drawn(frequency, tmp_path):
    clock = parse_clock(frequency)
    example = EXAMPLE
    if clock.kind == "index":
        example = replace(example, origin_time=100)
    assert len(files_of(examples(example, clock=clock), tmp_path)[0]) > 5000


def test_an_example_without_any_observed_label_is_drawn(tmp_path):
    figure = examples(replace(EXAMPLE, y_true=np.full(2, np.nan)))
    assert len(files_of(figure, tmp_path)[0]) > 5000


@pytest.mark.parametrize(
    "values",
    [np.full((4, 2), np.nan), np.zeros((4, 1)), np.array([[1.0, np.nan], [2.0, np.nan]])],
    ids=["nothing observed", "all equal", "a step never observed"],
)
def test_thin_residuals_are_drawn_without_a_warning(values, tmp_path):
    assert len(files_of(residuals(values), tmp_path)[0]) > 5000


@pytest.mark.parametrize(
    "losses",
    [([1], [0.5], [0.6]), ([1, 2], [0.5, np.nan], [0.6, np.nan]), ([1], [np.nan], [np.nan])],
    ids=["one evaluation", "diverged", "diverged at once"],
)
def test_short_and_diverged_trainings_are_drawn(losses, tmp_path):
    assert len(files_of(training(*losses), tmp_path)[0]) > 5000
