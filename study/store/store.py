"""The store of a study: whole objects by key, and creation that succeeds only once."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from trainables.foundation.files import write_atomically


class Store(Protocol):
    """Objects by key; keys are relative paths with ``/``. Every method may raise ``StoreError``."""

    place: str

    def read(self, key: str) -> bytes | None:
        """Return an object; None if there is none."""

    def write(self, key: str, content: bytes) -> None:
        """Write an object whole; readers see the old one or the new one."""

    def create(self, key: str, content: bytes) -> bool:
        """Write an object where there is none; return whether there was none. Of several writers, one succeeds."""

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that start with ``prefix``, a folder, in ascending order; all that was written is there."""

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""


class FolderStore:
    """A store in a folder, also of a shared file system whose locks do not hold: links are made only once anywhere."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a file."""
        try:
            return (self._folder / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, key: str, content: bytes) -> None:
        """Write a file under a temporary name and rename it."""
        write_atomically(self._folder / key, lambda file: file.write(content), writer=_writer())

    def create(self, key: str, content: bytes) -> bool:
        """Link a finished file to its name, which fails where the name is taken."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        finished = path.with_name(f".{path.name}.{_writer()}")
        write_atomically(finished, lambda file: file.write(content))
        try:
            os.link(finished, path)
        except FileExistsError:
            return False
        finally:
            finished.unlink(missing_ok=True)
        return True

    def keys(self, prefix: str) -> list[str]:
        """Return the files below a folder."""
        return sorted(self._keys(self._folder / prefix))

    def _keys(self, folder: Path) -> Iterator[str]:
        for path in folder.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self._folder).as_posix()

    def delete(self, key: str) -> None:
        """Remove a file."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / key).unlink()


def _writer() -> str:
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
