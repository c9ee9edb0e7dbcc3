"""A run with MLflow on the real command line: its driver killed, stopped by Ctrl-C, and its mirror killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from mlflow.tracking import MlflowClient

from study.layout import sqlite_uri

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.long, pytest.mark.timeout(900)]

PATIENCE_S = 300
SOON_S = 10
ENDED = "the MLflow mirror has ended"


def mirror_of(driver: subprocess.Popen[str]) -> psutil.Process | None:
    """Return the process that mirrors a run, once its driver has started it."""
    for child in psutil.Process(driver.pid).children():
        if "study.tracking.background.child" in child.cmdline():
            return child
    return None


def test_neither_driver_nor_mirror_misses_the_other_and_a_sync_completes_it(site, wait_for):
    def start() -> tuple[subprocess.Popen[str], psutil.Process]:
        epochs = site.epochs("mirrored")
        driver = site.start("mirrored", "--workers", "1", "--tracking")
        wait_for(lambda: site.epochs("mirrored") > epochs)
        mirror = mirror_of(driver)
        assert mirror is not None
        return driver, mirror

    driver, mirror = start()
    driver.kill()
    driver.communicate()
    mirror.wait(SOON_S)

    driver, mirror = start()
    os.killpg(driver.pid, signal.SIGINT)
    output, _ = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 130, output
    assert "Stopped; nothing is lost" in output
    assert ENDED not in output
    assert not mirror.is_running()

    driver, mirror = start()
    mirror.kill()
    killed = time.time()
    output, _ = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, output
    assert output.count(f"{ENDED} (killed by signal 9)") == 1
    assert "MLflow is not up to date, as logged above; later: modstudy sync" in output

    folder = site.folder("mirrored")
    trials = site.tables("mirrored")["trials"]
    assert max(path.stat().st_mtime for path in folder.trials.glob("*/journal.jsonl")) > killed  # trials went on
    subprocess.run([sys.executable, "-m", "study", "sync", str(folder.path)], check=True)  # noqa: S603 - our own command
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    experiment = client.get_experiment_by_name("faults").experiment_id
    runs = client.search_runs([experiment], "tags.`modstudy.kind` = 'trial'")
    assert sorted(run.data.tags["modstudy.trial_id"] for run in runs) == sorted(trials["trial_id"])
    states = {"completed": "FINISHED", "pruned": "KILLED"}
    by_id = {run.data.tags["modstudy.trial_id"]: run.info.status for run in runs}
    assert by_id == {row.trial_id: states[row.state] for row in trials.itertuples()}
