"""What is in a store below a URL, and the refusal of keys that cannot be files of one folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trainables.foundation.objects.requests import StoreError, tried

_LONGEST_NAME = 255
"""Bytes of a file name, on the file systems of Linux."""


@dataclass(frozen=True)
class StoredObject:
    """An object as listed: its path in the store's file system, bytes, and a text that changes with its content."""

    path: str
    size: int
    version: str


def list_objects(system: Any, url: str, root: str) -> dict[str, StoredObject]:
    """Return the objects below a URL by key; the key of an object at the URL itself is its name.

    Args:
        system: the file system of the URL.
        url: for messages.
        root: the path of the URL in the file system.

    Raises:
        ValueError: there is none, access is denied, the store does not answer, or a key cannot be a file.
    """
    try:
        found = tried(url, lambda: _found(system, root))
    except StoreError as error:
        raise ValueError(f"{url}: {error.strerror}") from error
    objects = {_key(path, root): _stored(path, facts) for path, facts in found.items() if _is_object(path, facts)}
    if not objects:
        raise ValueError(f"{url}: no such bucket, or nothing below this URL")
    refuse_keys(url, objects)
    return objects


def refuse_keys(url: str, keys: Iterable[str]) -> None:
    """Refuse keys that would lead out of a folder, or that two files cannot have.

    Raises:
        ValueError: names the URL and the key.

    Example:
        >>> refuse_keys("s3://bucket", ["a/b", "a"])
        Traceback (most recent call last):
        ValueError: s3://bucket: key 'a' is an object and the folder of 'a/b'; a folder cannot hold both
    """
    known = set(keys)
    for key in sorted(known):
        parts = key.split("/")
        if "\0" in key or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"{url}: key {key!r} is no path inside a folder (an empty part, '.', '..' or NUL)")
        if any(len(part.encode(errors="surrogatepass")) > _LONGEST_NAME for part in parts):
            raise ValueError(f"{url}: key {key!r} has a part of more than {_LONGEST_NAME} bytes, too long for a file")
        for end in range(1, len(parts)):
            if (folder := "/".join(parts[:end])) in known:
                raise ValueError(
                    f"{url}: key {folder!r} is an object and the folder of {key!r}; a folder cannot hold both"
                )


def _found(system: Any, root: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        found: Mapping[str, Mapping[str, Any]] = system.find(root, detail=True, withdirs=False, refresh=True)
    except FileNotFoundError:
        return {}
    return found


def _key(path: str, root: str) -> str:
    return root.rpartition("/")[2] if path == root else path.removeprefix(root + "/")


def _is_object(path: str, facts: Mapping[str, Any]) -> bool:
    """Return whether this is more than the mark of a folder, which consoles of stores make."""
    return facts.get("type") != "directory" and not path.endswith("/")


def _stored(path: str, facts: Mapping[str, Any]) -> StoredObject:
    versions = (facts.get(name) for name in ("generation", "ETag", "etag", "md5Hash", "LastModified", "updated"))
    return StoredObject(path, int(facts["size"]), str(next(filter(None, versions), "")))
