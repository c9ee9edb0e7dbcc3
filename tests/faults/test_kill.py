"""The command line on a real Ray with real training: killed, and stopped, with two workers, and run again.

The tables agree to the last bit with those of a run by one worker that nothing disturbed, except for what says how the
work was done: times, attempts, memory.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest

from results.store import read_table
from study.layout import RunFolder
from study.tune.units import read_states

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_S = 240  # to start Ray and import torch on a machine that is busy with other things

STUDY = """
name: faults
data:
  source: {kind: generated, train_images: 96, validation_images: 32, test_images: 32}
  tasks: [Smiling, Glasses]
  image_size: 48
network: {width: 0.0625}
batches: {images: 16}
optimization: {epochs: 4}
evaluation: {triplets_per_task: 100}
space:
  blocks: [{placement: [none, late]}]
  nuisance:
    learning_rate: {low: 1e-3, high: 1e-2, log: true}
search: {trials_per_arm: 4, round_size: 2, halving: {rungs: [2], keep: 0.5}}
confirm: {seeds: [1, 2]}
"""
HOW_IT_WAS_DONE = ["seconds", "peak_memory_bytes", "attempts", "software", "mlflow_run_id"]


@dataclass(frozen=True)
class Site:
    """A place with the study file, where runs are made in folders of their own and share decoded images."""

    path: Path

    def folder(self, runs: str) -> RunFolder:
        return RunFolder(self.path / runs / "faults")

    def start(self, runs: str, workers: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "study", "run", str(self.path / "study.yaml"), "--no-tracking"]
        options = ["--runs-dir", str(self.path / runs), "--workers", str(workers)]
        return subprocess.Popen(  # noqa: S603 - our own command
            [*command, *options],
            env={**os.environ, "MODSTUDY_CACHE": str(self.path / "cache"), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # as a terminal does: signals of Ctrl-C go to the whole group
        )

    def run(self, runs: str, workers: int) -> None:
        process = self.start(runs, workers)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, output

    def tables(self, runs: str) -> dict[str, pd.DataFrame]:
        found = {}
        for name, key in {
            "trials": ["trial_id"],
            "task_metrics": ["trial_id", "split", "task", "metric", "average"],
            "curves": ["trial_id", "epoch", "metric"],
        }.items():
            table = read_table(self.folder(runs).tables, name).drop(columns=HOW_IT_WAS_DONE, errors="ignore")
            found[name] = table.sort_values(key).reset_index(drop=True)
        return found


@pytest.fixture(autouse=True, scope="module")
def ctrl_c_is_heard() -> Iterator[None]:
    """Let commands hear SIGINT also when the tests run in the background of a script, where the shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    path = tmp_path_factory.mktemp("faults")
    (path / "study.yaml").write_text(STUDY)
    return Site(path)


@pytest.fixture(scope="module")
def undisturbed(site: Site) -> dict[str, pd.DataFrame]:
    site.run("undisturbed", workers=1)
    return site.tables("undisturbed")


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.02)


def states_in(folder: RunFolder) -> list[str]:
    return [state.history.state for state in read_states(folder).values()]


def epochs_in(folder: RunFolder) -> int:
    return sum(len(state.history.epochs) for state in read_states(folder).values())


def is_worker(process: psutil.Process) -> bool:
    """Whether a process trains; two agents of Ray outlive a killed driver for a minute, and do nothing."""
    return "Trainable" in process.name()


def assert_same(tables: dict[str, pd.DataFrame], others: dict[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        assert len(table) > 0
        pd.testing.assert_frame_equal(table, others[name], check_exact=True)


def test_killed_and_run_again_is_as_if_nothing_had_happened(site, undisturbed):
    folder = site.folder("killed")
    driver = site.start("killed", workers=2)
    wait_for(lambda: epochs_in(folder) >= 8 and "running" in states_in(folder))  # inside a trial of the second round
    workers = [child for child in psutil.Process(driver.pid).children(recursive=True) if is_worker(child)]
    assert workers
    driver.kill()
    driver.communicate()
    site.run("killed", workers=2)  # at once: workers of the killed driver may still be there
    assert_same(site.tables("killed"), undisturbed)
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_ctrl_c_and_sigterm_stop_quickly_leave_nothing_behind_and_the_same_command_goes_on(site, undisturbed):
    folder = site.folder("stopped")
    for signals, epochs in ((interrupt, 3), (subprocess.Popen.terminate, 6)):
        driver = site.start("stopped", workers=2)
        wait_for(lambda wanted=epochs: epochs_in(folder) >= wanted)
        processes = psutil.Process(driver.pid).children(recursive=True)
        signals(driver)
        output, _ = driver.communicate(timeout=30)  # a busy machine takes longer to end Ray
        assert driver.returncode == 130, output
        assert "The same command goes on" in output
        assert "Traceback" not in output
        assert psutil.wait_procs(processes, timeout=3)[1] == []
        assert not folder.ray.exists()
    site.run("stopped", workers=2)
    assert_same(site.tables("stopped"), undisturbed)


def interrupt(driver: subprocess.Popen[str]) -> None:
    """Press Ctrl-C: the whole process group of the terminal gets the signal."""
    os.killpg(driver.pid, signal.SIGINT)
