"""The space that a run takes and still needs, and the refusal to start where it cannot fit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from study.errors import UserError
from study.layout import RunFolder

_LEAST_BYTES = 16_000_000
"""Journals, tables and report of a small study; nobody is refused for less."""


@dataclass(frozen=True)
class RunSpace:
    """The disk of a run folder.

    Attributes:
        used_bytes: weights and checkpoints that are there.
        needed_bytes: those that are still to be written, at most.
        free_bytes: on the disk of the run folder.
    """

    used_bytes: int
    needed_bytes: int
    free_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the rest of the study fits the disk."""
        return self.needed_bytes <= max(self.free_bytes, _LEAST_BYTES)


def run_space(folder: RunFolder, run_bytes: int) -> RunSpace:
    """Return the space of a run.

    Args:
        folder: of the run; it may not exist yet.
        run_bytes: what weights and checkpoints take at most, see ``StudyCost.run_bytes``.
    """
    used = sum(file.stat().st_size for file in _kept_files(folder))
    free = shutil.disk_usage(_existing(folder.path)).free
    return RunSpace(used, max(0, run_bytes - used), free)


def refuse_too_little_space(folder: RunFolder, run_bytes: int) -> None:
    """Refuse a run that would fill its disk; a store has room, and nodes keep only the trials that they train.

    Raises:
        UserError: names the folder, the bytes needed and free, and the ways out.
    """
    if folder.url:
        return
    space = run_space(folder, run_bytes)
    if not space.fits:
        raise UserError(
            f"{folder.path}: weights and checkpoints of this study need about {space.needed_bytes / 1e9:.3g} GB more,"
            f" and {space.free_bytes / 1e9:.3g} GB are free; free some space, choose another place (--runs-dir), or"
            " keep fewer weights (retention: {weights: front}, best or none)"
        )


def _kept_files(folder: RunFolder) -> Iterator[os.DirEntry[str]]:
    """Yield the weights and checkpoints of all trials; a folder is listed, for most hold none of the three."""
    for place in folder.trials.glob("*"):
        trial = folder.trial(place.name)
        names = {path.name for path in (trial.weights, trial.checkpoint, trial.pending_checkpoint)}
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as files:
            yield from (file for file in files if file.name in names and file.is_file())


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.is_dir())
