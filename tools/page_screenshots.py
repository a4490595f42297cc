"""The pictures of docs/dashboard.md: each tab of the page in headless Chromium.

``python -m tools.page_screenshots [TAB...]`` shows the pipelines of this repository as they are:
run them, and train, promote and score pipelines/stores first, so that no tab is empty. A tab whose
pipeline was not run keeps its picture.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/dashboard"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
SIZE = {"width": 1000, "height": 1000}
STORES, TABULAR = "pipelines/stores", "pipelines/tabular"
# Tab -> the pipeline that it is shown with.
TABS = {
    "Forecasts": STORES,
    "Predictions": STORES,
    "Models": STORES,
    "Comparison": ".",
    "Data": STORES,
    "Backtest": STORES,
    "Rows": TABULAR,
    "New data": ".",
}
MAX_BYTES = 150_000
UPLOADED = "\n".join(
    ["time,site,load", *(f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{site},{hour % 24}"
                         for site in ("north", "south") for hour in range(480))]
)  # fmt: skip


def main() -> None:
    """Write one PNG file per tab."""
    parser = argparse.ArgumentParser(description="Take the pictures of docs/dashboard.md.")
    parser.add_argument("tabs", nargs="*", metavar="TAB", help="some of them: all by default")
    tabs = parser.parse_args().tabs or list(TABS)
    if unknown := set(tabs) - set(TABS):
        sys.exit(f"no tab {', '.join(sorted(unknown))}; the tabs are {', '.join(TABS)}")
    browser_path = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if browser_path is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is on the PATH; apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    server = subprocess.Popen(
        [sys.executable, "-m", "spline_lstm", "dashboard", ".", STORES, TABULAR, "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
            page = browser.new_page(viewport=SIZE, reduced_motion="reduce", locale="en-GB")
            for tab in tabs:
                pipeline = TABS[tab]
                if not (ROOT / pipeline / "metrics/evaluate.json").is_file():
                    print(f"{pipeline} was not run: no picture of the tab {tab}")
                    continue
                take(page, url, tab, "this folder" if pipeline == "." else pipeline)
            browser.close()
    finally:
        server.terminate()
        server.wait(30)


def take(page: Page, url: str, tab: str, pipeline: str) -> None:
    """One picture."""
    page.goto(f"{url}/?pipeline={pipeline}&tab={tab}")
    page.get_by_role("heading", name="Spline-LSTM").wait_for()
    page.get_by_role("tab", name=tab, exact=True, selected=True).wait_for()
    settle(page)
    if tab == "New data":
        file = {"name": "load.csv", "mimeType": "text/csv", "buffer": UPLOADED.encode()}
        page.locator("input[type=file]").set_input_files([file])
        page.get_by_text("The command that makes a pipeline of it").wait_for()
        settle(page)
    if tab == "Rows":
        page.get_by_role("button", name="Predict", exact=True).click()
        settle(page)
    path = FOLDER / f"{tab.lower().replace(' ', '-')}.png"
    page.screenshot(path=path)
    size = path.stat().st_size
    assert size <= MAX_BYTES, f"{path.name} has {size} bytes, more than {MAX_BYTES}"


def settle(page: Page) -> None:
    """Wait until the script has run and the charts are drawn."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
