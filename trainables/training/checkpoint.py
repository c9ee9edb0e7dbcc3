"""What a trial needs to go on where it stopped, and how files are written so that a crash never leaves half of one."""

from __future__ import annotations

import io
import logging
import lzma
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import torch

_log = logging.getLogger(__name__)

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    pickle.UnpicklingError,
    OSError,  # a seek outside the bytes; the disk itself is read before
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    MemoryError,  # a length that was damaged
    EOFError,
)
"""What parsing bytes raises that are not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a trial after ``epoch`` epochs: tensors and plain values only.

    Attributes:
        trial_id: The trial it belongs to.
        epoch: Epochs done.
        step: Optimization steps done. The schedule is a function of it, so this is the schedule's state too.
        model: Weights and buffers by name.
        optimizer: The optimizer's ``state_dict``.
        sampler: The state of the batch sampler, with its random generator.
        balancer: The state of the task balancing; empty where it has none.
        peak_memory_bytes: The largest peak of the processes that worked on the trial so far.
        records: What the trial has told so far, as ``TrialRecords.plain`` gives it.
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


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under a temporary name in the same folder, flush it to the disk and rename it.

    Whoever opens ``path`` finds the old content or the new, also after a crash or a power cut.
    """
    temporary = temporary_path(path)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # a full disk: leave it the room that the half file takes
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def temporary_path(path: Path) -> Path:
    """Return the name ``write_atomically`` uses: fixed, so that what a crash left behind is overwritten later."""
    return path.with_name(f".{path.name}.tmp")


def set_aside(path: Path, what: str, damage: BaseException) -> None:
    """Rename a damaged file to ``<name>.unreadable`` and log a warning: what was in it is computed again."""
    aside = path.with_name(f"{path.name}.unreadable")
    path.replace(aside)
    _log.warning("%s %s cannot be read (%s); kept as %s, the trial starts over", what, path, damage, aside.name)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` so that a reader sees a whole file or none."""
    content = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    write_atomically(path, lambda file: torch.save(content, file))


def load_checkpoint(path: Path, trial_id: str) -> Checkpoint | None:
    """Read the checkpoint of a trial; None when the trial has to start from its first epoch.

    A file that is torn or damaged is renamed to ``<name>.unreadable`` and a warning is logged: starting over gives the
    same numbers, only later. A sound checkpoint of another trial is an error, since going on would mix two trials.

    Raises:
        ValueError: the checkpoint belongs to another trial.
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        checkpoint = _parse(content)
    except DAMAGE as damage:
        set_aside(path, "checkpoint", damage)
        return None
    if checkpoint.trial_id != trial_id:
        raise ValueError(
            f"{path} belongs to trial {checkpoint.trial_id}, not to {trial_id}: "
            "a workspace serves one trial; give another workspace or remove the file"
        )
    return checkpoint


def compare_checksums(content: bytes) -> None:
    """Compare what ``torch.save`` wrote with its checksums; ``torch.load`` looks at none.

    Raises:
        ValueError: a checksum does not match.
        zipfile.BadZipFile: and others of ``DAMAGE``, where it is no whole archive.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"checksum of {broken} does not match")


def _parse(content: bytes) -> Checkpoint:
    """Read without running code from the file, after checking every stored checksum."""
    compare_checksums(content)
    checkpoint = Checkpoint(**torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    if len(checkpoint.records["epochs"]) != checkpoint.epoch:
        raise ValueError(f"it holds {len(checkpoint.records['epochs'])} records of {checkpoint.epoch} epochs")
    return checkpoint
