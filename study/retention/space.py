"""The space that a run takes and still needs, and the refusal to start where it cannot fit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from study.errors import UserError
from study.layout import RunFolder
from study.plan.plan import PlannedTrial, StudyPlan
from study.retention.forecast import run_bytes

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


def run_space(
    folder: RunFolder, plan: StudyPlan, at_once: int | None = None, trials: Iterable[PlannedTrial] | None = None
) -> RunSpace:
    """Return the space of a run.

    Args:
        folder: of the run; it may not exist yet.
        plan: the study.
        at_once: units at work, see ``run_bytes``.
        trials: those known of the plan, of which the files that are there need not come any more; None takes all files
            for theirs, also those that an earlier edition of the study left.
    """
    most, keeps = run_bytes(plan, at_once), plan.definition.retention.keeps_weights_of
    counted = None if trials is None else {trial.trial_id: keeps(trial.stage) for trial in trials}
    used = weights = checkpoints = 0
    for trial_id, file, is_weights in _kept_files(folder):
        size = file.stat().st_size
        used += size
        if is_weights and (counted is None or counted.get(trial_id)):
            weights += size
        elif not is_weights and (counted is None or trial_id in counted):
            checkpoints += size
    needed = max(0, most.weights - weights) + max(0, most.paused - checkpoints) + most.in_flight
    return RunSpace(used, needed, shutil.disk_usage(_existing(folder.path)).free)


def refuse_too_little_space(
    folder: RunFolder, plan: StudyPlan, at_once: int | None = None, trials: Iterable[PlannedTrial] | None = None
) -> None:
    """Refuse a run that would fill its disk; a store has room, and nodes keep only the trials that they train.

    Args: those of ``run_space``.

    Raises:
        UserError: names the folder, the bytes needed and free, and the ways out.
    """
    if folder.url:
        return
    space = run_space(folder, plan, at_once, trials)
    if not space.fits:
        raise UserError(
            f"{folder.shown}: weights and checkpoints of this study need about {space.needed_bytes / 1e9:.3g} GB more,"
            f" and {space.free_bytes / 1e9:.3g} GB are free; free some space, choose another place (--runs-dir), or"
            " keep fewer weights (retention: {weights: front}, best or none), or fewer trials at once (--workers)"
        )


def _kept_files(folder: RunFolder) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """Yield trial id and file of all weights and checkpoints, and whether it is weights.

    A folder is listed, for most hold none of the three.
    """
    for place in folder.trials.glob("*"):
        trial = folder.trial(place.name)
        names = {path.name for path in (trial.weights, trial.checkpoint, trial.pending_checkpoint)}
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as files:
            for file in files:
                if file.name in names and file.is_file():
                    yield place.name, file, file.name == trial.weights.name


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.is_dir())
