"""The states of all trials of a run, of which only journals that have changed are read.

What a journal said is kept in ``journals.index`` beside the size and the times of the file that was read. The index is
a cache: lines are appended, each with a checksum; a line that is torn, or of other code, counts for nothing; of two
writers at once one may lose its lines; and whoever cannot write does without. So a process may be killed at any moment,
and deleting the file changes nothing but the time of the next reading.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from results.tables.metrics import TASK_METRICS
from study.journal.state import TrialState, read_state
from study.layout import RunFolder
from trainables.foundation.files import write_atomically

_MOST_OUTDATED = 2
"""The file is written anew where it has more than so many lines for each trial."""

Stamp = tuple[int, int, int]
"""Size in bytes, and the times of the last change of content and of inode in nanoseconds."""


@dataclass(frozen=True)
class _Entry:
    stamp: Stamp
    state: TrialState | None


_ENTRY: TypeAdapter[_Entry] = TypeAdapter(_Entry)


def read_states(folder: RunFolder) -> dict[str, TrialState]:
    """Return the state of every trial of a run by trial id, in order of ids; reads the journals that have changed."""
    known, lines = _load(folder.journal_index)
    present: dict[str, _Entry] = {}
    news: list[str] = []
    for name in _names(folder.trials):
        journal = folder.trial(name).journal
        stamp = stamp_of(journal)  # before the content: what is added in between is news the next time
        if stamp is None:
            continue
        entry = known.get(name)
        if entry is None or entry.stamp != stamp:
            entry = _Entry(stamp, read_state(journal))
            news.append(name)
        present[name] = entry
    _write(folder.journal_index, present, news, lines)
    states = (entry.state for entry in present.values() if entry.state is not None)
    return {state.history.trial_id: state for state in states}


def stamp_of(journal: Path) -> Stamp | None:
    """Return what a change of the journal changes, too; None if there is no such file."""
    try:
        found = journal.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _load(path: Path) -> tuple[dict[str, _Entry], int]:
    """Return the latest entry of every trial that can be read, and the number of lines."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:  # none yet, or none that we may read
        return {}, 0
    entries: dict[str, _Entry] = {}
    latest = {name: line for line in lines if (name := _name_of(line)) is not None}
    for name, line in latest.items():
        with suppress(ValueError):
            entries[name] = _ENTRY.validate_json(line.split(b" ", 3)[3])
    return entries, sum(map(bool, lines))


def _write(path: Path, entries: Mapping[str, _Entry], news: Sequence[str], lines: int) -> None:
    """Append the entries that are news to a file of so many lines; write it anew if most lines would be outdated."""
    if lines + len(news) > _MOST_OUTDATED * len(entries) + 1:
        whole = b"".join(_line(name, entry) for name, entry in entries.items())
        with suppress(OSError):  # an older index is as good, and so is none
            write_atomically(path, lambda file: file.write(whole), writer=str(os.getpid()))
    elif news:
        _append(path, [_line(name, entries[name]) for name in news])


def read_and_note(folder: RunFolder, trial_id: str) -> TrialState | None:
    """Return the state of one trial, read anew, and add it to the index."""
    journal = folder.trial(trial_id).journal
    stamp, state = stamp_of(journal), read_state(journal)
    if stamp is not None and state is not None:
        _append(folder.journal_index, [_line(trial_id, _Entry(stamp, state))])
    return state


def _append(path: Path, lines: Iterable[bytes]) -> None:
    """Append lines with one ``write``, so that writers need no lock, and after a line break, for one may be torn."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, b"\n" + b"".join(lines))
        finally:
            os.close(descriptor)


def _names(trials: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(trials))
    except FileNotFoundError:
        return []


def _line(name: str, entry: _Entry) -> bytes:
    """Return the line of an entry: checksum of the rest, the code that made it, the trial's folder, its state."""
    content = b" ".join((_form(), os.fsencode(name), _ENTRY.dump_json(entry)))
    return b"%08x %b\n" % (zlib.crc32(content), content)


def _name_of(line: bytes) -> str | None:
    """Return the name in an undamaged line of this code."""
    checksum, _, content = line.partition(b" ")
    if not content.startswith(_form() + b" ") or b"%08x" % zlib.crc32(content) != checksum:
        return None
    return os.fsdecode(content.split(b" ", 2)[1])


@cache
def _form() -> bytes:
    """Return a digest of the code that reads journals: what another one made of them does not count."""
    form = f"{code_digest(Path(__file__).parent)} {','.join(TASK_METRICS)}"
    return hashlib.blake2b(form.encode(), digest_size=8).hexdigest().encode()


def code_digest(*folders: Path) -> str:
    """Return a digest of the modules in folders."""
    digest = hashlib.blake2b(digest_size=8)
    for source in (path for folder in folders for path in sorted(folder.glob("*.py"))):
        digest.update(source.read_bytes())
    return digest.hexdigest()
