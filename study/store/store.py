"""The store of a study: whole objects by key, and creation that succeeds only once."""

from __future__ import annotations

from typing import Protocol


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
