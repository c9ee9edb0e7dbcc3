"""The local copy in which a process works on a study that is in a store; the store is the truth.

What the process needs is fetched before, and every file is put to the store as it is committed: a journal's line as a
segment before it is in the local journal, a checkpoint or a table when it has got its name. The driver, its workers
and readers have copies of their own, so they meet in the store alone, on one machine as on many.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from study.store.segments import Segments
from study.store.store import Store
from trainables.foundation.files import told_of_files, write_atomically
from trainables.foundation.locks.lock import locked

Role = Literal["driver", "worker", "reader"]

_OF_THIS_MACHINE = (
    "ray/*",
    "mlflow.db*",
    "mlflow-artifacts/*",
    "mlflow_runs.json",
    "journals.index",
    "tables.index",
    "*.lock",
    "lease/*",
    ".*",
    "*/.*",
    "trials/*",
)
"""Files that stay here: scratch, locks, what can be derived again; and trials, which are put one by one."""

_ROUNDS = "rounds.jsonl"
_KEPT_HERE = ("trial.lock", "journal.jsonl")
_AT_ONCE = 16

_copies: dict[Path, WorkingCopy] = {}


class WorkingCopy:
    """A study's folder on this machine and its store.

    Attributes:
        path: the folder.
        store: where everything committed goes.
    """

    def __init__(self, store: Store, path: Path) -> None:
        self.store, self.path = store, path
        self._put: dict[str, tuple[int, int]] = {}

    def fetch(self) -> None:
        """Fetch journals and the driver's files, not the weights and checkpoints of trials.

        Journals that the store does not have are removed: another study may have been there. Readers on one machine
        share a copy, so they fetch one after another.
        """
        with locked(self.path / "fetch.lock"):
            self._fetch_all(self.store.keys(""))

    def _fetch_all(self, keys: Sequence[str]) -> None:
        segments: dict[str, list[str]] = {}
        for key in keys:
            if journal := Segments.journal_of(key):
                segments.setdefault(journal, []).append(key)
        own = [key for key in keys if not (Segments.journal_of(key) or _stays_here(key))]
        for path in (self.path / _ROUNDS, *self.path.glob("trials/*/journal.jsonl")):
            if self._key(path) not in segments:
                path.unlink(missing_ok=True)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda found: self.fetch_journal(*found), segments.items()))
            list(pool.map(self._fetch, own))

    def fetch_trial(self, trial: Path) -> None:
        """Fetch all of one trial, and remove what the store does not have; for whoever is about to train it."""
        folder = self._key(trial)
        keys = self.store.keys(folder)
        self.fetch_journal(f"{folder}/journal.jsonl")
        present = {key for key in keys if not Segments.journal_of(key)}
        for key in present:
            self._fetch(key)
        mine = (path for path in trial.glob("*") if path.is_file() and path.name not in _KEPT_HERE)
        for path in mine:
            if self._key(path) not in present:
                path.unlink()

    def fetch_journal(self, journal: str, keys: Sequence[str] | None = None) -> None:
        """Make the local journal what the store holds.

        Args:
            journal: its key.
            keys: its segments if they are known: where the local journal is made of these, nothing is read.
        """
        path = self.path / journal
        made_of = path.with_name(f".{path.name}.segments")
        if keys is not None:
            names = ",".join(keys)
            if path.is_file() and made_of.is_file() and made_of.read_text(encoding="utf-8") == names:
                return
        content = Segments(self.store, journal).read()
        made_of.unlink(missing_ok=True)
        if content:
            write_atomically(path, lambda file: file.write(content))
            if keys is not None:
                made_of.write_text(names, encoding="utf-8")
        else:
            path.unlink(missing_ok=True)

    def segments(self, journal: Path) -> Segments:
        """Return the segments of a local journal."""
        journal.with_name(f".{journal.name}.segments").unlink(missing_ok=True)
        return Segments(self.store, self._key(journal))

    def put(self, path: Path) -> None:
        """Put a file that has been written."""
        self.store.write(self._key(path), path.read_bytes())

    def read(self, path: Path) -> bytes | None:
        """Return what the store has in the place of a file; None if it has nothing. The file stays as it is."""
        return self.store.read(self._key(path))

    def read_journal(self, journal: Path) -> bytes:
        """Return the lines that the store has of a journal; the local one stays as it is."""
        return Segments(self.store, self._key(journal)).read()

    def write(self, path: Path, content: bytes) -> None:
        """Put an object in the place of a file that is not here."""
        self.store.write(self._key(path), content)

    def put_trial(self, trial: Path) -> None:
        """Delete from the store what the trial has removed here, and make its journal one object.

        Files that the store has are removed here, or the checkpoints and weights of all trials would fill the node.
        """
        for key in self.store.keys(self._key(trial)):
            if Segments.journal_of(key):
                continue
            if (self.path / key).is_file():
                (self.path / key).unlink()
            else:
                self.store.delete(key)
        Segments(self.store, f"{self._key(trial)}/journal.jsonl").make_whole()

    def files(self, folder: Path) -> frozenset[Path]:
        """Return the paths that files below a folder have or would have here, of those that the store has."""
        return frozenset(self.path / key for key in self.store.keys(self._key(folder)))

    def delete(self, path: Path) -> None:
        """Delete from the store what was at a path."""
        self.store.delete(self._key(path))

    def put_rest(self) -> None:
        """Put the driver's own files that have changed, and delete those that are gone."""
        here = dict(self._files())
        for key, stamp in here.items():
            if self._put.get(key) != stamp:
                self.put(self.path / key)
                self._put[key] = stamp
        for key in self.store.keys(""):
            if not (key in here or _stays_here(key) or Segments.journal_of(key)):
                self.store.delete(key)

    def _files(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for folder, folders, names in os.walk(self.path):
            folders[:] = [name for name in folders if not _stays_here(f"{self._key(Path(folder, name))}/x")]
            for name in names:
                path = Path(folder, name)
                if not _stays_here(self._key(path)) and path.name != _ROUNDS:
                    yield self._key(path), _stamp(path)

    def _fetch(self, key: str) -> None:
        content = self.store.read(key)
        path = self.path / key
        if content is None:
            return
        if not (path.is_file() and path.read_bytes() == content):
            write_atomically(path, lambda file: file.write(content))
        self._put[key] = _stamp(path)

    def _key(self, path: Path) -> str:
        found = path.relative_to(self.path).as_posix()
        return "" if found == "." else found


def open_copy(url: str, role: Role, home: Path) -> WorkingCopy:
    """Return this machine's copy of the study at a URL for a role; it is registered in this process.

    Raises:
        UserError: the store cannot be used, or lets two writers create one object.
        StoreError: it does not answer.
    """
    from study.store.objects import open_object_store

    name = url.rpartition("/")[2]
    place = home / "copies" / hashlib.blake2b(url.encode(), digest_size=8).hexdigest() / role / name
    place.mkdir(parents=True, exist_ok=True)
    place = place.resolve()
    if place not in _copies:
        store = open_object_store(url)
        if role == "driver":  # others only read, or work for a driver who has looked
            store.refuse_unconditional()
        register(WorkingCopy(store, place))
    return _copies[place]


def register(copy: WorkingCopy) -> WorkingCopy:
    """Let journals written below the copy's folder go to its store."""
    _copies[copy.path] = copy
    return copy


def copy_of(path: Path) -> WorkingCopy | None:
    """Return the copy that a path is in; None where files are all there is."""
    if not _copies:
        return None
    return next((_copies[place] for place in (path, *path.parents) if place in _copies), None)


@contextmanager
def trial_at_hand(trial: Path) -> Iterator[None]:
    """Fetch a trial for the block, and put the checkpoints and weights that are written in it; nothing in a folder."""
    copy = copy_of(trial)
    if copy is None:
        yield
        return
    copy.fetch_trial(trial)

    def committed(path: Path) -> None:
        if path.parent == trial:
            copy.put(path)

    with told_of_files(committed):
        yield
    copy.put_trial(trial)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _stays_here(key: str) -> bool:
    return any(fnmatch(key, pattern) for pattern in _OF_THIS_MACHINE)
