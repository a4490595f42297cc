"""Every tab in a headless Chromium: no exception, labels, contrast, and a phone's width.

Debian's package `chromium` has the browser; the test skips where there is none.
"""

import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import expect, sync_playwright

from spline_lstm.page.shell import TABS
from tests.builders import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, BROWSERS) if path), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--disable-sync"]  # fmt: skip
# The background of the page (`run.OPTIONS`) in the scheme of the system.
GROUNDS = {"dark": "rgb(18, 20, 22)", "light": "rgb(255, 255, 255)"}
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1000, "height": 900}
# Texts whose contrast to what is below them is too low: 4.5, or 3 if they are large (WCAG 2).
CONTRAST = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, below) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map(i => alpha * top[i] + (1 - alpha) * below[i]);
  };
  const light = colour => {
    const [r, g, b] = colour.map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const below = node => {
    const layers = [];
    for (let n = node; n; n = n.parentElement) {
      layers.push(parse(getComputedStyle(n).backgroundColor));
    }
    return layers.reverse().reduce((sum, layer) => over(layer, sum), [255, 255, 255]);
  };
  const seen = {opacityProperty: true, visibilityProperty: true};
  const unseen = 'canvas, script, style, [disabled], [aria-disabled=true], [aria-hidden=true]';
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].filter(n => n.nodeType === 3);
    const words = own.map(n => n.textContent.trim()).join('');
    if (!words || !node.checkVisibility(seen) || node.closest(unseen)) continue;
    const style = getComputedStyle(node), ground = below(node);
    let [r, g, b, alpha = 1] = parse(style.color);
    for (let n = node; n; n = n.parentElement) alpha *= getComputedStyle(n).opacity;
    const ink = over([r, g, b, alpha], ground);
    const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${words.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
# Inputs and buttons that can be seen and have no name for those who do not see them.
NAMELESS = """() => [...document.querySelectorAll('input, button, select, textarea')]
  .filter(node => node.checkVisibility({opacityProperty: true, visibilityProperty: true}))
  .filter(node => !(node.labels?.length || node.getAttribute('aria-label')
    || node.getAttribute('aria-labelledby') || node.title || node.textContent.trim()
    || node.closest('[aria-label]')))
  .map(node => node.outerHTML.slice(0, 120))"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def server(full, empty):
    process = subprocess.Popen(
        [sys.executable, "-m", "spline_lstm", "dashboard", str(full), str(empty), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process.stdout.readline().strip()
    process.terminate()
    _output, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors


@pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is on the PATH")
def test_every_tab_can_be_read_in_a_browser(server, full, empty):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        page = browser.new_page(viewport=DESK)
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url)
                if not request.url.startswith((server, "data:", "blob:")) else None)  # fmt: skip
        for folder, size in ((full, PHONE), (empty, DESK)):
            page.set_viewport_size(size)
            open_page(page, f"{server}/?pipeline={folder}")
            for tab in TABS:
                page.get_by_role("tab", name=tab.title, exact=True).click()
                found = problems_of(page, tab.title)
                problems += [f"{tab.title} ({folder.name}): {each}" for each in found]
        # The check itself must be able to fail.
        page.evaluate("document.querySelector('h1').style.color = '#e0e0e0'")
        assert page.evaluate(CONTRAST) == ["Spline-LSTM: 1.32"]
        browser.close()
    assert problems == []


def open_page(page, url) -> None:
    page.goto(url)
    expect(page).to_have_title("Spline-LSTM")
    expect(page.get_by_role("heading", name="Spline-LSTM")).to_be_visible(timeout=60_000)
    assert page.evaluate("document.documentElement.lang") == "en"


def problems_of(page, title: str) -> list[str]:
    """What is wrong with the tab that has just been opened."""
    expect(page.locator(f"role=tab[name='{title}'][selected=true]")).to_be_visible()
    wait(page)
    found = [
        f"shows {each.inner_text()}"
        for kind in ("stException", "stAlertContentError")
        for each in page.locator(f"[data-testid={kind}]").all()
    ]
    for scheme, ground in GROUNDS.items():
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("[data-testid=stApp]")).to_have_css("background-color", ground)
        found += [f"too little contrast ({scheme}): {each}" for each in page.evaluate(CONTRAST)]
    found += [f"has no name: {each}" for each in page.evaluate(NAMELESS)]
    wider = page.evaluate(WIDER)
    return [*found, f"is {wider} px too wide"] if wider > 0 else found


def wait(page) -> None:
    """Until the script has run and the browser has drawn."""
    app = page.locator("[data-testid=stApp]")
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
