"""A small study on the real command line, in folders of its own, with tables to compare."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest
from filelock import FileLock

from benchmarks.chaos import SMALL
from benchmarks.chaos_report import KEYS
from benchmarks.loopback_cluster import token
from results.tables.store import read_table
from study.journal.index import read_states
from study.layout import RunFolder

PATIENCE_S = 600  # to start Ray and import torch on a machine that is busy with other things

STUDY = f"name: faults\n{SMALL}\nresources: {{gpus: 0}}\n"  # some clusters have no node when a run starts
HOW_IT_WAS_DONE = ["seconds", "peak_memory_bytes", "attempts", "software", "mlflow_run_id"]
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Site:
    """A place with the study file, where runs are made in folders of their own and share decoded images."""

    path: Path

    def folder(self, runs: str) -> RunFolder:
        return RunFolder(self.path / runs / "faults")

    def start(self, runs: str, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "study", "run", str(self.path / "study.yaml"), "--no-tracking"]
        return subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--runs-dir", str(self.path / runs), *options],
            env={**os.environ, "MODSTUDY_CACHE": str(self.path / "cache"), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # as a terminal does: signals of Ctrl-C go to the whole group
        )

    def run(self, runs: str, *options: str) -> None:
        process = self.start(runs, *options)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, output

    @staticmethod
    def line_with(driver: subprocess.Popen[str], words: str) -> str:
        """Wait until a driver prints a line with these words, and return it."""
        assert driver.stdout is not None
        lines = list[str]()
        for line in iter(driver.stdout.readline, ""):
            lines.append(line)
            if words in line:
                return line
        raise AssertionError(f"it has ended without a line with {words!r}: {lines}")

    def states(self, runs: str) -> list[str]:
        return [state.history.state for state in read_states(self.folder(runs)).values()]

    def epochs(self, runs: str) -> int:
        return sum(len(state.history.epochs) for state in read_states(self.folder(runs)).values())

    def tables(self, runs: str) -> Tables:
        found = {}
        for name in ("trials", "task_metrics", "curves"):
            table = read_table(self.folder(runs).tables, name).drop(columns=HOW_IT_WAS_DONE, errors="ignore")
            found[name] = table.sort_values(KEYS[name]).reset_index(drop=True)
        return found


@pytest.fixture(scope="package", autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """Let commands hear SIGINT also when the tests run in the background of a script, where the shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="package")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Site]:
    """Return a way to make a place with a study of that text."""

    def make(study: str) -> Site:
        path = tmp_path_factory.mktemp("faults")
        (path / "study.yaml").write_text(study)
        return Site(path)

    return make


@pytest.fixture(scope="package")
def site(new_site: Callable[[str], Site]) -> Site:
    return new_site(STUDY)


@pytest.fixture(scope="package")
def undisturbed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of a run by one worker that nothing disturbed; made once for all processes of pytest-xdist."""
    shared = tmp_path_factory.getbasetemp()
    runs = str((shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared) / "undisturbed")
    done = Path(runs) / "done"
    with FileLock(f"{runs}.lock"):
        if not done.exists():
            site.run(runs, "--workers", "1")
            done.touch()
    return site.tables(runs)


@pytest.fixture(scope="package")
def wait_for() -> Callable[[Callable[[], bool]], None]:
    """Return a way to wait until a condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "it did not come to that in time"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="package")
def stop_while_training(wait_for: Callable[[Callable[[], bool]], None]) -> Callable[..., psutil.Process]:
    """Return a way to stop (SIGSTOP) a worker while it trains: a trial could end just before its worker is lost."""

    def is_training(folder: RunFolder, worker: psutil.Process) -> bool:
        """Stop the worker, and leave it so if it holds the lock of a trial that is running."""
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.suspend()
            held = {Path(file.path).parent.name for file in worker.open_files()}
            states = read_states(folder)
            if any(states[trial].history.state == "running" for trial in held & states.keys()):
                return True
            worker.resume()
        return False

    def stop(folder: RunFolder, workers: Callable[[], Iterable[psutil.Process]]) -> psutil.Process:
        stopped: list[psutil.Process] = []

        def stop_one() -> bool:
            stopped.extend(itertools.islice((one for one in workers() if is_training(folder, one)), 1))
            return bool(stopped)

        wait_for(stop_one)
        return stopped[0]

    return stop


@pytest.fixture(scope="package")
def assert_same() -> Callable[[Tables, Tables], None]:
    """Return a comparison of tables to the last bit."""

    def compare(tables: Tables, others: Tables) -> None:
        for name, table in tables.items():
            assert len(table) > 0
            pd.testing.assert_frame_equal(table, others[name], check_exact=True)

    return compare


@pytest.fixture
def cluster_environment(site: Site) -> Iterator[pytest.MonkeyPatch]:
    """Set the environment of all nodes of a cluster that asks for a token, and of its driver."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODSTUDY_CACHE", str(site.path / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])))
        for name, value in token().items():
            patch.setenv(name, value)
        yield patch
