"""A worker with a fused unit is killed: the driver hands the unit out again, and the tables are those of a calm run."""

from __future__ import annotations

import os
import signal
from collections import Counter

import psutil
import pytest

from study.journal.index import read_states
from study.journal.journal import read_journal
from study.layout import RunFolder

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_S = 600


def in_training(folder: RunFolder) -> int | None:
    """The process of a worker that trains a unit of several trials now, from the journals; None if there is none."""
    running: Counter[int] = Counter()
    for trial_id, state in read_states(folder).items():
        if state.history.state == "running":
            events = read_journal(folder.trial(trial_id).journal).events
            running[[event["pid"] for event in events if event["event"] == "started"][-1]] += 1
    return next((pid for pid, trials in running.items() if trials > 1 and psutil.pid_exists(pid)), None)


@pytest.mark.long
def test_a_killed_worker_with_a_fused_unit_changes_no_number(site, tmp_path, wait_for, assert_same):
    fused = type(site)(tmp_path)
    (tmp_path / "study.yaml").write_text((site.path / "study.yaml").read_text() + "compute: {fused: 2}\n")
    fused.run("calm", "--workers", "1")

    driver = fused.start("killed", "--workers", "2")
    for epochs in (3, 12):  # in a unit of the first round, then in a later one
        folder, pids = fused.folder("killed"), list[int]()

        def found(wanted: int = epochs, pids: list[int] = pids, folder: RunFolder = folder) -> bool:
            pid = in_training(folder) if fused.epochs("killed") >= wanted else None
            pids.extend([] if pid is None else [pid])
            return bool(pids)

        wait_for(found)
        os.kill(pids[0], signal.SIGKILL)
    output, _ = driver.communicate(timeout=PATIENCE_S)

    assert driver.returncode == 0, output
    assert_same(fused.tables("killed"), fused.tables("calm"))
    trials = fused.tables("calm")["trials"]
    assert set(trials["state"]) == {"completed", "pruned"}
