"""Status and report show how trials shared GPUs, and say nothing of it where nothing was probed."""

from __future__ import annotations

from study import Study
from study.layout import RunFolder
from study.packing.choice import Limits
from study.packing.decision import shape_of
from study.packing.measurement import Measurement
from study.packing.probe import Probe
from study.packing.record import ProbedArm, recover_packing
from study.schedule.progress import read_progress
from study.session.reading import report_origin

GAIN = {1: 100.0, 4: 320.0}


def note(folder: RunFolder, arm_id: str, arm: str, shape: str) -> None:
    steps = tuple(Measurement(k, k > 1, "measured", rate, 12 * rate, 10**9) for k, rate in GAIN.items())
    found = Probe("NVIDIA H100 80GB HBM3", Limits(8, 80 * 10**9), steps, 100, 0.5)
    recover_packing(folder).add(ProbedArm(arm_id, arm, "H100", shape, arm, "node", 1.0, found))


def test_status_and_report_of_a_run(played, plan):
    study = Study(played.path)
    assert not any("on H100" in line for line in study.notes())
    assert report_origin(study.target, read_progress(played)).shared_gpus == ()
    first, second, third = plan.arms
    for arm in (first, third):
        note(played, arm.arm.arm_id, arm.arm.name, shape_of(plan, arm))
    note(played, second.arm.arm_id, second.arm.name, "trials that cost something else now")
    (line,) = (line for line in study.notes() if "on H100" in line)
    assert line == (
        "on H100, 4 trials at once through the Multi-Process Service, 3.2 to 3.2 x one trial alone:"
        f" {first.arm.name}, {third.arm.name}"
    )
    report = study.report().details.read_text()
    section = report.partition("## Trials on one GPU")[2].partition("\n## ")[0]
    assert f"| {first.arm.name} | H100 (NVIDIA H100 80GB HBM3) | 4 | yes | 3,840 | 3.2 x | 1 GB |" in section
    assert second.arm.name not in section


def test_a_record_without_figures_is_not_shown(played, plan):
    played.packing.write_text("{}")
    assert not any("on H100" in line for line in Study(played.path).notes())
    assert played.packing.read_text() == "{}"  # the driver alone sets it aside
