"""A store at an fsspec URL: S3 and Google's, and what speaks S3."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import TypeVar

from study.errors import UserError, system_error_line
from trainables.foundation.objects.requests import open_system, tried

T = TypeVar("T")


class ObjectStore:
    """Objects below a URL.

    Requests that fail for the moment are repeated for some seconds.

    Raises:
        UserError: no package for the protocol, or a store whose creation of objects is not exclusive.
    """

    def __init__(self, url: str) -> None:
        self.place = url
        try:
            self._system, self._root = open_system(url)
        except ValueError as error:
            raise UserError(str(error)) from error

    def read(self, key: str) -> bytes | None:
        """Return an object."""
        try:
            found: bytes = self._tried(lambda: self._system.cat_file(self._path(key)))
        except FileNotFoundError:
            return None
        return found

    def write(self, key: str, content: bytes) -> None:
        """Put an object; object stores show it when it is complete."""
        self._tried(lambda: self._system.pipe_file(self._path(key), content))

    def create(self, key: str, content: bytes) -> bool:
        """Put an object on condition that there is none.

        A request that failed may have taken effect, so an object with these very bytes counts as ours.
        """
        try:
            self._tried(lambda: self._system.pipe_file(self._path(key), content, mode="create"))
        except FileExistsError:
            return self.read(key) == content
        return True

    def keys(self, prefix: str) -> list[str]:
        """List the objects below a prefix."""
        folder = self._path(prefix)
        try:
            found = self._tried(lambda: self._system.find(folder, refresh=True, withdirs=False))
        except FileNotFoundError:
            return []
        return sorted(path.removeprefix(self._root + "/") for path in found)

    def delete(self, key: str) -> None:
        """Delete an object."""
        try:
            self._tried(lambda: self._system.rm_file(self._path(key)))
        except FileNotFoundError:
            return

    def refuse_unconditional(self) -> None:
        """Refuse a store that lets two writers create one object.

        Raises:
            UserError: it does, or nothing can be written there.
        """
        key = f".probe/{uuid.uuid4().hex}"
        try:
            first, second = self.create(key, b"first"), self.create(key, b"second")
            self.delete(key)
        except OSError as error:
            raise UserError(system_error_line(error)) from error
        if not first or second:
            raise UserError(
                f"{self.place}: this store lets two writers create the same object (it ignores If-None-Match), so two"
                " runs could mix; use a store with conditional writes, or a folder"
            )

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}".rstrip("/")

    def _tried(self, request: Callable[[], T]) -> T:
        return tried(self.place, request)


@functools.cache
def open_object_store(url: str) -> ObjectStore:
    """Return the store at a URL; it is opened once a process.

    Raises:
        UserError: there is no package for it.
    """
    return ObjectStore(url)
