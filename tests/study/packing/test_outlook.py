"""What ``modstudy plan`` says of how trials will run on GPUs, and that it says nothing of them for a CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_spaces.catalog import CATALOG
from study import Study
from study.layout import RunFolder
from study.packing.choice import Limits
from study.packing.decision import shape_of
from study.packing.measurement import Measurement
from study.packing.outlook import outlook
from study.packing.probe import Probe
from study.packing.record import PackingRecord, ProbedArm
from study.plan.device import PlannedDevice
from study.plan.plan import compile_plan

BLOCKS = [{"placement": ["late"]}, {"placement": ["none"], "balancing": ["equal", "pcgrad"]}]


@pytest.fixture
def plan(make_plan):
    definition = make_plan(space={"blocks": BLOCKS}, evaluation={"validate_every": 2}).definition
    return compile_plan(definition, device=PlannedDevice("cuda"))


@pytest.fixture
def record(tmp_path):
    return PackingRecord(RunFolder(tmp_path))


def note(plan, record, index: int, accelerator: str, rates: dict[int, float]) -> None:
    arm = plan.arms[index]
    steps = tuple(Measurement(k, k > 1, "measured", rate, 12 * rate, 10**9) for k, rate in rates.items())
    found = Probe(accelerator, Limits(8, 80 * 10**9), steps, 100, 0.5)
    shape = shape_of(plan, arm)
    record.add(ProbedArm(arm.arm.arm_id, arm.arm.name, accelerator, shape, arm.arm.name, "node", 1.0, found))


def test_a_study_on_the_cpu_has_no_such_outlook(make_plan, record):
    assert outlook(make_plan(), record) is None


def test_each_arm_says_whether_its_step_is_a_graph_and_how_many_trials_a_gpu_holds(plan, record):
    note(plan, record, 0, "H100", {1: 100.0, 8: 500.0})
    note(plan, record, 0, "A100", {1: 50.0, 4: 100.0})
    found = outlook(plan, record)
    late, equal, pcgrad = (found.row(index) for index in range(3))
    assert late == {
        "step": "graph",
        "fused": "1",
        "on a GPU": "8 (H100, MPS), 4 (A100, MPS)",
        "images/s": "6,000, 1,200",
    }
    assert equal == {"step": "graph", "fused": "1", "on a GPU": "to be probed", "images/s": "-"}
    assert pcgrad["step"] == "eager"
    names = [arm.arm.name for arm in plan.arms]
    device, unknown, obstacle, apart = found.lines()
    assert device.startswith("device: cuda, precision fp32; ")
    assert unknown == f"to be probed, in the next run before their first trials: {names[1]}, {names[2]}"
    assert obstacle.startswith("step not captured as a CUDA graph: the balancing method pcgrad ")
    assert obstacle.endswith(f"({names[2]})")
    assert apart.startswith("trials not fused: the balancing method 'pcgrad' ")
    assert apart.endswith(f"({names[2]})")
    assert found.arms[0].to_dict()["packing"]["H100"]["processes"] == 8


def test_the_time_follows_from_the_probes_once_every_arm_has_one(plan, record):
    for index in range(2):
        note(plan, record, index, "H100", {1: 100.0, 8: 500.0})
    assert outlook(plan, record).epoch_seconds is None
    note(plan, record, 2, "H100", {1: 100.0})
    found = outlook(plan, record)
    first, _, last = (arm.arm.arm_id for arm in plan.arms)
    assert found.epoch_seconds[first] == pytest.approx(100 * 8 / 500 + 0.5 / 2)
    assert found.epoch_seconds[last] == pytest.approx(100 / 100 + 0.5 / 2)
    assert (found.at_once[first], found.at_once[last]) == (8, 1)  # on one GPU


def test_no_graph_where_the_study_file_says_so_and_no_probe_where_it_names_a_share(make_plan, record):
    definition = make_plan(compute={"graph": "never"}, resources={"gpus": 0.25}).definition
    found = outlook(compile_plan(definition, device=PlannedDevice("cuda")), record)
    assert found.row(0) == {"step": "eager", "fused": "1", "on a GPU": "4"}
    assert set(found.at_once.values()) == {4}
    _, obstacle = found.lines()
    assert obstacle.startswith("step not captured as a CUDA graph: compute.graph is never (")


def test_fused_trials_and_why_others_are_not(make_plan, record):
    batches = {"batch_size": [12, 24]}
    for nuisance, fused, held in (({}, "4", "4 (one model)"), (batches, "no", "to be probed")):
        space = {"blocks": BLOCKS[:1], "nuisance": nuisance}
        definition = make_plan(compute={"fused": 4}, space=space).definition
        found = outlook(compile_plan(definition, device=PlannedDevice("cuda")), record)
        assert (found.row(0)["fused"], found.row(0)["on a GPU"]) == (fused, held)
        assert any(line.startswith("to be probed") for line in found.lines()) == (fused == "no")
    assert any("its trials differ in batches.batch_size, which changes shapes" in line for line in found.lines())


def test_every_form_and_balancing_method_has_an_outlook(make_plan, record):
    definition = make_plan().definition.model_copy(update={"space": CATALOG["rivals"]})
    rivals = compile_plan(definition, device=PlannedDevice("cuda"))
    steps = {row["step"] for row in map(outlook(rivals, record).row, range(len(rivals.arms)))}
    assert steps == {"graph", "eager"}


def test_the_time_of_trials_that_share_a_gpu_unmeasured_is_a_bound(tiny_study, tmp_path):
    for gpus, said in ((0.5, "time: at least 1 min"), (1, "time: about 1 min")):
        preview = Study.from_dict(tiny_study(resources={"gpus": gpus}), folder=tmp_path / f"run{gpus}").plan()
        alone = {arm_id: 60 * at_once / 3 for arm_id, at_once in preview.cost.at_once.items()}
        timed = replace(preview, cost=replace(preview.cost, seconds=alone, source="probe"))
        assert any(line.startswith(said) for line in timed.lines())


def test_the_plan_of_a_study_shows_it(tiny_study, tmp_path):
    study = Study.from_dict(tiny_study(resources={"gpus": 0.5}), folder=tmp_path / "run")
    preview = study.plan()
    assert {row["on a GPU"] for row in preview.rows()} == {"2"}
    assert any(line.startswith("device: cuda") for line in preview.lines())
    arm = preview.to_dict()["arms"][0]
    assert (arm["graph"], arm["packing"], arm["trials_at_once"]) == (True, {}, 2)
    on_the_cpu = Study.from_dict(tiny_study(resources={"gpus": 0}), folder=tmp_path / "cpu").plan()
    assert "step" not in on_the_cpu.rows()[0]
    assert not any("GPU" in line for line in on_the_cpu.lines())
    assert "graph" not in on_the_cpu.to_dict()["arms"][0]
