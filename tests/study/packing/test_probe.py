"""A real probe of a tiny network, on the CPU: processes on cores in place of processes on a GPU."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from study.packing.choice import choose
from study.packing.crew import Crew
from study.packing.member import Assignment
from study.packing.probe import Prober, ProbeRequest, modes_to_try
from trainables.config.trial import TrialConfig

TRIAL = {
    "data": {
        "source": {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12},
        "tasks": ("Smiling", "Glasses"),
        "image_size": 48,
    },
    "network": {"width": 0.0625},
    "batches": {"batch_size": 12},
    "evaluation": {"triplets_per_task": 20},
    "compute": {"device": "cpu"},
}


@pytest.fixture(scope="module")
def config():
    return TrialConfig.model_validate(TRIAL).model_dump(mode="json")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def members() -> list[int]:
    """Process ids of the probes' members; a Ray of other tests may have children too."""
    return [child.pid for child in psutil.Process().children() if "study.packing.member" in child.cmdline()]


def test_a_probe_trains_one_and_two_processes_together(config, cache):
    with Prober() as prober:
        found = prober.probe(ProbeRequest(config, cache, most_processes=2, epochs=10**6, seconds=0.3))
    assert found.device == "cpu"
    assert found.steps_per_epoch == 2
    assert found.validation_seconds > 0
    assert [each.processes for each in found.measurements] == [1, 2]
    for each in found.measurements:
        assert each.outcome == "measured", each.message
        assert each.images_per_second == pytest.approx(12 * each.steps_per_second)
        assert each.peak_bytes > 50e6
    assert choose(found.measurements, found.limits).processes in (1, 2)
    assert members() == []


def test_each_mode_is_measured_for_itself_also_where_a_daemon_runs(config, monkeypatch):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")  # noqa: S108
    ours = {"CUDA_MPS_PIPE_DIRECTORY": "ours"}
    prober = Prober(ours)
    assert prober._environment(config, mps=True)["CUDA_MPS_PIPE_DIRECTORY"] == "ours"
    assert prober._environment(config, mps=False)["CUDA_MPS_PIPE_DIRECTORY"] == os.devnull


def test_only_the_better_mode_is_probed_once_it_is_known():
    assert modes_to_try(mps=True, better=None) == (True, False)
    assert modes_to_try(mps=True, better=False) == (False,)
    assert modes_to_try(mps=True, better=True) == (True,)
    assert modes_to_try(mps=False, better=True) == (False,)


def test_its_processes_go_from_one_arm_to_the_next_until_a_trial_cannot_run(config, cache):
    other = {**config, "batches": {**config["batches"], "images": 8}}
    broken = {**config, "batches": {**config["batches"], "images": 48}}  # of 24 images
    with Prober() as prober:
        first = prober.probe(ProbeRequest(config, cache, most_processes=4, epochs=1, seconds=0.1))
        begun = members()
        second = prober.probe(ProbeRequest(other, cache, most_processes=4, epochs=1, seconds=0.1))
        assert members() == begun
        failed = prober.probe(ProbeRequest(broken, cache, most_processes=2, epochs=1, seconds=0.1))
        assert members() == []
        assert len(prober.probe(ProbeRequest(config, cache, 1, epochs=1, seconds=0.1)).measurements) == 1  # afresh
        assert set(members()).isdisjoint(begun)
    for found, batch in ((first, 12), (second, 8)):
        (only,) = found.measurements
        assert only.images_per_second == pytest.approx(batch * only.steps_per_second)
        assert found.cut_short, "short trials are not probed further"
    assert first.steps_per_epoch == 2
    assert second.steps_per_epoch == 3
    (only,) = failed.measurements
    assert only.outcome == "failed"
    assert "batch" in only.message
    assert choose(failed.measurements, failed.limits) is None
    assert members() == []


def test_a_member_ends_with_the_process_that_asked(config, cache):
    with Crew(mps=False, environment={}) as crew:
        crew.assign(Assignment(config, cache))
        assert crew.measure(1, 0.1).outcome == "measured"
        (member,) = members()
        assert os.getsid(member) == member  # Ctrl-C does not reach it
        crew._members[0]._process.stdin.close()  # as the system does when the asking process is killed
        crew._members[0]._process.wait(timeout=60)
        crew._members[0]._process.stdin = Path(os.devnull).open("wb")  # noqa: SIM115
        found = crew.measure(1, 0.1)
    assert (found.outcome, found.processes) == ("failed", 1)
    assert found.message.startswith("a process of the probe ended with status 0")
