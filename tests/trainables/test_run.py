"""A trial gives the same numbers to the last bit however it got to its end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.data.dataset import MANIFEST, Manifest
from trainables.foundation.files import file_checksum
from trainables.foundation.pulse import heard_by
from trainables.outcome import EpochRecord, TrialOutcome
from trainables.run import run_trial

TASKS = ("Smiling", "Glasses", "Hat")
EPOCHS = 4


class StoppedError(Exception):
    """A worker was taken away in the middle of a trial."""


@dataclass
class Run:
    """What a trial told, by epoch; a repeated epoch must tell the same."""

    metrics: dict[int, dict[str, float]] = field(default_factory=dict)
    outcome: TrialOutcome | None = None
    earlier: list[int] = field(default_factory=list)
    """Epochs that were reported again, for a caller who lost them."""

    def report(self, record: EpochRecord) -> None:
        self.earlier += [record.epoch] * record.earlier
        assert self.metrics.setdefault(record.epoch, record.metrics) == record.metrics
        assert record.seconds > 0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def trial(**settings: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {
            "source": {"kind": "generated", "train_images": 48, "validation_images": 24, "test_images": 30},
            "tasks": TASKS,
            "image_size": 48,
        },
        "network": {"width": 0.125},
        "modulation": {"points": ("res5", "fc")},
        "batches": {"batch_size": 12},
        "optimization": {"epochs": EPOCHS, "learning_rate": 3e-3, "schedule": "cosine", "weight_decay": 1e-3},
        "evaluation": {"triplets_per_task": 50},
        "compute": {"device": "cpu"},
        "train_seed": 5,
    }
    for section, chosen in settings.items():
        values[section] = values.get(section, {}) | chosen if isinstance(chosen, dict) else chosen
    return TrialConfig(**values)


def run(config: TrialConfig, workspace: Path, cache: Path, until_epoch: int | None = None) -> Run:
    told = Run()
    told.outcome = run_trial(config, report=told.report, workspace=workspace, cache=cache, until_epoch=until_epoch)
    return told


def assert_same_result(first: tuple[Run, Path], second: tuple[Run, Path]) -> None:
    """Compare every number of every epoch, every metric and every bit of the weights."""
    assert first[0].metrics == second[0].metrics
    assert first[0].outcome is not None
    assert second[0].outcome is not None
    assert first[0].outcome.task_metrics == second[0].outcome.task_metrics
    assert first[0].outcome.task_metrics
    weights, others = (load_file(folder / "weights.safetensors") for folder in (first[1], second[1]))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


ARMS = {
    "modulated": trial(),
    "released recipe": trial(
        data={"preprocessing": "released"},
        batches={"scheme": "released", "batch_size": 18},
        optimization={"optimizer": "adagrad", "schedule": "released"},
    ),
    "csn recipe": trial(
        data={"preprocessing": "imagenet"},
        augmentation={"flip": True, "crop": 2},
        batches={"scheme": "triplets", "batch_size": 18, "passes": "separate"},
        optimization={"schedule": "exponential", "decay_per_epoch": 0.9, "weight_decay": 0.0},
    ),
    "separate networks": trial(network_groups=tuple((task,) for task in TASKS), optimization={"optimizer": "adamw"}),
    "separate networks, triplets, sgd, nchw": trial(
        network_groups=tuple((task,) for task in TASKS),
        batches={"scheme": "triplets", "batch_size": 18},
        optimization={"optimizer": "sgd"},
        compute={"channels_last": False},
    ),
    "bf16, random frozen vectors, agreement, sparse validation": trial(
        modulation={"points": ("res4",), "initialization": {"kind": "normal", "trainable": False}},
        compute={"precision": "bf16"},
        agreement={"every_epochs": 2, "images": 16},
        evaluation={"validate_every": 3},
    ),
}


Reference = Callable[[str], tuple[Run, Path]]


@pytest.fixture(scope="module")
def undisturbed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The reference of each arm, trained in one go and once for all tests."""

    @lru_cache
    def reference(arm: str) -> tuple[Run, Path]:
        workspace = tmp_path_factory.mktemp("undisturbed")
        return run(ARMS[arm], workspace, cache), workspace

    return reference


