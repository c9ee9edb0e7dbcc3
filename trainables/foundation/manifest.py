"""Reads a manifest: a JSON file with a version, written by this project and perhaps damaged since."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from trainables.foundation.sealed_json import read_object
from trainables.foundation.section import Section

M = TypeVar("M", bound=Section)


def read_versioned(path: Path, model: type[M], *, version: int, most_bytes: int, again: str) -> M:
    """Return what a file that exists holds.

    Args:
        path: The file.
        model: What it should hold, beside its ``version``.
        version: The one that is read.
        most_bytes: A larger file is not read.
        again: How to write it anew, such as "export the network again".

    Raises:
        ValueError: It is damaged or of another version, or a value breaks a rule; in one line that names the file.
    """
    size = path.stat().st_size
    if size > most_bytes:
        raise ValueError(f"{path}: {size} bytes, and a manifest has at most {most_bytes}")
    try:
        document = read_object(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not readable as JSON ({error}); copy the folder again") from error
    if document.get("version") != version:
        raise ValueError(
            f"{path}: version: unknown {document.get('version')!r}; this release reads version {version}: {again}, or"
            " use the release that wrote it"
        )
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {key}: {first['msg']}, got {str(first['input'])[:80]!r}; copy it again") from None
