"""A trial gives the same numbers to the last bit however it got to its end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from trainables.config.identity import trial_id
from trainables.data import data_fingerprint
from trainables.foundation.checkpointing import CheckpointInterval, checkpointing
from trainables.outcome import EpochRecord
from trainables.run import run_trial
from trainables.training.checkpoint import load_checkpoint

Make = Callable[..., Any]


class StoppedError(Exception):
    """A worker was taken away in the middle of a trial."""


def assert_same_result(first: tuple[Any, Path], second: tuple[Any, Path]) -> None:
    """Compare every number of every epoch, every metric and every bit of the weights."""
    assert first[0].metrics == second[0].metrics
    assert first[0].outcome is not None
    assert second[0].outcome is not None
    assert first[0].outcome.task_metrics == second[0].outcome.task_metrics
    assert first[0].outcome.task_metrics
    weights, others = (load_file(folder / "weights.safetensors") for folder in (first[1], second[1]))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


EACH = (("Smiling",), ("Glasses",), ("Hat",))
ARMS: dict[str, dict[str, Any]] = {
    "modulated": {},
    "released recipe": {
        "data": {"preprocessing": "released"},
        "batches": {"scheme": "released", "batch_size": 18},
        "optimization": {"optimizer": "adagrad", "schedule": "released"},
    },
    "csn recipe": {
        "data": {"preprocessing": "imagenet"},
        "augmentation": {"flip": True, "crop": 2},
        "batches": {"scheme": "triplets", "batch_size": 18, "passes": "separate"},
        "optimization": {"schedule": "exponential", "decay_per_epoch": 0.9, "weight_decay": 0.0},
    },
    "separate networks": {"network_groups": EACH, "optimization": {"optimizer": "adamw"}},
    "separate networks, triplets, sgd, nchw": {
        "network_groups": EACH,
        "batches": {"scheme": "triplets", "batch_size": 18},
        "optimization": {"optimizer": "sgd"},
        "compute": {"channels_last": False},
    },
    "bf16, random frozen vectors, agreement, sparse validation": {
        "modulation": {"points": ("res4",), "initialization": {"kind": "normal", "trainable": False}},
        "compute": {"precision": "bf16"},
        "agreement": {"every_epochs": 2, "images": 16},
        "evaluation": {"validate_every": 3},
    },
}


COSTLY = {"released recipe", "separate networks"}
"""Arms that take longest to interrupt after every epoch; long tests."""

Reference = Callable[[str], tuple[Any, Path]]


@pytest.fixture(scope="module")
def undisturbed(cache: Path, trial: Make, run: Make, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The reference of each arm, trained in one go and once for all tests."""

    @lru_cache
    def reference(arm: str) -> tuple[Any, Path]:
        workspace = tmp_path_factory.mktemp("undisturbed")
        return run(trial(**ARMS[arm]), workspace, cache), workspace

    return reference


@pytest.mark.parametrize("arm", [pytest.param(name, marks=pytest.mark.long if name in COSTLY else ()) for name in ARMS])
def test_interrupted_after_every_epoch_equals_undisturbed(
    arm: str, tmp_path: Path, cache: Path, undisturbed: Reference, *, trial: Make, new_record: Make
) -> None:
    config = trial(**ARMS[arm])
    told = new_record()

    def report_and_stop(record: EpochRecord) -> None:
        told.report(record)
        if not record.earlier and attempts[record.epoch] == 0:
            attempts[record.epoch] += 1
            raise StoppedError

    attempts = dict.fromkeys(range(1, config.optimization.epochs + 1), 0)
    for _ in attempts:
        with pytest.raises(StoppedError):
            run_trial(config, report=report_and_stop, workspace=tmp_path / "stopped", cache=cache)
    told.outcome = run_trial(config, report=report_and_stop, workspace=tmp_path / "stopped", cache=cache)
    assert_same_result(undisturbed(arm), (told, tmp_path / "stopped"))
    assert sorted(path.name for path in (tmp_path / "stopped").iterdir()) == ["weights.safetensors"]


PAUSED = {"modulated", "separate networks, triplets, sgd, nchw"}
"""Arms that are paused among the quick tests."""


@pytest.mark.parametrize(
    "arm",
    [pytest.param(name, marks=() if name in PAUSED else pytest.mark.long) for name in ARMS if "sparse" not in name],
)
def test_pausing_at_rungs_changes_no_number(
    arm: str, tmp_path: Path, cache: Path, undisturbed: Reference, *, trial: Make, new_record: Make
) -> None:
    config = trial(**ARMS[arm])
    told = new_record()
    for rung in (1, 3, None):
        outcome = run_trial(config, report=told.report, workspace=tmp_path / "paused", cache=cache, until_epoch=rung)
        assert outcome.finished == (rung is None)
        assert outcome.epochs_run == (rung or config.optimization.epochs)
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


def test_a_killed_process_is_continued_by_another(
    tmp_path: Path, cache: Path, undisturbed: Reference, trial: Make, run: Make
) -> None:
    config = trial(**ARMS["modulated"])
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / "config.json").write_text(config.model_dump_json())
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", KILLED, killed, cache],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    told = run(config, killed, cache)
    assert told.earlier == [1, 2]
    assert_same_result(undisturbed("modulated"), (told, killed))


def test_fewer_checkpoints_cost_epochs_and_change_no_number(
    tmp_path: Path, cache: Path, undisturbed: Reference, *, trial: Make, run: Make, new_record: Make
) -> None:
    config, told = trial(**ARMS["modulated"]), new_record()

    def report_and_stop(record: EpochRecord) -> None:
        told.report(record)
        if record.epoch == 4:
            raise StoppedError

    with checkpointing(CheckpointInterval(epochs=2)):
        with pytest.raises(StoppedError):
            run_trial(config, report=report_and_stop, workspace=tmp_path, cache=cache)
        kept = load_checkpoint(tmp_path / "checkpoint.pt", trial_id(config, data_fingerprint(config.data, 0)))
        assert kept is not None
        assert kept.epoch == 2
        told = run(config, tmp_path, cache)
    assert told.earlier == [1, 2]
    assert_same_result(undisturbed("modulated"), (told, tmp_path))


@pytest.mark.parametrize("damage", [slice(-100), slice(0), slice(3000, None)], ids=["torn", "empty", "headless"])
def test_an_unreadable_checkpoint_costs_time_only(
    damage: slice, tmp_path: Path, cache: Path, undisturbed: Reference, *, trial: Make, run: Make, caplog: Any
) -> None:
    config = trial(**ARMS["modulated"])
    run(config, tmp_path / "torn", cache, until_epoch=2)
    checkpoint = tmp_path / "torn" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[damage])
    with caplog.at_level(logging.WARNING):
        told = run(config, tmp_path / "torn", cache)
    assert "starts over" in caplog.text
    assert_same_result(undisturbed("modulated"), (told, tmp_path / "torn"))


def test_agreement_disturbs_nothing(tmp_path: Path, cache: Path, trial: Make, run: Make) -> None:
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
