"""What a run folder keeps of its probes, and what becomes of a damaged or foreign file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from study.layout import RunFolder
from study.packing.choice import Limits
from study.packing.measurement import Measurement
from study.packing.probe import Probe
from study.packing.record import PackingRecord, ProbedArm, read_packing, recover_packing
from study.packing.shape import cost_shape, probed_config

FOUND = Probe(
    "NVIDIA H100 80GB HBM3",
    Limits(8, 80 * 10**9),
    (
        Measurement(1, False, "measured", 100.0, 4800.0, 10**9, 2 * 10**9),
        Measurement(2, False, "measured", 150.0, 7200.0, 10**9, 4 * 10**9),
        Measurement(1, True, "measured", 100.0, 4800.0, 10**9, 2 * 10**9),
        Measurement(2, True, "measured", 190.0, 9120.0, 10**9, 4 * 10**9),
        Measurement(4, True, "out_of_memory", message="CUDA out of memory"),
    ),
    100,
    0.3,
)


def probed(arm_id: str = "a1", accelerator: str = "H100", shape: str = "s1") -> ProbedArm:
    return ProbedArm(arm_id, "late", accelerator, shape, "late", "node1", 1.5, FOUND)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def test_a_later_run_finds_what_was_measured(folder):
    PackingRecord(folder).add(probed())
    found = recover_packing(folder)
    assert found.probed == read_packing(folder).probed == (probed(),)
    assert found.find("a1", "H100", "s1") == probed()
    assert found.find("a1", "A100", "s1") is None  # another accelerator
    assert found.find("a1", "H100", "s2") is None  # trials that cost something else now
    assert found.of_shape("H100", "s1") == probed()
    packing = found.probed[0].packing()
    assert (packing.processes, packing.mps, packing.speedup) == (2, True, 1.9)
    assert found.probed[0].packing([False]).steps_per_second == 150


def test_an_arm_has_one_probe_on_each_type(folder):
    record = PackingRecord(folder)
    for each in (probed(), probed(accelerator="A100"), probed(shape="s2"), probed("a2")):
        record.add(each)
    assert read_packing(folder).probed == (probed(shape="s2"), probed(accelerator="A100"), probed("a2"))
    assert record.accelerators == ("H100", "A100")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON: EOF"),
        (b"\0" * 64, "Invalid JSON"),
        (b'{"format": 2, "arms": []}', "format 2, not 1"),
        (b'{"rows": []}', "format: Field required"),
        (b'{"format": 1, "arms": [{"arm_id": 3}]}', "arms.0.arm_id: Input should be a valid string"),
    ],
)
def test_a_file_that_cannot_be_read_is_set_aside_by_the_driver_alone(folder, caplog, content, reason):
    folder.packing.write_bytes(content)
    assert read_packing(folder).probed == ()
    assert folder.packing.read_bytes() == content
    record = recover_packing(folder)
    assert record.probed == ()
    assert not folder.packing.exists()
    assert (folder.path / "packing.json.unreadable").read_bytes() == content
    (line,) = caplog.messages
    assert reason in line
    assert line.endswith("kept as packing.json.unreadable")
    record.add(probed())
    assert json.loads(folder.packing.read_text())["arms"][0]["arm"] == "late"


def test_arms_cost_the_same_if_they_differ_in_values_or_their_ledgers_round_to_the_same(make_plan):
    starts = [{"kind": "ones"}, {"kind": "normal", "mean": 0.9, "std": 0.7}]
    blocks = [
        {"placement": ["late"], "initialization": starts},
        {"placement": ["late"], "form": ["scale_shift"]},
        {"placement": ["all"]},
    ]
    plan = make_plan(space={"blocks": blocks})
    ones, normal, shifted, everywhere = (cost_shape(arm.config, arm.storage) for arm in plan.arms)
    assert ones == normal == shifted
    assert everywhere != ones
    arm, storage = plan.arms[0].config, plan.arms[0].storage
    assert cost_shape(arm.model_copy(update={"train_seed": 7}), storage) == ones
    larger = arm.model_copy(update={"batches": arm.batches.model_copy(update={"batch_size": 24})})
    assert cost_shape(larger, storage) != ones


def test_trials_too_short_to_be_measured_together_share_a_gpu_by_four_if_they_fit():
    alone = Measurement(1, True, "measured", 100.0, 4800.0, 10**9, 2 * 10**9)
    short = replace(probed(), probe=Probe("H100", Limits(8, 80 * 10**9), (alone,), 100, 0.3, cut_short=True))
    assert (short.packing().processes, short.packing().mps) == (4, True)
    assert short.packing(most=3).processes == 3
    small = replace(short, probe=replace(short.probe, limits=Limits(8, 5 * 10**9)))
    assert small.packing().processes == 2


def test_a_probe_takes_the_largest_batch_that_may_be_drawn(make_plan):
    nuisance = {"batch_size": [12, 36, 24], "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
    plan = make_plan(space={"blocks": [{"placement": ["late"]}], "nuisance": nuisance})
    assert probed_config(plan.arms[0], plan.definition.space.nuisance).batches.batch_size == 36
