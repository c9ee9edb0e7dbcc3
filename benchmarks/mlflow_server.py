"""What mirroring finished trials costs an MLflow server: requests and processor time. Nothing is trained.

    python -m benchmarks.mlflow_server [--trials 18] [--tasks 40] [--epochs 30]

The journals are made up by ``benchmarks.large_study``, for three arms. MLflow's own server (SQLite, one worker, on
loopback) first gets the study and its arms; measured is the next pass of ``Tracker.sync``, which sends all trials.
Seconds of processors are those of server and mirror, so other programs on the machine hardly change them; wall time is
that of the machine as busy as it is.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from requests import PreparedRequest, Response, Session

from benchmarks.large_study import Size, make
from study.definition.tracking_address import StoreAddress
from study.layout import RunFolder, sqlite_uri
from study.tracking.server import LocalServer
from study.tracking.tracker import Tracker

_ARMS = 3


@dataclass(frozen=True)
class Cost:
    """Of a pass: requests by method and path, seconds of processors of server and mirror, and wall seconds."""

    requests: Counter[str]
    server_s: float
    mirror_s: float
    wall_s: float


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the requests that this process sends, by method and path, in which ids are ``ID``."""
    sent, send = Counter[str](), Session.send

    def counting(session: Session, request: PreparedRequest, **options: Any) -> Response:
        path = str(request.path_url).partition("?")[0]
        sent[f"{request.method} {re.sub('[0-9a-f]{32}', 'ID', path)}"] += 1
        return send(session, request, **options)

    with patch.object(Session, "send", counting):
        yield sent


def mirrored(folder: RunFolder, server_uri: str) -> Cost:
    """Send a study and its arms, then all its trials; return what these cost.

    Args:
        folder: of a run that is over.
        server_uri: of a server that this process has started and that holds nothing of it.
    """
    tracker = Tracker(StoreAddress(server_uri, "this benchmark", None), "large")
    aside = folder.path / "aside"
    folder.trials.rename(aside)
    folder.trials.mkdir()
    tracker.sync(folder)
    folder.trials.rmdir()
    aside.rename(folder.trials)
    with counted() as sent:
        server, mirror, wall = _seconds_of_children(), time.process_time(), time.perf_counter()
        tracker.sync(folder)
        mirror, wall = time.process_time() - mirror, time.perf_counter() - wall
    return Cost(sent, _seconds_of_children() - server, mirror, wall)


def _seconds_of_children() -> float:
    """Return the seconds of processors that all children of this process have computed so far."""
    spent = [child.cpu_times() for child in psutil.Process(os.getpid()).children(recursive=True)]
    return sum(each.user + each.system for each in spent)


def main() -> None:
    """Make a study, mirror it, and print what a trial costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"trials": 18, "tasks": 40, "epochs": 30}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder(Path(path).resolve() / "large")
        folder.path.mkdir()
        make(folder, Size(options.trials, options.tasks, options.epochs, _ARMS))
        trials = len(list(folder.trials.iterdir()))
        store = StoreAddress(sqlite_uri(Path(path) / "mlflow.db"), "this benchmark", None)
        with LocalServer(store) as server:
            cost = mirrored(folder, server.url)
    print(f"{trials} finished trials of {options.tasks} tasks and {options.epochs} epochs, each:")
    print(f"{cost.requests.total() / trials:.2f} requests, {1e3 * cost.wall_s / trials:.0f} ms of time")
    print(f"processors: server {1e3 * cost.server_s / trials:.0f} ms, mirror {1e3 * cost.mirror_s / trials:.0f} ms")
    for request, number in cost.requests.most_common():
        print(f"{number:6d} {request}")


if __name__ == "__main__":
    main()
