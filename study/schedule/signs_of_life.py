"""What a driver sees of a worker: in a folder the files that it touches, in a store the objects that it writes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from study.journal.events import Event
from study.journal.journal import parse_journal, read_journal
from study.layout import RunFolder
from study.schedule.units import WorkUnit
from study.store.working_copy import WorkingCopy, copy_of

LOOKS = 4
"""Looks at a unit within the time after which it counts as silent; in a store also signs of life of its worker."""


def tell_every_s(limit_s: float | None) -> float | None:
    """Return the seconds between two signs of life in a store: of a limit, a half passes at most before one is seen."""
    return None if limit_s is None else limit_s / LOOKS


class Signs(Protocol):
    """Where the signs of life of a run's workers are looked for. Methods may raise ``StoreError``."""

    def before(self, unit: WorkUnit) -> Hashable:
        """Return what an earlier attempt has left of a unit that is about to be handed out."""

    def now(self, unit: WorkUnit) -> tuple[Hashable, ...]:
        """Return what changes with every sign of life."""

    def is_over(self, unit: WorkUnit, before: Hashable) -> bool:
        """Return whether the unit has been begun since it was handed out, and has ended."""


class FolderSigns:
    """Lines of the journal, and heartbeats: a worker touches a file, see ``hang_watch``."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def before(self, unit: WorkUnit) -> float | None:
        """Return when the journal was written last."""
        return _touched(self._folder.trial(unit.trial.trial_id).journal)

    def now(self, unit: WorkUnit) -> tuple[Hashable, ...]:
        """Return when the unit's note and journals were written."""
        note = self._folder.trial(unit.trial.trial_id).hang
        return _touched(note), *(_touched(self._folder.trial(each.trial_id).journal) for each in unit.trials)

    def is_over(self, unit: WorkUnit, before: Hashable) -> bool:
        """Return whether the journal has been written, and says how the attempt ended."""
        journal = self._folder.trial(unit.trial.trial_id).journal
        return _touched(journal) != before and _says_the_end(read_journal(journal).events)


class StoreSigns:
    """Segments of the journal, and an object that the worker writes again, see ``study.store.beats``.

    A look takes one request or two. Whether a unit is over takes the whole journal, and is asked only of one that
    counts as silent otherwise.
    """

    def __init__(self, folder: RunFolder, copy: WorkingCopy) -> None:
        self._folder, self._copy = folder, copy

    def before(self, unit: WorkUnit) -> int:
        """Return the number of attempts that the driver knows of."""
        return len(_starts(read_journal(self._journal(unit)).events))

    def now(self, unit: WorkUnit) -> tuple[Hashable, ...]:
        """Return the names of the trial's objects, and what its worker wrote last."""
        trial = self._folder.trial(unit.trial.trial_id)
        there = sorted(self._copy.files(trial.path))
        return (*there, self._copy.read(trial.hang) if trial.hang in there else None)

    def is_over(self, unit: WorkUnit, before: Hashable) -> bool:
        """Return whether the journal has more attempts than before, and says how the last one ended."""
        events = parse_journal(self._copy.read_journal(self._journal(unit))).events
        return len(_starts(events)) != before and _says_the_end(events)

    def _journal(self, unit: WorkUnit) -> Path:
        return self._folder.trial(unit.trial.trial_id).journal


def signs_of_life(folder: RunFolder) -> Signs:
    """Return where the signs of life of a run's workers are."""
    copy = copy_of(folder.path)
    return FolderSigns(folder) if copy is None else StoreSigns(folder, copy)


def _starts(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event["event"] == "started"]


def _says_the_end(events: Sequence[Event]) -> bool:
    return bool(events) and events[-1]["event"] not in ("planned", "started", "epoch")


def _touched(path: Path) -> float | None:
    """Return when a file was written last; None if it is not there, since its worker may remove it at any time."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
