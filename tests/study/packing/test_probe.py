"""A real probe of a tiny network, on the CPU: processes on cores in place of processes on a GPU."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from study.packing.choice import choose
from study.packing.crew import Crew
from study.packing.member import Assignment
from study.packing.probe import ProbeRequest, _environment, probe
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


def test_a_probe_trains_one_and_two_processes_together(config, cache):
    found = probe(ProbeRequest(config, cache, most_processes=2, seconds=0.3))
    assert found.device == "cpu"
    assert found.steps_per_epoch == 2
    assert found.validation_seconds > 0
    assert [each.processes for each in found.measurements] == [1, 2]
    for each in found.measurements:
        assert each.outcome == "measured", each.message
        assert each.images_per_second == pytest.approx(12 * each.steps_per_second)
        assert each.peak_bytes > 50e6
    assert choose(found.measurements, found.limits).processes in (1, 2)
    assert psutil.Process().children() == []


def test_each_mode_is_measured_for_itself_also_where_a_daemon_runs(config, monkeypatch):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")  # noqa: S108
    ours = {"CUDA_MPS_PIPE_DIRECTORY": "ours"}
    request = ProbeRequest(config, "", 2, ours)
    assert _environment(request, mps=True)["CUDA_MPS_PIPE_DIRECTORY"] == "ours"
    assert _environment(request, mps=False)["CUDA_MPS_PIPE_DIRECTORY"] == os.devnull


def test_a_trial_that_cannot_run_is_a_measurement_that_failed(config, cache):
    broken = {**config, "batches": {**config["batches"], "images": 48}}  # of 24 images
    found = probe(ProbeRequest(broken, cache, most_processes=2, seconds=0.1))
    (only,) = found.measurements
    assert only.outcome == "failed"
    assert "batch" in only.message
    assert choose(found.measurements, found.limits) is None


def test_a_member_ends_with_the_process_that_asked(config, cache):
    with Crew(Assignment(config, cache), mps=False, environment={}) as crew:
        assert crew.measure(1, 0.1).outcome == "measured"
        (member,) = psutil.Process().children()
        assert os.getsid(member.pid) == member.pid  # Ctrl-C does not reach it
        crew._members[0]._process.stdin.close()  # as the system does when the asking process is killed
        crew._members[0]._process.wait(timeout=60)
        crew._members[0]._process.stdin = Path(os.devnull).open("wb")  # noqa: SIM115
        found = crew.measure(1, 0.1)
    assert (found.outcome, found.processes) == ("failed", 1)
    assert found.message.startswith("a process of the probe ended with status 0")