@pytest.mark.parametrize("arm", ARMS)
def test_interrupted_after_every_epoch_equals_undisturbed(
    arm: str, tmp_path: Path, cache: Path, undisturbed: Reference
) -> None:
    config = ARMS[arm]
    told = Run()

    def report_and_stop(record: EpochRecord) -> None:
        told.report(record)
        if not record.earlier and attempts[record.epoch] == 0:
            attempts[record.epoch] += 1
            raise StoppedError

    attempts = dict.fromkeys(range(1, EPOCHS + 1), 0)
    for _ in range(EPOCHS):
        with pytest.raises(StoppedError):
            run_trial(config, report=report_and_stop, workspace=tmp_path / "stopped", cache=cache)
    told.outcome = run_trial(config, report=report_and_stop, workspace=tmp_path / "stopped", cache=cache)
    assert_same_result(undisturbed(arm), (told, tmp_path / "stopped"))
    assert sorted(path.name for path in (tmp_path / "stopped").iterdir()) == ["weights.safetensors"]


@pytest.mark.parametrize("arm", [name for name in ARMS if "sparse" not in name])
def test_pausing_at_rungs_changes_no_number(arm: str, tmp_path: Path, cache: Path, undisturbed: Reference) -> None:
    config = ARMS[arm]
    told = Run()
    for rung in (1, 3, None):
        outcome = run_trial(config, report=told.report, workspace=tmp_path / "paused", cache=cache, until_epoch=rung)
        assert outcome.finished == (rung is None)
        assert outcome.epochs_run == (rung or EPOCHS)
        assert {row.split for row in outcome.task_metrics} == {"validation"}
        assert (outcome.weights_file is None) == (rung is not None)
    told.outcome = outcome
    assert_same_result(undisturbed(arm), (told, tmp_path / "paused"))


KILLED = """
import os, signal, sys
from pathlib import Path
from trainables.config.trial import TrialConfig
from trainables.run import run_trial

def report(record):
    if record.epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)

config = TrialConfig.model_validate_json(Path(sys.argv[1], "config.json").read_text())
run_trial(config, report=report, workspace=Path(sys.argv[1]), cache=Path(sys.argv[2]))
"""


def test_a_killed_process_is_continued_by_another(tmp_path: Path, cache: Path, undisturbed: Reference) -> None:
    config = ARMS["modulated"]
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / "config.json").write_text(config.model_dump_json())
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", KILLED, killed, cache],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    told = run(config, killed, cache)
    assert told.earlier == [1, 2]
    assert_same_result(undisturbed("modulated"), (told, killed))


@pytest.mark.parametrize("damage", [slice(-100), slice(0), slice(3000, None)], ids=["torn", "empty", "headless"])
def test_an_unreadable_checkpoint_costs_time_only(
    damage: slice, tmp_path: Path, cache: Path, undisturbed: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    config = ARMS["modulated"]
    run(config, tmp_path / "torn", cache, until_epoch=2)
    checkpoint = tmp_path / "torn" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[damage])
    with caplog.at_level(logging.WARNING):
        told = run(config, tmp_path / "torn", cache)
    assert "starts over" in caplog.text
    assert_same_result(undisturbed("modulated"), (told, tmp_path / "torn"))


def test_a_workspace_serves_one_trial(tmp_path: Path, cache: Path) -> None:
    run(trial(), tmp_path, cache, until_epoch=1)
    with pytest.raises(ValueError, match=r"checkpoint.pt belongs to trial"):
        run(trial(train_seed=6), tmp_path, cache)
    run(trial(), tmp_path, cache)
    with pytest.raises(ValueError, match=r"weights.safetensors holds the weights of trial"):
        run(trial(train_seed=6), tmp_path, cache)


def test_a_finished_trial_is_measured_again_with_the_same_numbers(tmp_path: Path, cache: Path) -> None:
    config = trial(evaluation={"splits": ("validation", "test")})
    first, again = run(config, tmp_path, cache), run(config, tmp_path, cache, until_epoch=1)
    assert again.metrics == first.metrics
    assert again.earlier == [1, 2, 3, 4]
    assert first.outcome is not None
    assert again.outcome is not None
    assert again.outcome.finished
    assert again.outcome.epochs_run == EPOCHS
    assert again.outcome.task_metrics == first.outcome.task_metrics
    assert {row.split for row in first.outcome.task_metrics} == {"validation", "test"}
    with safe_open(tmp_path / "weights.safetensors", framework="pt") as file:
        assert TrialConfig.model_validate_json(file.metadata()["config"]) == config


