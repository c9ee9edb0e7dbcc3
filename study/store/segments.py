"""A journal in a store: numbered immutable segments, each created only once; an event is readable once it is written.

``journal.jsonl.d/00000007.jsonl`` is the seventh line. A writer creates the next number; where another has created it,
the writer has lost the journal. So no lock is needed, and no line is ever written over. ``00000041-whole.jsonl`` holds
lines 1 to 41; those segments may be gone, except 41 itself, on which a writer that was left behind still stumbles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from study.store.store import Store
from trainables.foundation.objects.requests import StoreError

FOLDER_SUFFIX = ".d"
_NAME = re.compile(r"(\d{8})(-whole)?\.jsonl")


class LostJournalError(StoreError):
    """Another process has written to a journal since this one read it."""


@dataclass(frozen=True)
class SegmentNames:
    """The segments that make up a journal, as listed.

    Attributes:
        whole: the number of the last line that is in one object with all before it; 0 without one.
        single: the numbers after it, ascending.
        spent: the numbers up to ``whole`` that still have an object of their own.
    """

    whole: int
    single: tuple[int, ...]
    spent: tuple[int, ...] = ()

    @property
    def last(self) -> int:
        """The number of the last line."""
        return max((self.whole, *self.single, *self.spent))


class Segments:
    """The segments of one journal."""

    def __init__(self, store: Store, journal: str) -> None:
        self._store = store
        self._journal = journal
        self._next: int | None = None

    @staticmethod
    def journal_of(key: str) -> str | None:
        """Return the key of the journal that an object is a segment of; None if it is none."""
        folder, _, name = key.rpartition("/")
        return folder.removesuffix(FOLDER_SUFFIX) if folder.endswith(FOLDER_SUFFIX) and _NAME.fullmatch(name) else None

    @staticmethod
    def names(keys: list[str]) -> SegmentNames:
        """Return which of one journal's segments there are."""
        found = [match for key in keys if (match := _NAME.fullmatch(key.rpartition("/")[2]))]
        whole = max((int(match[1]) for match in found if match[2]), default=0)
        single = sorted(int(match[1]) for match in found if not match[2])
        return SegmentNames(whole, tuple(n for n in single if n > whole), tuple(n for n in single if n <= whole))

    def read(self) -> bytes:
        """Return all lines; the next ``append`` follows them."""
        return self._read()[0]

    def _read(self) -> tuple[bytes, SegmentNames]:
        """Return all lines, and the segments that they were read from."""
        while True:
            names = self.names(self._store.keys(self._folder))
            parts = [self._store.read(self._whole_key(names.whole))] if names.whole else []
            parts += [self._store.read(self._key(number)) for number in names.single]
            if None not in parts:
                self._next = names.last + 1
                return b"".join(part for part in parts if part is not None), names
            # one was made part of a whole meanwhile

    def append(self, lines: bytes) -> None:
        """Write lines as the next segment; they are in the store when this returns.

        Raises:
            LostJournalError: another process has written there.
        """
        if self._next is None:
            self._next = self.names(self._store.keys(self._folder)).last + 1
        if not self._store.create(self._key(self._next), lines):
            raise LostJournalError(
                f"{self._store.place}/{self._journal}", "another process has written to this journal meanwhile"
            )
        self._next += 1

    def make_whole(self) -> None:
        """Write the lines as one object, and delete the segments but the last; may be interrupted at any point."""
        lines, names = self._read()  # not what is listed later: a line added in between would count as one of these
        if len(names.single) > 1 or (names.single and names.whole):
            self._store.write(self._whole_key(names.last), lines)
            if names.whole:
                self._store.delete(self._whole_key(names.whole))
        for number in (*names.spent, *names.single):
            if number < names.last:
                self._store.delete(self._key(number))

    @property
    def _folder(self) -> str:
        return self._journal + FOLDER_SUFFIX

    def _key(self, number: int) -> str:
        return f"{self._folder}/{number:08d}.jsonl"

    def _whole_key(self, number: int) -> str:
        return f"{self._folder}/{number:08d}-whole.jsonl"
