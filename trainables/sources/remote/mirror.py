"""A folder of this node with the objects below a URL.

It is named by a digest of the URL, and brought up to date once a process, under a lock. Each object is written under
another name and renamed when it is complete, and then noted with its version, so a mirror that was interrupted goes on
where it was, and an object is fetched again only if the store has another version of it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO, Any

from trainables.foundation.files import write_text_atomically
from trainables.foundation.locks.lock import locked
from trainables.foundation.objects.requests import StoreError, open_system, tried
from trainables.foundation.pulse import beat
from trainables.sources.remote.listing import StoredObject, list_objects

MIRRORS = "objects-v1"
"""The subfolder of the cache."""

_AT_ONCE = 16

_Note = tuple[int, str, int]
"""Bytes and version of an object, and the modification time of its file in ns."""

_mirrored: dict[tuple[str, Path], Path] = {}
_one_at_a_time = threading.Lock()

logger = logging.getLogger(__name__)


def mirror(url: str, cache: Path) -> Path:
    """Return the folder with the objects below a URL, or the file of the object at it; fetches what is new.

    A process asks the store once; what changes there later is found by the next process.

    Args:
        url: without a slash at its end.
        cache: the cache folder of this node.

    Raises:
        ValueError: no package for the protocol, no objects, no access, no answer, or a key that cannot be a file.
        OSError: the disk is full or does not have the space.
    """
    with _one_at_a_time:
        if (url, cache) not in _mirrored:
            _mirrored[url, cache] = _Mirror(url, cache).update()
        return _mirrored[url, cache]


class _Mirror:
    def __init__(self, url: str, cache: Path) -> None:
        self._url = url
        self._home = cache / MIRRORS / hashlib.blake2b(url.encode(), digest_size=16).hexdigest()
        self._files = self._home / "files" / url.rpartition("/")[2]  # messages about files show the end of the URL
        self._parts = self._home / ".parts"
        self._notes = self._home / ".fetched.jsonl"

    def update(self) -> Path:
        """Fetch what is new, remove what is gone, and return where it is."""
        system, root = open_system(self._url)
        self._home.mkdir(parents=True, exist_ok=True)
        with locked(self._home / ".lock"):
            objects = list_objects(system, self._url, root)
            alone = len(objects) == 1 and next(iter(objects.values())).path == root
            folder = self._files.parent if alone else self._files
            notes = self._read_notes()
            self._remove_others(folder, objects, alone=alone)
            new = {key: found for key, found in objects.items() if not _is_here(folder / key, found, notes.get(key))}
            shutil.rmtree(self._parts, ignore_errors=True)
            if new:
                self._refuse_too_much(new)
                self._fetch_all(system, folder, new)
        return folder / next(iter(objects)) if alone else folder

    def _read_notes(self) -> dict[str, _Note]:
        """Return what was fetched, and write it without repetitions; a line cut off by a kill is left out."""
        notes: dict[str, _Note] = {}
        try:
            lines = self._notes.read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return notes
        for line in lines:
            try:
                key, size, version, changed = json.loads(line)
            except (ValueError, TypeError):  # cut off or damaged: this object is fetched again
                continue
            notes[key] = (size, version, changed)
        write_text_atomically(self._notes, "".join(_line(key, note) for key, note in notes.items()))
        return notes

    def _remove_others(self, folder: Path, objects: Mapping[str, StoredObject], *, alone: bool) -> None:
        """Remove files and folders that the store does not have."""
        if alone:
            if self._files.is_dir():
                shutil.rmtree(self._files)
            return
        if self._files.is_file():
            self._files.unlink()
        for place, folders, names in os.walk(folder, topdown=False):
            for name in names:
                path = Path(place, name)
                if path.relative_to(folder).as_posix() not in objects:
                    path.unlink()
            for name in folders:
                if not any((inside := Path(place, name)).iterdir()):
                    inside.rmdir()

    def _refuse_too_much(self, new: Mapping[str, StoredObject]) -> None:
        needed, free = sum(found.size for found in new.values()), shutil.disk_usage(self._home).free
        if needed > free:
            told = f"{needed / 1e9:.3g} GB of {self._url} are to be fetched, and {free / 1e9:.3g} GB are free here"
            raise OSError(errno.ENOSPC, f"{told}; free some, or choose another place (MODSTUDY_CACHE)", str(self._home))
        logger.info("%s: fetching %d objects, %.3g GB, to %s", self._url, len(new), needed / 1e9, self._home)

    def _fetch_all(self, system: Any, folder: Path, new: Mapping[str, StoredObject]) -> None:
        self._parts.mkdir()
        with self._notes.open("a", encoding="utf-8") as notes, ThreadPoolExecutor(_AT_ONCE) as pool:
            work = {pool.submit(self._fetch, system, found, folder / key): key for key, found in new.items()}
            try:
                for done in as_completed(work):
                    self._note(notes, work[done], new[work[done]], done)
                    beat()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        shutil.rmtree(self._parts)

    def _note(self, notes: IO[str], key: str, found: StoredObject, done: Future[int]) -> None:
        try:
            changed = done.result()
        except FileNotFoundError as error:
            raise ValueError(f"{self._url}: {key!r} was removed while it was fetched; try again") from error
        except StoreError as error:
            raise ValueError(f"{self._url}: {key!r}: {error.strerror}") from error
        notes.write(_line(key, (found.size, found.version, changed)))
        notes.flush()

    def _fetch(self, system: Any, found: StoredObject, path: Path) -> int:
        """Fetch one object to a file; return the file's modification time in ns."""
        part = self._parts / hashlib.blake2b(found.path.encode(), digest_size=16).hexdigest()
        tried(self._url, lambda: system.get_file(found.path, str(part)))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        status = part.stat()
        if status.st_size != found.size:
            raise ValueError(
                f"{self._url}: {found.path!r} had {found.size} bytes when it was listed and {status.st_size} when it"
                " was fetched; try again when nobody writes there"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        return status.st_mtime_ns


def _is_here(path: Path, found: StoredObject, note: _Note | None) -> bool:
    if note is None or not found.version or note[:2] != (found.size, found.version):
        return False
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return (status.st_size, status.st_mtime_ns) == (found.size, note[2])


def _line(key: str, note: _Note) -> str:
    return json.dumps([key, *note]) + "\n"
