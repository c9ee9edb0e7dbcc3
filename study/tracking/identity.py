"""What tells the runs of one run folder from those of another one of the same study in one MLflow store."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field

from study.layout import RunFolder
from trainables.foundation.files import write_text_atomically


class _Noted(BaseModel):
    """What ``mlflow_folder.json`` holds; the key stands in searches, so it is nothing but what we draw."""

    key: str = Field(pattern="^[0-9a-f]{32}$")
    path: str


@dataclass(frozen=True)
class FolderIdentity:
    """The id that every run of a folder carries as a tag, and where the folder is.

    Attributes:
        key: drawn at random once; of a study in a store, a digest of its URL.
        place: path or URL of the folder.
        copied: whether the folder was just found to be a copy, whose runs are kept apart from those of the original.
    """

    key: str
    place: str
    copied: bool = False


def identify(folder: RunFolder) -> FolderIdentity:
    """Return the identity of a run folder; call it with the lock on the folder's mirror held.

    A folder that was moved keeps its own. Of a folder that was copied, the copy gets a new one, for its trials are no
    longer those of the original. All working copies of a study in a store have the same.
    """
    place = folder.url or str(folder.path.resolve())
    noted = _read(folder.mlflow_identity)
    if noted is not None and noted.path == place:
        return FolderIdentity(noted.key, place)
    copied = noted is not None and _is_elsewhere(noted, folder)
    identity = FolderIdentity(_new_key(folder) if noted is None or copied else noted.key, place, copied)
    content = {"key": identity.key, "path": place}
    write_text_atomically(folder.mlflow_identity, json.dumps(content, indent=1) + "\n")
    return identity


def _new_key(folder: RunFolder) -> str:
    """Return a key; that of a store follows from its URL, for two machines may ask before either has put its answer."""
    return hashlib.blake2b(folder.url.encode(), digest_size=16).hexdigest() if folder.url else uuid.uuid4().hex


def _is_elsewhere(noted: _Noted, folder: RunFolder) -> bool:
    """Return whether a folder with another place on record is a copy of the one there."""
    if "://" in noted.path:  # what was fetched from a store, or put into another one, was not moved
        return True
    return not folder.url and _is_still_there(Path(noted.path), folder, noted.key)


def _is_still_there(before: Path, folder: RunFolder, key: str) -> bool:
    """Whether another folder is where this one was, with the same identity (and not this one by another path)."""
    original = _read(RunFolder(before).mlflow_identity)
    return original is not None and original.key == key and not before.samefile(folder.path)


def _read(path: Path) -> _Noted | None:
    """Return what the file holds, or None where it is missing or damaged: an identity can be drawn again."""
    try:
        return _Noted.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
