"""Takes the pictures of MLflow's pages in ``docs/mlflow.md`` from a run of the default study.

``python docs/screenshots.py runs/default`` brings the run's MLflow up to date, opens it in a headless Chromium as a
user would, by the links that ``modstudy ui`` prints, and writes ``docs/figures/mlflow-*.png``.
"""  # noqa: INP001 - a script beside the pages, no package

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import FloatRect, Page, sync_playwright

from study.definition.tracking_address import store_address
from study.layout import RunFolder
from study.run_folder.plan_file import read_document
from study.tracking.pages.routes import Pages
from study.tracking.server import LocalServer
from study.tracking.tracker import Tracker

DOCS = Path(__file__).resolve().parent
_WIDTH, _HEIGHT = 1280, 1000
_ROOM_FOR_TITLES = 2000
"""Width of the window for parallel coordinates: in a narrow one MLflow cuts the titles of their axes."""

_MENU = (200, 0)
"""Where the page begins beside MLflow's menu."""

_NO_ASSISTANT = {"fab.autoOpenedOnFirstLoad": "true", "panelOpen": "false"}
"""What MLflow notes in a browser whose user closed its assistant, which covers a third of the page at first."""

_OPENERS = "[...document.querySelectorAll('.ag-pinned-left-cols-container .ag-row button')]"


def main(folder: RunFolder) -> None:
    """Write every picture."""
    address = store_address(folder, None)
    experiment = Tracker(address, read_document(folder)["study"]).sync(folder).experiment
    study = json.loads(folder.mlflow_runs.read_text())["study"]
    pages = Pages(experiment, study, json.loads(folder.mlflow_identity.read_text())["key"])
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with LocalServer(address) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]).new_page()
        browser.set_default_timeout(60_000)
        _resize(browser, _WIDTH, _HEIGHT)
        browser.goto(server.url)
        browser.wait_for_function("document.body.innerText.includes('Experiments')")
        for name, value in _NO_ASSISTANT.items():
            browser.evaluate(f"localStorage.setItem('mlflow.assistant.{name}_v1', '{value}')")
        _study(browser, f"{server.url}/{pages.study()}")
        _tree(browser, f"{server.url}/{pages.view('tree')}")
        _arms(browser, f"{server.url}/{pages.view('arms')}", "scatter", ".js-plotly-plot", _WIDTH)
        _arms(browser, f"{server.url}/{pages.view('arms')}", "parallel", ".parcoords", _ROOM_FOR_TITLES)


def _study(browser: Page, url: str) -> None:
    _open(browser, url, "document.body.innerText.includes('Show more')")
    browser.evaluate("[...document.querySelectorAll('button')].find(node => node.innerText == 'Show more').click()")
    browser.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    _keep(browser, "study", [*_MENU, 660, _HEIGHT])  # without the column that tells where the run is


def _tree(browser: Page, url: str) -> None:
    """Open the study, then its first two arms."""
    _open(browser, url, f"{_OPENERS}.length == 1")
    browser.evaluate(f"{_OPENERS}[0].click()")
    browser.wait_for_function(f"{_OPENERS}.length > 2")
    browser.evaluate(f"{_OPENERS}.slice(1, 3).forEach(node => node.click())")
    browser.wait_for_function("document.querySelectorAll('.ag-pinned-left-cols-container .ag-row').length > 12")
    _keep(browser, "tree", [*_MENU, _WIDTH - _MENU[0], _HEIGHT])


def _arms(browser: Page, url: str, name: str, chart: str, width: int) -> None:
    """Keep one of the charts of the view, alone."""
    _resize(browser, width, 2 * _HEIGHT)
    _open(browser, url, "document.querySelector('.js-plotly-plot') && document.querySelector('.parcoords .tick')")
    box = f"document.querySelector('{chart}').closest('[data-testid=\"experiment-view-compare-runs-card\"]')"
    _keep(browser, name, browser.evaluate(f"(b => [b.x, b.y, b.width, b.height])({box}.getBoundingClientRect())"))


def _open(browser: Page, url: str, shown: str) -> None:
    """Open a page and wait until something is shown and nothing moves any more."""
    browser.goto("about:blank")  # another fragment alone would load nothing
    browser.goto(url)
    browser.wait_for_function(shown)
    browser.wait_for_timeout(3000)


def _resize(browser: Page, width: int, height: int) -> None:
    browser.set_viewport_size({"width": width, "height": height})


def _keep(browser: Page, name: str, box: list[float]) -> None:
    x, y, width, height = box
    clip: FloatRect = {"x": x, "y": y, "width": width, "height": height}
    browser.screenshot(path=DOCS / "figures" / f"mlflow-{name}.png", clip=clip)


if __name__ == "__main__":
    main(RunFolder(Path(sys.argv[1])))
