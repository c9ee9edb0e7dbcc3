"""Whole files by key in a folder, of which creation succeeds only once, also where locks do not hold."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from trainables.foundation.files import naming, write_atomically

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV})


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
        except OSError as error:
            if error.errno == errno.ESTALE:  # NFS: deleted by another node meanwhile
                return None
            raise

    def write(self, key: str, content: bytes) -> None:
        """Write a file under a temporary name and rename it."""
        write_atomically(self._folder / key, lambda file: file.write(content), writer=_writer())

    def create(self, key: str, content: bytes) -> bool:
        """Link a finished file to its name, which fails where the name is taken.

        Where there are no links, create the file exclusively; a reader may then see it before it has its content.
        """
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        finished = path.with_name(f".{path.name}.{_writer()}")
        try:
            _create(finished, content)
            return _link(finished, path, content)
        finally:
            finished.unlink(missing_ok=True)

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


def _create(path: Path, content: bytes) -> None:
    # not with ``write_atomically``, which asks the holders of leases whether it may
    with naming(path), path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _link(finished: Path, path: Path, content: bytes) -> bool:
    try:
        os.link(finished, path)
    except OSError as error:
        if finished.stat().st_nlink == 2:  # old NFS: made, but the answer was lost and the second request failed
            return True
        if isinstance(error, FileExistsError):
            return False
        if error.errno not in _NO_LINKS:
            raise
        try:
            _create(path, content)
        except FileExistsError:
            return False
    return True


def _writer() -> str:
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
