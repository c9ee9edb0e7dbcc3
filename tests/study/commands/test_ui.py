"""``modstudy ui``: a server for one person that leaves nothing behind, and links that show what they say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page

from study.collect.collect import collect
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan
from study.plan.run_files import write_study_as_run
from study.study import Study

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def odd_folder(tmp_path: Path, plan: StudyPlan, journaling: Any) -> RunFolder:
    """A run that is done, below a folder whose name means something else in an address."""
    folder = RunFolder(tmp_path / "50%20off, what?" / "runs" / "tiny")
    write_plan(plan, folder)
    write_study_as_run(plan.definition, folder)
    type(journaling)(folder).play(plan)
    collect(folder)
    return folder


@contextmanager
def opened(folder: RunFolder, **environment: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start the command; yield it with the lines it printed up to the one that says how to stop it."""
    command = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "study", "ui", str(folder.path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    try:
        for line in command.stdout:
            lines.append(line.strip())
            if "Ctrl-C" in line:
                break
        yield command, lines
    finally:
        command.send_signal(signal.SIGINT)
        lines += command.communicate(timeout=120)[0].splitlines()


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.long
def test_the_server_is_small_prints_links_and_is_gone_after_ctrl_c(odd_folder: RunFolder, tmp_path: Path):
    with opened(odd_folder) as (command, lines):
        links = [found[0] for line in lines if (found := re.search(r"http://\S+", line))]
        assert len(links) == 5, lines
        assert all(link.startswith("http://127.0.0.1:") for link in links)
        with urllib.request.urlopen(links[0].partition("#")[0]) as page:  # noqa: S310 - loopback
            assert b"MLflow" in page.read()
        started = psutil.Process(command.pid).children(recursive=True)
        assert len(started) <= 3, [process.cmdline() for process in started]
    assert command.returncode == 0
    assert lines[-1] == "MLflow is stopped"
    end = time.monotonic() + 60
    while any(_runs(process) for process in started):
        assert time.monotonic() < end, [process.cmdline() for process in started if _runs(process)]
        time.sleep(0.05)
    assert {path.name for path in tmp_path.iterdir()} == {"50%20off, what?", "runs", "tiny.yaml"}


_ARMS = ("late", "separate", "shared")
_TRAINING = "Model training"  # not the pages for language models
_PICTURES = "document.images.length && [...document.images].every(image => image.naturalWidth > 0)"


def _opened(page: Page, link: str, *texts: str) -> None:
    """Open a page and wait until every text is in it, for a minute at most."""
    page.goto("about:blank")  # another fragment alone would load nothing
    page.goto(link)
    for text in texts:
        page.wait_for_function("text => document.documentElement.outerHTML.includes(text)", arg=text)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_browser_finds_the_arms_behind_the_links(odd_folder: RunFolder, chromium: Browser):
    Study(odd_folder.path).report(images=False)
    page = chromium.new_page(viewport={"width": 1600, "height": 1200})
    page.set_default_timeout(60_000)
    axes = (f">{axis}</text>" for axis in ("storage/log10_added_parameters", "summary/triplet_accuracy_mean"))
    charts = ("accuracy against added parameters", *axes, "Parallel Coordinates")
    with opened(odd_folder) as (_, lines):
        study, compared, trials, tuning, tree = (line.partition(": ")[2] for line in lines if "http://" in line)
        _opened(page, study, *(f">{arm}<" for arm in _ARMS), "the tuning trials</a>", "get-artifact?path=note")
        page.wait_for_function(_PICTURES)
        _opened(page, compared, _TRAINING, *(f">{arm}<" for arm in _ARMS), *charts)
        _opened(page, trials, _TRAINING, *(f"Group: {arm}" for arm in _ARMS))
        _opened(page, tuning, _TRAINING, *(f">tune 0 {arm}<" for arm in _ARMS))
        _opened(page, tree, _TRAINING, ">tiny<", "matching runs")
    page.close()
