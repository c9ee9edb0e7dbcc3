"""The MLflow server of ``benchmarks.chaos``: a real one, with SQLite, that may be killed and is started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.loopback_cluster import free_ports
from study.tracking.pages.routes import FOLDER

_STATES = {"completed": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_PATIENCE_S = 180.0


@dataclass
class Server:
    """A tracking server on this machine.

    Attributes:
        folder: of its database and artifacts.
        port: on 127.0.0.1.
        process: that serves; None before the first start.
        compared: keys of the run folders whose runs have been compared.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    compared: set[str] = field(default_factory=set)

    @property
    def uri(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def ensure(self) -> None:
        """Start it, unless it runs; return when it answers."""
        if self.process is not None and self.process.poll() is None:
            return
        store = [
            "--backend-store-uri",
            f"sqlite:///{self.folder}/mlflow.db",
            "--artifacts-destination",
            str(self.folder),
        ]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--workers", "1", *store],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()  # noqa: S310 - our own server
            except (OSError, urllib.error.URLError):
                time.sleep(0.5)
            else:
                return
        raise RuntimeError("the MLflow server does not answer")

    def kill(self) -> bool:
        """Kill -9 it and its workers; return whether it was running."""
        if self.process is None or self.process.poll() is not None:
            return False
        for process in (*psutil.Process(self.process.pid).children(recursive=True), self.process):
            process.kill()
        self.process.wait()
        return True


def server_in(folder: Path) -> Server:
    """Return a server, not yet started, on a free port."""
    return Server(folder, *free_ports(1))


def disagreements(server: Server, experiment: str, trials: pd.DataFrame) -> list[str]:
    """Return the trials of the latest run folder of which MLflow shows no run, several, another state or objective."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(server.uri)
    found = client.get_experiment_by_name(experiment)
    runs = [] if found is None else list(client.search_runs([found.experiment_id], max_results=5000))
    runs = [run for run in runs if run.data.tags.get(FOLDER) not in server.compared]
    folders = {run.data.tags.get(FOLDER) for run in runs}
    if len(folders) != 1:
        return [f"MLflow: runs of {len(folders)} folders came from one"]
    server.compared |= folders
    keys = Counter(run.data.tags.get("modstudy.key", "") for run in runs)
    by_key = {run.data.tags.get("modstudy.key", ""): run for run in runs}
    wrong = []
    for row in trials.to_dict("records"):
        key = f"trial:{row['trial_id']}"
        if keys[key] != 1:
            wrong.append(f"MLflow: {keys[key]} runs of {key}")
        elif by_key[key].info.status != _STATES[row["state"]]:
            wrong.append(f"MLflow: {key} is {by_key[key].info.status}, not {_STATES[row['state']]}")
        elif pd.notna(row["objective"]) and by_key[key].data.metrics.get("objective") != row["objective"]:
            wrong.append(f"MLflow: {key} has another objective")
    return wrong
