"""A driver killed in the midst of a run through NVIDIA's Multi-Process Service leaves no daemon on its node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.packing.mps.control import daemons_of, place_of

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.long]

STUDY = Path(__file__).parents[1] / "study"

DRIVER = """
import sys
from pathlib import Path
import ray
from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.packing.choice import Limits
from study.packing.decision import shape_of
from study.packing.measurement import Measurement
from study.packing.probe import Probe
from study.packing.record import PackingRecord, ProbedArm
from study.plan.device import PlannedDevice
from study.plan.plan import compile_plan
from study.tune.cluster import set_environment
from study.tune.runner import RunOptions, run_study

settings = {
    "name": "killed",
    "data": {"source": {"kind": "generated"}, "tasks": ["Smiling", "Glasses"], "image_size": 48},
    "network": {"width": 0.0625},
    "optimization": {"epochs": 500},
    "space": {"blocks": [{"placement": ["late"]}]},
}
plan = compile_plan(StudyDefinition.model_validate(settings), device=PlannedDevice("cuda"))
folder, arm = RunFolder(Path(sys.argv[1])), plan.arms[0]
rates = {(1, False): 100.0, (1, True): 100.0, (2, True): 190.0}
steps = tuple(Measurement(k, mps, "measured", rate, rate, 10**9) for (k, mps), rate in rates.items())
found = Probe("GPU", Limits(2, 80 * 10**9), steps, 2, 0.1)
known = ProbedArm(arm.arm.arm_id, arm.arm.name, "GPU", shape_of(plan, arm), arm.arm.name, "node", 1.0, found)
PackingRecord(folder).add(known)
set_environment(local=True)
ray.init("local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
run_study(plan, folder, RunOptions(runner="orchestration_runners:train_slowly"))
"""


def wait_for(condition, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_driver_leaves_no_daemon(tmp_path):
    place = place_of(tmp_path / "run")
    environment = {
        **os.environ,
        "PATH": f"{STUDY / 'packing' / 'programs'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(STUDY / "runners"), os.environ.get("PYTHONPATH", "")]),
        "CUDA_MPS_PIPE_DIRECTORY": "/no-mps-daemon-here",
    }
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", DRIVER, str(tmp_path / "run")],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as driver:
        wait_for(lambda: driver.poll() is not None or list((tmp_path / "run" / "trials").glob("*/journal.jsonl")))
        assert driver.poll() is None
        assert len(daemons_of(place)) == 1
        os.kill(driver.pid, signal.SIGKILL)
    wait_for(lambda: not place.folder.exists())
    assert daemons_of(place) == []
