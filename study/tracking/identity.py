"""What tells the runs of one run folder from those of another one of the same study in one MLflow store."""

from __future__ import annotations

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
    """The id that every run of a folder carries as a tag, and the folder's path.

    Attributes:
        key: drawn at random once.
        copied: whether the folder was just found to be a copy, whose runs are kept apart from those of the original.
    """

    key: str
    path: Path
    copied: bool = False


def identify(folder: RunFolder) -> FolderIdentity:
    """Return the identity of a run folder; call it with the lock on the folder's mirror held.

    A folder that was moved keeps its own. Of a folder that was copied, the copy gets a new one, for its trials are no
    longer those of the original.
    """
    path = folder.path.resolve()
    noted = _read(folder.mlflow_identity)
    if noted is None:
        identity = FolderIdentity(uuid.uuid4().hex, path)
    elif Path(noted.path) == path:
        return FolderIdentity(noted.key, path)
    elif _is_still_there(Path(noted.path), folder, noted.key):
        identity = FolderIdentity(uuid.uuid4().hex, path, copied=True)
    else:
        identity = FolderIdentity(noted.key, path)
    content = {"key": identity.key, "path": str(path)}
    write_text_atomically(folder.mlflow_identity, json.dumps(content, indent=1) + "\n")
    return identity


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
