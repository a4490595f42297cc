"""The report in a real browser, where one is installed."""

import re
import shutil
import subprocess

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on PATH: chromium, chromium-browser or google-chrome"
)
@pytest.mark.parametrize("width", [390, 1280])
def test_chromium_lays_the_report_out_without_a_word_on_its_console(
    width, small_pipeline, tmp_path
):
    # The page itself has no script; one is added that writes down what the browser made of it.
    text = (small_pipeline / "plots/report.html").read_text()
    probe = (
        "<script>addEventListener('load', () => { const e = document.documentElement;"
        " e.dataset.measured ="
        " [e.clientWidth, e.scrollWidth, document.querySelectorAll('figure svg').length,"
        " Math.min(...[...document.querySelectorAll('figure svg')]"
        ".map(s => s.getBoundingClientRect().height)),"
        " document.querySelector('.verdict').getBoundingClientRect().bottom].join(' ') })</script>"
    )
    text = re.sub(r"<meta http-equiv[^>]*>", "", text).replace("</body>", f"{probe}</body>")
    (tmp_path / "probed.html").write_text(text)
    command = [
        BROWSER,
        "--headless",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={width},900",
        "--dump-dom",
    ]
    done = subprocess.run(
        [*command, f"file://{tmp_path / 'probed.html'}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr
    shown, content, charts, height, verdict = map(
        float, re.search(r'data-measured="([^"]*)"', done.stdout)[1].split()
    )
    assert content == shown, "the page must not scroll sideways"
    assert charts == 8
    assert height > 120
    assert verdict < 900, "the verdict is on the first screen"
    original = subprocess.run(
        [*command, f"file://{small_pipeline / 'plots/report.html'}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CONSOLE" not in original.stderr, "the policy of the page forbids nothing that it needs"
    assert original.stdout.count("<table") == text.count("<table")
