"""Which arms are probed, and how all of them then share the accelerators."""

from __future__ import annotations

import pytest

from study.layout import RunFolder
from study.packing.choice import Limits
from study.packing.decision import Accelerator, arms_to_probe, decide, most_processes, probes_on, shape_of
from study.packing.measurement import Measurement
from study.packing.probe import Probe
from study.packing.record import PackingRecord, ProbedArm, read_packing
from study.plan.device import PlannedDevice
from study.plan.plan import compile_plan


@pytest.fixture
def plan(make_plan):
    starts = [{"kind": "ones"}, {"kind": "normal"}]
    blocks = [{"placement": ["late"], "initialization": starts}, {"placement": ["all"]}]
    return compile_plan(make_plan(space={"blocks": blocks}).definition, device=PlannedDevice("cuda"))


@pytest.fixture
def record(tmp_path):
    return PackingRecord(RunFolder(tmp_path))


def probed(plan, index: int, accelerator: str, rates: dict[tuple[int, bool], float], most: int = 8) -> ProbedArm:
    arm = plan.arms[index]
    measurements = [Measurement(k, mps, "measured", rate, 48 * rate, 10**9) for (k, mps), rate in rates.items()]
    found = Probe(accelerator, Limits(most, 80 * 10**9), tuple(measurements), 100, 0.1)
    return ProbedArm(arm.arm.arm_id, arm.arm.name, accelerator, shape_of(plan, arm), arm.arm.name, "node", 1.0, found)


def groups(plan, record, most=8, accelerator="H100", arms=None) -> list[list[str]]:
    ids = {arm.arm.arm_id for arm in plan.arms} if arms is None else arms
    return [[arm.arm.name for arm in group] for group in arms_to_probe(plan, ids, record, accelerator, most)]


def test_probes_are_for_studies_that_leave_the_share_open_and_train_on_gpus(plan, make_plan):
    assert probes_on(plan)
    assert not probes_on(make_plan())
    fixed = make_plan(resources={"gpus": 0.25}).definition
    assert not probes_on(compile_plan(fixed, device=PlannedDevice("cuda")))


def test_arms_of_equal_cost_share_a_probe_also_one_of_an_earlier_run(plan, record):
    first, second, third = (arm.arm.name for arm in plan.arms)
    assert groups(plan, record) == [[third], [first, second]]
    assert groups(plan, record, arms={plan.arms[2].arm.arm_id}) == [[third]]
    assert groups(plan, record, most=1) == []  # nothing to find out
    record.add(probed(plan, 0, "H100", {(1, False): 100, (2, False): 150}))
    assert groups(plan, record) == [[third]]
    assert [each.arm for each in read_packing(record._folder).probed] == [first, second]
    assert record.probed[1].probed == first
    assert groups(plan, record, accelerator="A100") == [[third], [first, second]]


def test_a_probe_that_ended_at_its_limit_is_repeated_where_more_are_allowed(plan, record):
    stalled = {(1, False): 100.0, (2, False): 101.0}
    rising = {(1, False): 100.0, (2, False): 190.0}
    record.add(probed(plan, 0, "H100", stalled, most=4))
    record.add(probed(plan, 2, "H100", rising, most=2))
    assert groups(plan, record, most=2) == []
    assert groups(plan, record, most=8) == [[plan.arms[2].arm.name]]


def test_a_run_uses_the_service_for_all_arms_or_for_none(plan, record):
    fond = {(1, False): 100.0, (2, False): 120.0, (1, True): 100.0, (2, True): 180.0, (4, True): 300.0}
    calm = {(1, False): 100.0, (2, False): 190.0, (1, True): 90.0, (2, True): 92.0}
    record.add(probed(plan, 0, "H100", fond))
    record.add(probed(plan, 2, "H100", calm))
    first, second, third = (arm.arm.arm_id for arm in plan.arms)
    served = decide(plan, record, {"H100": 8}, mps=True)
    assert (served.processes, served.mps) == ({first: 4, third: 1}, True)
    alone = decide(plan, record, {"H100": 8}, mps=False)
    assert (alone.processes, alone.mps) == ({first: 2, third: 2}, False)
    assert second not in alone.processes  # never probed: a GPU for each trial


def test_on_several_types_an_arm_suits_the_one_that_holds_fewest(plan, record):
    record.add(probed(plan, 0, "H100", {(1, False): 100.0, (4, False): 300.0}))
    record.add(probed(plan, 0, "A100", {(1, False): 100.0, (2, False): 150.0}))
    record.add(probed(plan, 2, "A100", {(1, False): 100.0, (2, False): 150.0}))
    found = decide(plan, record, {"H100": 8, "A100": 8}, mps=True)
    assert found.processes == {plan.arms[0].arm.arm_id: 2}  # the third arm is not known on one of them
    assert decide(plan, record, {"H100": 3}, mps=True).processes == {plan.arms[0].arm.arm_id: 1}


def test_cpus_and_trials_at_once_limit_the_processes(make_plan):
    definition = make_plan(resources={"cpus": 2}).definition
    found = [Accelerator("H100", 4, 16.0), Accelerator("A100", 2, 8.5)]
    assert most_processes(definition, found, "H100", None) == 8
    assert most_processes(definition, found, "A100", None) == 4
    assert most_processes(definition, found, "H100", 13) == 3  # 6 GPUs
    assert most_processes(definition, [Accelerator("H100", 8, 1.0)], "H100", None) == 1
