"""The logic of the GPU benchmarks, on the CPU; their figures need a GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.xdist_group("ray")  # gpu_study starts it

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = "--device cpu --precision fp32 --tasks 2 --images 8 --size 48 --width 0.0625"


def benchmark(command: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", *command.split()],
        cwd=REPOSITORY,
        env={**os.environ, "MODSTUDY_CACHE": str(cache), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def printed(command: str, cache: Path) -> list[str]:
    ended = benchmark(f"benchmarks.{command} {SMALL}", cache)
    assert ended.returncode == 0, ended.stderr
    card, *lines = ended.stdout.splitlines()
    assert card.startswith(f"CPU: these figures say nothing of a GPU, torch {torch.__version__}; fp32, 2 tasks")
    return lines


def test_without_a_gpu_a_benchmark_is_refused_with_the_way_out(tmp_path: Path) -> None:
    ended = benchmark("benchmarks.gpu_step", tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == ("this benchmark needs a GPU that CUDA can use; --device cpu runs its logic without one\n")


def test_steps_of_an_arm_are_timed_each_way(tmp_path: Path) -> None:
    lines = printed("gpu_step --arms separate --ways plain,graph --steps 1 --windows 1 --side 64", tmp_path)
    assert re.fullmatch(r"peaks: [\d.]+ T multiply-adds/s, \d+ GB/s", lines[0])
    assert re.fullmatch(r"separate: [\d.]+ ms by the roofline", lines[1])
    assert [line.split()[0] for line in lines[2:]] == ["plain", "graph"]
    assert "1.00 x plain" in lines[2]


@pytest.mark.long
def test_processes_side_by_side_are_compared_with_one(tmp_path: Path) -> None:
    lines = printed("gpu_packing --processes 1,2 --seconds 0.2", tmp_path)
    assert [line.split()[0] for line in lines] == ["1", "2"]
    assert "1.00 x one alone" in lines[0]


@pytest.mark.long
def test_fused_trials_are_compared_with_single_ones(tmp_path: Path) -> None:
    lines = printed("gpu_fused --fused 2 --epochs 1 --steps-per-epoch 2", tmp_path)
    assert [line.split("  ")[0] for line in lines] == [
        "one trial, eager",
        "one trial, prepared and captured",
        "2 trials as one model",
    ]


@pytest.mark.long
def test_a_study_is_compared_with_its_trials_one_by_one(tmp_path: Path) -> None:
    length = "--trials-per-arm 1 --epochs 1 --steps-per-epoch 2 --serial-trials 1"
    lines = printed(f"gpu_study {length}", tmp_path)
    assert lines[-3].startswith("study:")
    assert "9 trials in" in lines[-3]
    assert re.fullmatch(r"ratio:  [\d.]+ x", lines[-1])


@pytest.mark.long
def test_an_epoch_is_compared_with_its_steps(tmp_path: Path) -> None:
    lines = printed("gpu_epoch --epochs 3 --steps-per-epoch 3", tmp_path)
    assert [line.split("  ")[0] for line in lines] == ["validation in every epoch", "validation at the end only"]
    assert all(re.search(r"s an epoch, +[\d.]+ s of it steps, +-?[\d.]+ % around them", line) for line in lines)
