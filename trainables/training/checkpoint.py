"""The checkpoint from which a trial resumes."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from trainables.failures import shortage
from trainables.foundation.damage import DAMAGE, compare_checksums, set_aside
from trainables.foundation.files import write_atomically


@dataclass(frozen=True)
class Checkpoint:
    """The state of a trial after ``epoch`` epochs: tensors and plain values only.

    Attributes:
        trial_id: The trial it belongs to.
        epoch: Epochs done.
        step: Optimization steps done; also the state of the schedule, which is a function of it.
        model: Weights and buffers by name.
        optimizer: The optimizer's ``state_dict``.
        sampler: The state of the batch sampler, with its random generator.
        balancer: The state of the task balancing; empty if it has none.
        peak_memory_bytes: The largest peak of the processes that have run the trial so far.
        records: The trial's records so far, in the form of ``TrialRecords.to_dict``.
        computed_by: The type of GPU and the versions of the software that wrote it; empty in older files.
    """

    trial_id: str
    epoch: int
    step: int
    model: dict[str, Any]
    optimizer: dict[str, Any]
    sampler: dict[str, Any]
    balancer: dict[str, Any]
    peak_memory_bytes: int
    records: dict[str, Any]
    computed_by: dict[str, str] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` atomically: readers see a complete file or none."""
    content = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    write_atomically(path, lambda file: torch.save(content, file))


def load_checkpoint(path: Path, trial_id: str, *same: str) -> Checkpoint | None:
    """Read the checkpoint of a trial; None if the trial has to start from its first epoch.

    A truncated or damaged file is renamed to ``<name>.unreadable`` with a logged warning: starting over gives the same
    numbers, only later. An intact checkpoint of another trial is an error, since resuming would mix two trials.

    Args:
        path: The file; it may not exist.
        trial_id: The trial.
        same: Other ids under which earlier versions knew the same trial.

    Raises:
        ValueError: the checkpoint belongs to another trial.
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        compare_checksums(content)
    except DAMAGE as damage:
        set_aside(path, "checkpoint", damage)
        return None
    try:
        checkpoint = _parse(content)
    except DAMAGE as damage:
        if shortage(damage) is not None:  # the file is intact, so another attempt can read it
            raise
        set_aside(path, "checkpoint", damage)
        return None
    if checkpoint.trial_id not in (trial_id, *same):
        raise ValueError(
            f"{path} belongs to trial {checkpoint.trial_id}, not to {trial_id}: "
            "a workspace belongs to one trial; use another workspace or remove the file"
        )
    return checkpoint


def _parse(content: bytes) -> Checkpoint:
    """Read a checkpoint without executing code from the file."""
    checkpoint = Checkpoint(**torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    if len(checkpoint.records["epochs"]) != checkpoint.epoch:
        raise ValueError(f"it contains {len(checkpoint.records['epochs'])} records for {checkpoint.epoch} epochs")
    return checkpoint
