"""``modstudy ui``: a server for one person that leaves nothing behind, and links that show what they say."""

from __future__ import annotations

import os
import re
import shutil
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

from study.collect.collect import collect
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan
from study.plan.run_files import write_study_as_run

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
        lines += command.communicate(timeout=30)[0].splitlines()


@pytest.mark.slow
@pytest.mark.long
def test_the_server_is_small_prints_links_and_is_gone_after_ctrl_c(odd_folder: RunFolder, tmp_path: Path):
    with opened(odd_folder) as (command, lines):
        links = [found[0] for line in lines if (found := re.search(r"http://\S+", line))]
        assert len(links) == 3, lines
        assert all(link.startswith("http://127.0.0.1:") for link in links)
        with urllib.request.urlopen(links[0].partition("#")[0]) as page:  # noqa: S310 - loopback
            assert b"MLflow" in page.read()
        started = psutil.Process(command.pid).children(recursive=True)
        assert len(started) <= 3, [process.cmdline() for process in started]
    assert command.returncode == 0
    assert lines[-1] == "MLflow is stopped"
    time.sleep(0.2)
    assert [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    assert {path.name for path in tmp_path.iterdir()} == {"50%20off, what?", "runs", "tiny.yaml"}


def _page(link: str, profile: Path) -> str:
    """Return the page as a browser shows it once its scripts have run."""
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    wait = ["--virtual-time-budget=60000", "--window-size=1600,1200", "--dump-dom"]
    shown = subprocess.run(  # noqa: S603 - the browser named above
        [*browser, *wait, link], capture_output=True, text=True, timeout=180, check=True
    )
    return shown.stdout


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_browser_finds_the_arms_behind_the_links(odd_folder: RunFolder, tmp_path: Path):
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not here")
    with opened(odd_folder) as (_, lines):
        links = [line.partition(": ")[2] for line in lines if "http://" in line]
        study, tree, compared = (_page(link, tmp_path / "profile") for link in links)
    for arm in ("late", "separate", "shared"):
        assert f">{arm}<" in study
        assert f"Group: {arm}" in compared
    assert ">tiny<" in tree
    assert "matching runs" in tree
    assert "accuracy against added parameters" in compared
    for axis in ("storage/added_parameters", "summary/triplet_accuracy_mean"):
        assert f">{axis}</text>" in compared
