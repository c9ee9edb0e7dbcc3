"""Shared fixtures, and how `make test` and `make test-long` divide the tests between two processes (pytest-xdist)."""

from __future__ import annotations

import fcntl
import gc
import os
import runpy
import shutil
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from benchmarks.s3_server import S3Server
from benchmarks.s3_server import s3_server as serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ.setdefault("OMP_NUM_THREADS", "1")  # so that processes do not fight for cores

settings.register_profile("any machine", deadline=None)  # a deadline measures what else the machine does
settings.load_profile("any machine")

TinyStudy = Callable[..., dict[str, Any]]

TINY_STUDY: dict[str, Any] = {
    "name": "tiny",
    "description": "Three arms on drawn faces.",
    "data": {
        "source": {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12},
        "tasks": ["Smiling", "Glasses"],
        "image_size": 48,
    },
    "network": {"width": 0.0625},
    "batches": {"batch_size": 12},
    "optimization": {"epochs": 1},
    "evaluation": {"triplets_per_task": 20},
    "space": {
        "blocks": [{"placement": ["none"], "grouping": ["per_task", "network_per_task"]}, {"placement": ["late"]}]
    },
    "confirm": {"seeds": [1, 2]},
}

SHARED_DATA = Path(os.environ.get("MODSTUDY_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def _real_images(name: str) -> Path:
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(
            f"real images {name} are not here: set MODSTUDY_SHARED_DATA to the folder that holds {name}/data/*.parquet"
        )
    return folder


NO_FLOCK = Path(__file__).parent / "no_flock"


@pytest.fixture
def refuse_flock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Let ``flock`` fail below ``tmp_path`` with an error, here and in processes that are started."""

    def refuse(error: str = "ENOSYS") -> None:
        monkeypatch.setenv("NO_FLOCK_BELOW", str(tmp_path))
        monkeypatch.setenv("NO_FLOCK_ERRNO", error)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NO_FLOCK), str(NO_FLOCK.parents[1])]))
        monkeypatch.setattr(fcntl, "flock", fcntl.flock)  # for its end
        runpy.run_path(str(NO_FLOCK / "sitecustomize.py"))

    return refuse


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start a browser; skip the test where there is none, except in continuous integration, which installs one."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # what is awaited comes at once, except on a machine that is busy
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("MODSTUDY_CI"):
            pytest.fail("chromium is not here, although continuous integration installs it")
        pytest.skip("chromium is not here")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


def _starts_ray(path: Path) -> bool:
    return 'xdist_group("ray")' in path.read_text(encoding="utf-8")


def _is_long(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "long")


def _ends_ray(path: Path) -> bool:
    return "ray.shutdown()" in path.read_text(encoding="utf-8")


class LongTests:
    """Says of each long test, as soon as it has ended, how long it took and why it failed.

    A run that is cut off in its midst has said so by then.
    """

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say it; of set-up and the end only failures."""
        if report.when == "call" or report.failed:
            self._reporter.ensure_newline()
            self._reporter.write_line(f"{report.duration:5.0f} s {report.outcome} {report.nodeid}")
        if report.failed:
            self._reporter.write_line(report.longreprtext[-4000:])


@pytest.hookimpl(trylast=True)  # when the terminal reporter is there
def pytest_configure(config: pytest.Config) -> None:
    """Say how long tests end, where nothing else is run."""
    if _is_long(config) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(LongTests(config.pluginmanager.getplugin("terminalreporter")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that start Ray: they run in one process and take longest.

    Files that end the shared Ray, to start one of another kind, come after those that use it: so it starts only once.
    """
    turns = {path: (not _starts_ray(path), _ends_ray(path)) for path in {item.path for item in items}}
    items.sort(key=lambda item: turns[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give every file to one process, for its fixtures to be made once; of quick tests all that start Ray to the same.

    Those share a Ray, and two at once would share the machine. Long tests start Rays of their own and wait for them
    much of the time, and as one group they would take twice as long as all others: each process takes the next file.
    The scheduler asks the file, since pytest-xdist 3.8 loses the groups of ``--dist loadgroup`` under pytest 9.2, where
    ids of tests cannot be changed.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "ray" if not _is_long(config) and _starts_ray(config.rootpath / file) else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def _rays() -> Iterator[ExitStack]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of Ray's processes and logs, when it ends
        with ExitStack() as rays:
            yield rays
        gc.collect()


@pytest.fixture(scope="session")
def start_ray(_rays: ExitStack) -> Callable[[], None]:
    """Return a way to start the Ray that all tests share, if none runs; studies use the one they find.

    Files that need another kind of Ray end it with ``ray.shutdown()``; the next one that calls this starts it again.
    """

    def start() -> None:
        from study.tune.cluster import connected

        with pytest.MonkeyPatch.context() as patch:
            runners = str(Path(__file__).parent / "study" / "runners")
            patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [runners, os.environ.get("PYTHONPATH")])))
            _rays.enter_context(connected(None, threads=1))

    return start


@pytest.fixture(scope="session")
def celeba10k() -> Path:
    """10,000 faces with 40 attributes and identities."""
    return _real_images("celeba10k")


@pytest.fixture(scope="session")
def fashion_shoes() -> Path:
    """About 9,000 shoes with 7 tasks."""
    return _real_images("fashion_shoes")


@pytest.fixture(scope="session")
def tiny_study() -> TinyStudy:
    """Make what the file of a study of seconds holds, with other keys in some sections."""

    def make(**sections: Any) -> dict[str, Any]:
        changed = {
            name: {**TINY_STUDY.get(name, {}), **section} if isinstance(section, dict) else section
            for name, section in sections.items()
        }
        return {**TINY_STUDY, **changed}

    return make


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with serving() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server) -> Iterator[S3Server]:
    s3_server.calm()
    yield s3_server
    s3_server.calm()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket on an emulator of Google's storage."""
    import fsspec
    from gcp_storage_emulator.server import create_server

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="images")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it would look for credentials first
    fsspec.filesystem("gs").clear_instance_cache()
    yield "gs://images"
    fsspec.filesystem("gs").clear_instance_cache()
    server.stop()
