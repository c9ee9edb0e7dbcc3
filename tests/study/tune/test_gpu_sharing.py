"""Probes and the Multi-Process Service on a real local Ray with one declared GPU; a CPU core stands in for the GPU."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
import ray

from study.definition.model import ResourcesSection
from study.layout import RunFolder
from study.packing.choice import Limits
from study.packing.decision import shape_of
from study.packing.measurement import Measurement
from study.packing.mps.control import WITHOUT_MPS, place_of
from study.packing.probe import Probe
from study.packing.record import PackingRecord, ProbedArm, read_packing
from study.packing.shape import probed_config
from study.plan.device import PlannedDevice
from study.plan.plan import compile_plan
from study.schedule.units import Share
from study.session.running import _compiled
from study.session.target import target_of
from study.tune import cluster
from study.tune.packing import gpu_sharing
from study.tune.runner import RunOptions, run_study
from trainables.config.trial import TrialConfig

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings(
        "ignore:.*subprocess .* is still running:ResourceWarning",  # Ray's own processes, ended by its shutdown
        "ignore:unclosed file:ResourceWarning",  # Ray's logs
    ),
]

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def refusal(tmp_path_factory):
    """While this file exists, the program that stands in for NVIDIA's refuses to start its daemon."""
    return tmp_path_factory.mktemp("mps") / "refusal"


@pytest.fixture(scope="module")
def _one_gpu(refusal, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(HERE / "runners"))
    patch.setenv("PATH", f"{HERE / 'packing' / 'programs'}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("STANDIN_REFUSAL", str(refusal))
    patch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/no-mps-daemon-here")
    patch.setenv("MODSTUDY_CACHE", str(tmp_path_factory.mktemp("cache")))
    cluster.set_environment(local=True)
    ray.shutdown()  # the one that tests without a GPU share
    ray.init("local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    cluster._end()
    patch.undo()


@pytest.fixture
def plan(_one_gpu, runners_on_path, make_plan):
    starts = [{"kind": "ones"}, {"kind": "normal"}]
    source = {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12}
    definition = make_plan(
        data={"source": source, "tasks": ["Smiling", "Glasses"], "image_size": 48},
        batches={"batch_size": 12},
        space={"blocks": [{"placement": ["late"], "initialization": starts}]},
        search={"trials_per_arm": 1},
        confirm={"seeds": [1]},
    ).definition
    return compile_plan(definition, device=PlannedDevice("cuda"))


def on_the_cpu(*arguments) -> TrialConfig:
    config = probed_config(*arguments)
    return config.model_copy(update={"compute": config.compute.model_copy(update={"device": "cpu"})})


@pytest.fixture
def run(plan, tmp_path):
    def go(name: str, runner: str = "train"):
        said = list[str]()
        folder = RunFolder(tmp_path / name)
        summary = run_study(plan, folder, RunOptions(runner=f"orchestration_runners:{runner}", notice=said.append))
        assert summary.complete
        return folder, said

    return go


def test_arms_are_probed_before_their_trials_and_once(run, plan, refusal, monkeypatch):
    monkeypatch.setattr("study.tune.packing.probed_config", on_the_cpu)
    monkeypatch.setattr("study.tune.packing.WINDOW_S", 0.2)
    refusal.write_text("permission denied")
    folder, said = run("probed")
    refusal.unlink()
    without, begun, *found = said
    assert without.startswith("without NVIDIA's Multi-Process Service, which can let more trials share a GPU: ")
    assert without.endswith("nvidia-cuda-mps-control does not start: permission denied")
    assert begun.startswith("measuring how many trials share a GPU: 1 arms of different cost")
    assert [line.partition(":")[0] for line in found] == [f"{arm.arm.name} on GPU" for arm in plan.arms]
    first, second = read_packing(folder).probed
    assert [each.processes for each in first.probe.measurements] in ([1], [1, 2])  # the trials are very short
    assert second.probed == first.arm
    assert second.probe == first.probe
    said.clear()
    with gpu_sharing(plan, folder, {arm.arm.arm_id for arm in plan.arms}, None, said.append) as sharing:
        assert {share.at_once for share in sharing.packing.values()} <= {1, 2}
        assert len(sharing.packing) == 2
        assert sharing.environment == WITHOUT_MPS
    assert said == []


@pytest.mark.long
def test_an_arm_that_cannot_be_probed_gets_a_gpu_for_each_trial(run, caplog, refusal):
    refusal.write_text("permission denied")
    folder, _ = run("not-probed")  # its device is cuda, which is not here
    refusal.unlink()
    assert not folder.packing.exists()
    assert "could not be probed on GPU, so each of its trials gets a GPU: " in caplog.text
    assert "'cuda' is not available" in caplog.text


@pytest.mark.long
def test_workers_find_the_service_which_ends_with_the_run(run, plan, tmp_path):
    folder = RunFolder(tmp_path / "served")
    arms = {arm.arm.arm_id for arm in plan.arms}
    for arm in plan.arms:
        rates = {(1, False): 100.0, (1, True): 100.0, (2, True): 190.0}
        steps = tuple(Measurement(k, mps, "measured", rate, rate, 10**9) for (k, mps), rate in rates.items())
        found = Probe("GPU", Limits(2, 80 * 10**9), steps, 2, 0.1)
        shape = shape_of(plan, arm)
        PackingRecord(folder, read_packing(folder).probed).add(
            ProbedArm(arm.arm.arm_id, arm.arm.name, "GPU", shape, arm.arm.name, "node", 1.0, found)
        )
    place = place_of(folder.path)
    with gpu_sharing(plan, folder, arms, None, print) as sharing:
        assert dict(sharing.packing) == dict.fromkeys(arms, Share.packed(2))
        assert sharing.environment == place.environment
        assert (place.pipes / "control").exists()
    assert not place.folder.exists()
    run("served", "train_and_note_service")
    notes = [json.loads(path.read_text()) for path in folder.trials.glob("*/service.json")]
    assert notes == 4 * [[str(place.pipes), True]]
    assert not place.folder.exists()


@pytest.mark.parametrize(
    ("device", "gpus", "served"), [("cpu", "auto", False), ("cuda", 1, False), ("cuda", 0.25, True)]
)
def test_a_study_on_the_cpu_or_with_a_share_of_its_own_is_not_probed(plan, tmp_path, device, gpus, served):
    fixed = plan.definition.resources.model_copy(update={"gpus": gpus})
    definition = plan.definition.model_copy(update={"resources": fixed})
    other = compile_plan(definition, plan.data_fingerprint, device=PlannedDevice(device))
    folder = RunFolder(tmp_path)
    with gpu_sharing(other, folder, {arm.arm.arm_id for arm in plan.arms}, None, print) as sharing:
        assert sharing.packing == {}
        assert sharing.environment == (place_of(tmp_path).environment if served else {})
    assert list(tmp_path.iterdir()) == []


def test_at_an_address_the_device_follows_the_gpus_that_the_cluster_declares(plan, tmp_path):
    asked = plan.definition.model_copy(update={"resources": ResourcesSection()})
    assert _compiled(target_of(asked, tmp_path / "a"), "auto").device.kind == "cuda"
    none = asked.model_copy(update={"resources": ResourcesSection(gpus=0)})
    assert _compiled(target_of(none, tmp_path / "b"), "auto").device.kind == "cpu"
