"""Pages of made-up studies, and a headless Chromium that opens them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page

from results.analysis.figure_data.networks import FoundExamples, FoundImage, FoundQuery, Networks, TrialVectors
from results.analysis.reported import Results
from results.analysis.summary import summarize
from results.page.origin import PageOrigin
from results.page.writing import write_page

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="session")
def tables(make_study) -> Tables:
    """All tables of the usual made-up study; tests change copies."""
    return _tables_of(make_study())


@pytest.fixture(scope="session")
def tables_of() -> Callable[..., Tables]:
    """Makes all tables of a made-up study, with curves and gradients of its confirm trials."""
    return _tables_of


@pytest.fixture(scope="session")
def write_rich() -> Callable[[Tables, Path], Path]:
    """Writes a page with vectors, labels and examples, as a run with weights and images has them."""
    return lambda tables, folder: write_page(_rich(tables), folder, PageOrigin("What pays?"))


def _tables_of(study) -> Tables:
    found = {name: getattr(study, name) for name in ("trials", "task_metrics", "storage", "failures")}
    summary = summarize(found["trials"], found["task_metrics"], found["storage"])
    return {**found, "summary": summary, "curves": _curves(study)}


def _curves(study) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    tasks = list(study.task_metrics["task"].unique())
    stages = list(study.storage.loc[study.storage["kind"] == "stage", "component"].unique())
    rows = []
    for trial in study.trials.to_dict("records"):
        own = {name: trial[name] for name in ("study", "trial_id", "arm_id", "stage")}
        for epoch in range(1, 6):
            rows += [
                {**own, "epoch": epoch, "metric": "train/loss", "value": 0.4 / epoch + generator.normal(0, 0.01)},
                {**own, "epoch": epoch, "metric": "validation/triplet_accuracy", "value": 0.5 + 0.05 * epoch},
            ]
        if trial["stage"] == "confirm":
            rows += [
                {
                    **own,
                    "epoch": 5,
                    "metric": f"update_agreement/cosine/{stage}/{one}:{other}",
                    "value": generator.uniform(-0.4, 0.8),
                }
                for stage in stages
                for index, one in enumerate(tasks)
                for other in tasks[index + 1 :]
            ]
    return pd.DataFrame(rows)


def _rich(tables: Tables) -> Results:
    return replace(Results.of(tables), networks=_networks(tables))


def _networks(tables: Tables) -> Networks:
    generator = np.random.default_rng(7)
    tasks = list(tables["task_metrics"]["task"].unique())
    confirm = tables["trials"][tables["trials"]["stage"] == "confirm"].to_dict("records")
    vectors = [
        TrialVectors(
            row["arm_id"],
            row["train_seed"],
            {
                point: generator.normal(1, 0.3, (len(tasks), 24)).astype(np.float32)
                for point in row["points"].split(",")
            },
        )
        for row in confirm
        if row["points"]
    ]
    labels = generator.uniform(0, 0.5, (len(tasks), len(tasks)))
    found = {arm: tuple(FoundImage(n, right=n % 2 == 0) for n in range(1, 9)) for arm in ("late", "shared")}
    queries = tuple(FoundQuery(task, "yes", 0, found) for task in tasks[:2])
    examples = FoundExamples(queries, dict.fromkeys(range(9), _PIXEL), "made up")
    return Networks(tuple(vectors), (labels + labels.T) / 2, examples)


_PIXEL = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e1d1a1c"
    "1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e333432ffc0000b080001000101011100ffc40014000100000000000000"
    "00000000000000000affc40014100100000000000000000000000000000000ffda0008010100003f0037ffd9"
)
"""The smallest JPEG."""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a page of tables."""

    def written(tables: Tables, origin: PageOrigin | None = None) -> Path:
        if origin is None:
            return write_page(_rich(tables), tmp_path / "report", PageOrigin("What pays?"))
        return write_page(Results.of(tables), tmp_path / "report", origin)

    return written


class Browser:
    """One page of a browser, and what it complained of and asked for."""

    def __init__(self, page: Page) -> None:
        self.page, self.complaints, self.requests = page, list[str](), list[str]()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._note)
        page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.complaints.append(message.text)

    def open(
        self, path: Path, *, width: int = 1400, height: int = 1000, fragment: str = "", dark: bool = False
    ) -> None:
        """Open a file from disk and wait until its scripts have run."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.goto("about:blank")  # another fragment alone would load nothing
        self.page.goto(path.as_uri() + fragment)
        self.wait("document.documentElement?.dataset.ready === 'true'")

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        return self.page.evaluate(expression)

    def wait(self, condition: str) -> None:
        """Wait until a condition holds in the page."""
        self.page.wait_for_function(condition)


@pytest.fixture(scope="session")
def browser(chromium: Chromium) -> Browser:
    """A page of the browser, driven by what a test looks at."""
    return Browser(chromium.new_page())
