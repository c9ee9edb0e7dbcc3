"""A whole study on this machine's GPU, from the probe to the report, on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.chaos import SMALL
from study.layout import RunFolder
from study.packing.record import read_packing

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.xdist_group("ray"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


def modstudy(verb: str, folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "study", verb, str(folder / "study.yaml"), "--runs-dir", str(folder / "runs")]
    ended = subprocess.run(  # noqa: S603 - our own command
        [*command, *options],
        env={**os.environ, "MODSTUDY_CACHE": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_a_study_is_probed_once_packed_and_planned_with_its_time(tmp_path: Path) -> None:
    # trials of so many steps repay a probe of several processes
    study = SMALL.replace("optimization: {epochs: 4}", "optimization: {epochs: 4, steps_per_epoch: 2000}")
    (tmp_path / "study.yaml").write_text(f"name: on-a-gpu\n{study}\nresources: {{cpus: 1}}\n")
    assert "to be probed" in modstudy("plan", tmp_path)

    said = modstudy("run", tmp_path, "--no-tracking")

    assert "measuring how many trials share a GPU" in said
    folder = RunFolder(tmp_path / "runs" / "on-a-gpu")
    measurements = [each for arm in read_packing(folder).probed for each in arm.probe.measurements]
    assert {each.outcome for each in measurements} == {"measured"}, [each.message for each in measurements]
    assert max(each.processes for each in measurements) > 1
    plan = modstudy("plan", tmp_path)
    assert "images/s" in plan
    assert "to be probed" not in plan
    assert "measuring how many" not in modstudy("run", tmp_path, "--no-tracking")
    assert "Trials on one GPU" in (folder.report / "details.md").read_text()
