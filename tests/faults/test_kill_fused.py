"""A worker with a fused unit is killed: the driver hands the unit out again, and the tables are those of a calm run."""

from __future__ import annotations

import contextlib
from collections import Counter

import psutil
import pytest
import torch

from study.journal.index import read_states
from study.journal.journal import read_journal
from study.layout import RunFolder

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_S = 600


def in_training(folder: RunFolder, least: int) -> int | None:
    """The process of a worker that trains so many trials at least now, from the journals; None if there is none."""
    running: Counter[int] = Counter()
    for trial_id, state in read_states(folder).items():
        if state.history.state == "running":
            events = read_journal(folder.trial(trial_id).journal).events
            running[[event["pid"] for event in events if event["event"] == "started"][-1]] += 1
    return next((pid for pid, trials in running.items() if trials >= least and psutil.pid_exists(pid)), None)


def killed_in_training(folder: RunFolder, least: int) -> bool:
    """Kill a worker that trains so many now; it is stopped first, since the unit could end before it is killed."""
    pid = in_training(folder, least)
    if pid is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        worker = psutil.Process(pid)
        worker.suspend()
        if in_training(folder, least) == pid:
            worker.kill()
            return True
        worker.resume()
    return False


@pytest.fixture
def calm_and_killed(site, tmp_path, wait_for):
    """Run a study calmly, and with two workers killed while they train so many trials; return both tables."""

    def run(study: str, least: int = 2):
        fused = type(site)(tmp_path)
        (tmp_path / "study.yaml").write_text(study)
        fused.run("calm", "--workers", "1")
        driver = fused.start("killed", "--workers", "2")
        for epochs in (3, 12):  # in a unit of the first round, then in a later one
            folder = fused.folder("killed")
            wait_for(
                lambda wanted=epochs, of=folder: fused.epochs("killed") >= wanted and killed_in_training(of, least)
            )
        output, _ = driver.communicate(timeout=PATIENCE_S)
        assert driver.returncode == 0, output
        return fused.tables("calm"), fused.tables("killed")

    return run


@pytest.mark.long
def test_a_killed_worker_with_a_fused_unit_changes_no_number(site, calm_and_killed, assert_same):
    calm, killed = calm_and_killed((site.path / "study.yaml").read_text() + "compute: {fused: 2}\n")
    assert_same(killed, calm)
    assert set(calm["trials"]["state"]) == {"completed", "pruned"}


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("settings", "least"),
    [("compute: {fused: 2, device: cuda}", 2), ("compute: {device: cuda}\nresources: {gpus: 0.25}", 1)],
    ids=["fused", "side by side"],
)
def test_a_worker_killed_on_a_gpu_changes_no_number(settings, least, site, calm_and_killed, assert_same):
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    study = (site.path / "study.yaml").read_text().replace("resources: {gpus: 0}\n", "")
    study = study.replace("optimization: {epochs: 4}", "optimization: {epochs: 4, steps_per_epoch: 300}")
    calm, killed = calm_and_killed(f"{study}{settings}\n", least)
    assert_same(killed, calm)
    assert set(calm["trials"]["state"]) == {"completed", "pruned"}
