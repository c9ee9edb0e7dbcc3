"""Which journals have changed since they were mirrored, without a look at those of trials that are over."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from study.layout import RunFolder

_FRESH_NS = 3 * 10**9
"""A folder that changed so recently is listed again: its time may stand for two changes."""


class JournalChanges:
    """The journals of a run folder, and how much of each is mirrored.

    Attributes:
        looks_at_all: whether the look in progress leaves out nothing; so it is the first time.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._sizes: dict[str, int] = {}
        self._postponed: dict[str, int] = {}
        self._seen: set[str] = set()
        self._open: set[str] = set()
        self._listed: int | None = None
        self.looks_at_all = True

    def look_at_all(self) -> None:
        """Let the next look leave out nothing, not even trials that are over."""
        self._open, self._listed, self.looks_at_all = set(self._seen), None, True
        self._postponed.clear()

    def news(self) -> Iterator[tuple[str, Path, int]]:
        """Yield the journals that are not mirrored as they are: trial id, path, and size in bytes."""
        self._list()
        for trial_id in sorted(self._open):
            path, size = self._folder.trial(trial_id).journal, self.size(trial_id)
            if size is not None and size not in (self._sizes.get(trial_id), self._postponed.get(trial_id)):
                yield trial_id, path, size
        self.looks_at_all = False

    def unsent(self) -> list[str]:
        """Return the ids of all trials whose journals are not mirrored as they are."""
        names = _names(self._folder.trials)
        return [name for name in sorted(names) if self.size(name) not in (None, self._sizes.get(name))]

    def size(self, trial_id: str) -> int | None:
        """Return the size of a journal in bytes; None if there is none."""
        try:
            return self._folder.trial(trial_id).journal.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def sent(self, trial_id: str, size: int, *, over: bool) -> None:
        """Note that a journal of this size is mirrored; that of a trial that is over will hardly change."""
        self._sizes[trial_id] = size
        self._seen.add(trial_id)
        if over:
            self._open.discard(trial_id)
        else:
            self._open.add(trial_id)

    def postpone(self, trial_id: str, size: int) -> None:
        """Let a journal wait until it has changed again, or all are looked at."""
        self._postponed[trial_id] = size

    def _list(self) -> None:
        """Find new trials, in a folder that has changed."""
        try:
            changed = self._folder.trials.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed != self._listed:
            names = _names(self._folder.trials)
            self._open |= names - self._seen
            self._seen |= names
            self._listed = changed if time.time_ns() - changed > _FRESH_NS else None


def _names(trials: Path) -> set[str]:
    try:
        return {entry.name for entry in os.scandir(trials)}
    except FileNotFoundError:
        return set()
