"""The command line where the storage has no ``flock``: two drivers, one killed, and run again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.long, pytest.mark.timeout(900)]

HOOK = Path(__file__).parents[1] / "no_flock"


def test_without_flock_one_driver_at_a_time_and_killed_and_run_again_is_as_if_nothing_had_happened(  # noqa: PLR0917 - fixtures
    site, undisturbed, wait_for, stop_while_training, assert_same, monkeypatch
):
    runs = "no-flock"
    monkeypatch.setenv("NO_FLOCK_BELOW", str(site.path))
    monkeypatch.setenv("NO_FLOCK_ERRNO", "ENOSYS")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HOOK), str(HOOK.parents[1])]))
    driver = site.start(runs, "--workers", "2")
    wait_for(lambda: site.epochs(runs) >= 3)
    children = psutil.Process(driver.pid).children
    worker = stop_while_training(  # so that the study cannot end before the second driver looks
        site.folder(runs), lambda: [child for child in children(recursive=True) if "Trainable" in child.name()]
    )
    second = site.start(runs, "--workers", "2")
    output, _ = second.communicate(timeout=300)
    assert second.returncode == 2, output
    assert f"this study is already being run by process {driver.pid} on " in output
    assert "waiting 30 s for a sign of life" in output
    driver.kill()
    driver.communicate()
    with contextlib.suppress(psutil.NoSuchProcess):
        worker.resume()
    site.run(runs, "--workers", "2")
    assert_same(site.tables(runs), undisturbed)
    assert list(site.folder(runs).path.glob(".run.lock.lease/*.json"))
    assert list(site.folder(runs).trials.glob("*/.trial.lock.lease/*.json"))
