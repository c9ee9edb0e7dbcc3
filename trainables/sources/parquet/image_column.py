"""Finds the image column of a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from trainables.sources.parquet.arrow_types import entry_type, is_bytes, is_image, is_text
from trainables.sources.parquet.files import open_parquet
from trainables.sources.reading.file_kinds import foreign_kind, image_format

_LOOKED_AT = 64
_EXPECTED = "expected struct<bytes: binary, path: string>, or bytes of image files"


def find_image_column(path: Path, schema: Any) -> str:
    """Return the name of the image column: the only one, or the one named ``image``.

    Images are structs with the bytes of a file, or plain bytes if most of them begin like an image file.

    Raises:
        ValueError: there is none, or there are several and none is named ``image``.
    """
    found = [field.name for field in schema if is_image(field.type)]
    plain = [field.name for field in schema if is_bytes(field.type)]
    if not found:
        found = [name for name in plain if _begin_as_images(_first_values(path, name))]
    if "image" in found:
        return "image"
    if len(found) == 1:
        return str(found[0])
    if found:
        raise ValueError(f"{path}: several image columns ({', '.join(found)}): one must be named 'image'")
    raise ValueError(f"{path}: no image column: {_EXPECTED}, found {', '.join(_described(path, schema, plain))}")


def _begin_as_images(values: list[bytes]) -> bool:
    """Return whether most values begin like an image; some may be corrupt, and a digest may match by chance."""
    return 2 * sum(image_format(value) is not None for value in values) > len(values)


def _first_values(path: Path, column: str) -> list[bytes]:
    with open_parquet(path) as file:
        try:
            batch = next(file.iter_batches(_LOOKED_AT, columns=[column]), None)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: column {column!r} cannot be read: {error}") from error
    return [] if batch is None else [value for value in batch.column(0).to_pylist() if value]


def _described(path: Path, schema: Any, plain: list[str]) -> list[str]:
    """Return the columns with their types, and why those that look intended for images do not qualify."""
    words = []
    for field in schema:
        meant = ""
        if field.name in plain:
            value = next(iter(_first_values(path, field.name)), None)
            kind = "only empty values" if value is None else foreign_kind(value) or f"bytes that begin {value[:4]!r}"
            meant = f": {kind}"
        elif field.name == "image" and is_text(field.type):
            meant = ": paths and addresses are never followed; the kind 'table' reads image files"
        elif field.name == "image" and entry_type(field.type) is not None:
            meant = ": lists of images or raw pixels are not image files"
        words.append(f"{field.name} ({field.type}{meant})")
    return words
