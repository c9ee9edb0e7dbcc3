"""Reads and writes the journal of a trial: append-only JSON lines on the study's storage.

A line is appended with one ``write`` and flushed to disk before ``append`` returns, so a killed worker leaves at most
one torn line at the end. Storage may lose more, so every line carries a checksum and must match the schema of its
event. Readers skip and count lines that fail these checks; a writer starts on a new line if the last one is
unterminated. Lost records are restored from the trial's checkpoint or weights when it is rerun, see
``TrialHistory.is_whole``.
"""

from __future__ import annotations

import errno
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from study.journal.events import Event, check_event
from study.store.working_copy import copy_of
from trainables.foundation.files import ask_leave, naming
from trainables.foundation.sealed_json import read_object, seal


@dataclass(frozen=True)
class Journal:
    """The readable events of one journal, in file order, and the number of unreadable lines (``torn``)."""

    events: tuple[Event, ...]
    torn: int


class JournalWriter:
    """Appends events to one journal. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        copy = copy_of(path)
        self._segments = copy.segments(path) if copy else None  # a study in a store
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, event: str, **fields: Any) -> None:
        """Append one event with the current time; it is on disk when this returns.

        NaN and infinity have no JSON form and are written as null. Lone surrogates, which file names may contain, are
        written as escapes.

        Raises:
            LostJournalError: of a study in a store: another process has written to the journal.
            OSError: the disk is full; the message names the journal. A partially written line counts as torn. Or
                another process has taken over the journal's folder, and nothing is written.
        """
        ask_leave(self._path)
        line = sealed_line({"event": event, "time": time.time(), **fields})
        if self._segments is not None:
            self._segments.append(line.encode())  # where it counts; the file here follows
        with naming(self._path):
            data = (b"" if self._at_start_of_line() else b"\n") + line.encode()
            if os.write(self._descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, "the journal's line was written in part only")
            os.fsync(self._descriptor)

    def _at_start_of_line(self) -> bool:
        size = os.fstat(self._descriptor).st_size
        return size == 0 or os.pread(self._descriptor, 1, size - 1) == b"\n"

    def close(self) -> None:
        """Close the file; closing twice is an error."""
        os.close(self._descriptor)


def sealed_line(event: Event) -> str:
    """Return an event as a journal line, with its checksum."""
    return seal(_writable(event)) + "\n"


def _writable(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(item) for item in value]
    return value


def read_journal(path: Path) -> Journal:
    """Read all events of a journal; a missing file is an empty journal."""
    try:
        return parse_journal(path.read_bytes())
    except FileNotFoundError:
        return Journal((), 0)


def parse_journal(content: bytes) -> Journal:
    """Return the events of a journal with this content."""
    events, torn = [], 0
    for line in filter(None, content.split(b"\n")):
        try:
            event = read_object(line)
            check_event(event)
        except ValueError:  # also covers bytes that are not UTF-8
            torn += 1
        else:
            events.append(event)
    return Journal(tuple(events), torn)
