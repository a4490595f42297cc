import subprocess
import sys
import zlib
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from spline_lstm.evaluation.plots import plot_forecasts, plot_horizon, plot_residuals, plot_training
from tests.evaluation.test_tables import EXAMPLE, MINUTE

RESIDUALS = np.random.default_rng(0).normal(size=(200, 3))
STEP_RMSE = {
    "model": np.array([1.0, 2.0]),
    "naive": np.array([1.5, 2.5]),
    "moving_average": np.array([2.0, 3.0]),
}
LOSSES = ([1, 2, 3], [0.9, 0.5, 0.4], [1.0, 0.6, 0.7])

PLOTS = {
    "forecasts": lambda path: plot_forecasts(
        path, [EXAMPLE] * 3, target="glucose", frequency_ns=5 * MINUTE
    ),
    "residuals": lambda path: plot_residuals(path, RESIDUALS, target="glucose", unit="mg/dL"),
    "horizon": lambda path: plot_horizon(path, STEP_RMSE, title="Error by step"),
    "training": lambda path: plot_training(path, *LOSSES, loss="MSE (z-scores)"),
}
EACH = pytest.mark.parametrize("name", PLOTS)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Bytes of each plot."""
    folder = tmp_path_factory.mktemp("plots")
    for name, draw in PLOTS.items():
        draw(folder / f"{name}.png")
    return {name: (folder / f"{name}.png").read_bytes() for name in PLOTS}


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
        PLOTS[name](tmp_path / "again.png")
        assert mpl.rcParams["font.size"] == 30
    assert (tmp_path / "again.png").read_bytes() == pictures[name]


@EACH
def test_the_file_is_a_picture_without_text_chunks(name, pictures):
    names, (width, height) = chunks_of(pictures[name])
    assert not {"tEXt", "iTXt", "zTXt", "tIME"} & set(names)
    assert width > 800
    assert height > 400


def test_neither_pyplot_nor_jax_is_loaded():
    code = "import sys, spline_lstm.evaluation.plots; print({'matplotlib.pyplot', 'jax'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"


def test_other_data_give_another_picture(pictures, tmp_path):
    plot_residuals(tmp_path / "other.png", RESIDUALS + 1, target="glucose", unit="mg/dL")
    assert (tmp_path / "other.png").read_bytes() != pictures["residuals"]


@pytest.mark.parametrize("count", [1, 4])
def test_any_number_of_examples_is_drawn(count, tmp_path):
    plot_forecasts(tmp_path / "one.png", [EXAMPLE] * count, target="y", frequency_ns=MINUTE)
    assert chunks_of((tmp_path / "one.png").read_bytes())[0][0] == "IHDR"


@pytest.mark.parametrize("frequency_ns", [1, 24 * 60 * MINUTE])
def test_steps_of_any_length_are_drawn(frequency_ns, tmp_path):
    plot_forecasts(tmp_path / "one.png", [EXAMPLE], target="y", frequency_ns=frequency_ns)
    assert (tmp_path / "one.png").stat().st_size > 5000


def test_an_example_without_any_observed_label_is_drawn(tmp_path):
    plot_forecasts(
        tmp_path / "one.png",
        [replace(EXAMPLE, y_true=np.full(2, np.nan))],
        target="y",
        frequency_ns=MINUTE,
    )
    assert (tmp_path / "one.png").stat().st_size > 5000


@pytest.mark.parametrize(
    "residuals",
    [np.full((4, 2), np.nan), np.zeros((4, 1)), np.array([[1.0, np.nan], [2.0, np.nan]])],
    ids=["nothing observed", "all equal", "a step never observed"],
)
def test_thin_residuals_are_drawn_without_a_warning(residuals, tmp_path):
    plot_residuals(tmp_path / "one.png", residuals, target="y")
    assert (tmp_path / "one.png").stat().st_size > 5000


@pytest.mark.parametrize(
    "losses",
    [([1], [0.5], [0.6]), ([1, 2], [0.5, np.nan], [0.6, np.nan]), ([1], [np.nan], [np.nan])],
    ids=["one epoch", "diverged", "diverged at once"],
)
def test_short_and_diverged_trainings_are_drawn(losses, tmp_path):
    plot_training(tmp_path / "one.png", *losses, loss="MSE")
    assert (tmp_path / "one.png").stat().st_size > 5000