def test_test_images_are_touched_only_when_finished_and_asked_for(tmp_path: Path) -> None:
    """With test labels in which no triplet can be formed, whoever looks at them fails."""
    cache = tmp_path / "cache"
    prepare_dataset(trial().data, 0, cache)
    (labels,) = cache.rglob("test-labels.npy")
    np.save(labels, np.zeros_like(np.load(labels)))
    manifest = Manifest.read(labels.with_name(MANIFEST))
    checksums = manifest.checksums | {labels.name: file_checksum(labels)}  # so that it is no damage
    replace(manifest, checksums=checksums).write(labels.with_name(MANIFEST))
    assert run(trial(), tmp_path / "tune", cache).outcome is not None
    confirm = trial(evaluation={"splits": ("validation", "test")})
    assert run(confirm, tmp_path / "confirm", cache, until_epoch=2).outcome is not None
    with pytest.raises(ValueError, match="'test'"):
        run(confirm, tmp_path / "confirm", cache)


def test_epoch_metrics_are_complete_and_true(tmp_path: Path, cache: Path) -> None:
    told = run(trial(evaluation={"validate_every": 2}), tmp_path, cache)
    assert [("validation/triplet_accuracy" in told.metrics[epoch]) for epoch in range(1, 5)] == [False, True] * 2
    last = told.metrics[EPOCHS]
    expected = {"train/loss", "train/active_triplets", "train/valid_triplets", "optimization/learning_rate"}
    expected |= {f"train/triplet_loss/{task}" for task in TASKS}
    expected |= {"modulation/dead_channels/res5", "modulation/dead_channels/fc", "validation/triplet_accuracy"}
    expected |= {f"validation/{task}/triplet_accuracy" for task in TASKS}
    assert last.keys() == expected
    assert last["train/loss"] == pytest.approx(np.mean([last[f"train/triplet_loss/{task}"] for task in TASKS]))
    assert 0 < last["train/active_triplets"] <= 1
    assert told.outcome is not None
    final = {
        row.task: row.value
        for row in told.outcome.task_metrics
        if row.metric == "triplet_accuracy" and row.average == "query"
    }
    assert {task: last[f"validation/{task}/triplet_accuracy"] for task in TASKS} == final
    assert told.metrics[1]["optimization/learning_rate"] == 3e-3
    assert told.metrics[3]["optimization/learning_rate"] == pytest.approx(1.5e-3)
    assert told.outcome.peak_memory_bytes > 2**20


def test_agreement_disturbs_nothing(tmp_path: Path, cache: Path) -> None:
    without = run(trial(), tmp_path / "without", cache)
    measured = run(trial(agreement={"every_epochs": 2, "images": 16}), tmp_path / "with", cache)
    found = {epoch: [name for name in told if "agreement" in name] for epoch, told in measured.metrics.items()}
    assert [bool(found[epoch]) for epoch in range(1, 5)] == [False, True, False, True]
    assert "update_agreement/cosine/res5/Smiling:Hat" in found[2]
    assert "update_agreement/update/fc/Hat" in found[2]
    measured.metrics = {
        epoch: {name: value for name, value in told.items() if "agreement" not in name}
        for epoch, told in measured.metrics.items()
    }
    assert_same_result((without, tmp_path / "without"), (measured, tmp_path / "with"))


def test_the_process_is_left_as_it_was(tmp_path: Path, cache: Path) -> None:
    def state() -> tuple[Any, ...]:
        numpy_state = np.random.get_state()[1]  # noqa: NPY002 - the global state is what must not move
        return (
            torch.get_rng_state().tolist(),
            list(numpy_state),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        )

    before = state()
    run(trial(), tmp_path, cache, until_epoch=1)
    assert state() == before


def test_until_epoch_must_be_positive(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match="until_epoch must be at least 1, got 0"):
        run(trial(), tmp_path, cache, until_epoch=0)


def test_a_trial_gives_signs_of_life_in_every_step_and_evaluation(cache, tmp_path):
    beats: list[None] = []
    config = trial()
    with heard_by(lambda: beats.append(None)):
        run_trial(config, report=Run().report, workspace=tmp_path, cache=cache)
    assert len(beats) >= 3 * EPOCHS  # begin of the epoch, a step, a chunk of validation
