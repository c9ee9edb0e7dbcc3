"""Image files by their names in a list: in a folder, or in a zip archive, which is not unpacked."""

from __future__ import annotations

import functools
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

LARGEST_FILE = 200_000_000
"""Maximum size of an image file in bytes; a small archive can contain a file that exhausts memory."""

Stamp = tuple[int, int]
"""Size and modification time (in an archive: size and checksum), which change with the content."""


class ImageFiles(Protocol):
    """The location of image files."""

    place: Path

    def stamp(self, name: str) -> Stamp | None:
        """Return a stamp that changes when the file changes; None if there is no such file."""
        ...

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: it cannot be read.
        """
        ...


class FolderFiles:
    """The files below a folder; neither a name nor a link may lead outside it."""

    def __init__(self, place: Path) -> None:
        self._given = place.absolute()
        self.place = place.resolve()
        self._inside = functools.lru_cache(maxsize=None)(self._is_inside)

    def normalised(self, name: str) -> str:
        """Return the normalised name: relative to the folder, with ``/``, without ``.`` and empty parts.

        Raises:
            ValueError: the name refers to a path outside the folder, or contains ``..``.
        """
        pure = PurePosixPath(name.replace("\\", "/"))
        for home in (self.place, self._given):
            if pure.is_absolute() and pure.is_relative_to(home.as_posix()):
                pure = pure.relative_to(home.as_posix())
        drive = bool(pure.parts) and re.fullmatch("[A-Za-z]:", pure.parts[0])
        if pure.is_absolute() or drive or ".." in pure.parts or "\0" in name or not pure.parts:
            raise ValueError(f"image {name!r}: must be a path inside {self.place}, without '..'")
        return str(pure)

    def path_of(self, name: str) -> Path:
        """Return the path of a file.

        Raises:
            ValueError: the name refers to a path outside the folder, contains ``..``, or leads outside through a link.
        """
        path = self.place / self.normalised(name)
        if not self._inside(path.parent) or (path.is_symlink() and not self._is_inside(path)):
            raise ValueError(f"image {name!r}: is a link that leads outside {self.place}; images must be inside it")
        return path

    def one_spelling(self, names: Iterable[str]) -> list[str]:
        """Return normalised names; names that the file system treats as the same file all become the first of them.

        Some file systems ignore case or Unicode normalisation. Two links to one file remain two names.
        """
        first: dict[str, str] = {}
        found = []
        for name in names:
            other = first.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
            found.append(other if other != name and self._is_same_file(other, name) else name)
        return found

    def _is_same_file(self, one: str, other: str) -> bool:
        paths = self.path_of(one), self.path_of(other)
        return all(path.is_file() and not path.is_symlink() for path in paths) and paths[0].samefile(paths[1])

    def stamp(self, name: str) -> Stamp | None:
        """Return size and modification time."""
        path = self.path_of(name)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_size, status.st_mtime_ns

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return self.path_of(name).read_bytes()

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.place)


class ZipFiles:
    """The members of a zip archive below ``prefix``; nothing is unpacked.

    Raises:
        ValueError: not a zip archive.
    """

    def __init__(self, place: Path, prefix: str) -> None:
        self.place = place.resolve()
        self._prefix = prefix
        try:
            self._archive = zipfile.ZipFile(self.place)
        except (zipfile.BadZipFile, OSError) as error:
            raise ValueError(
                f"{place}: not a readable zip archive ({error}); unpack it next to the archive, or download it again"
            ) from error

    def stamp(self, name: str) -> Stamp | None:
        """Return size and checksum of a member."""
        try:
            member = self._archive.getinfo(self._prefix + name)
        except KeyError:
            return None
        return member.file_size, member.CRC

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""
        stamp = self.stamp(name)
        if stamp is None:
            raise FileNotFoundError(2, "No such file in the archive", f"{self.place}:{self._prefix}{name}")
        if stamp[0] > LARGEST_FILE:
            raise OSError(f"{self._prefix}{name}: {stamp[0]} bytes exceed the limit of {LARGEST_FILE}")
        try:
            return self._archive.read(self._prefix + name)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:  # damaged, or encrypted
            raise OSError(f"{self.place}:{self._prefix}{name}: {error}") from error
