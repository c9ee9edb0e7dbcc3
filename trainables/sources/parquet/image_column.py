"""Which column of a Parquet file holds the images."""

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
    """Return the name of the image column: the only one, or the one called ``image``.

    Images are structures with the bytes of a file, or the bytes themselves where most begin as images do.

    Raises:
        ValueError: there is none, or several of which none is called ``image``.
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
        raise ValueError(f"{path}: several image columns ({', '.join(found)}): one must be called 'image'")
    raise ValueError(f"{path}: no image column: {_EXPECTED}, found {', '.join(_described(path, schema, plain))}")


def _begin_as_images(values: list[bytes]) -> bool:
    """Return whether most values do: some may be corrupt, and a digest may begin so by chance."""
    return 2 * sum(image_format(value) is not None for value in values) > len(values)


def _first_values(path: Path, column: str) -> list[bytes]:
    with open_parquet(path) as file:
        try:
            batch = next(file.iter_batches(_LOOKED_AT, columns=[column]), None)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: column {column!r} cannot be read: {error}") from error
    return [] if batch is None else [value for value in batch.column(0).to_pylist() if value]


def _described(path: Path, schema: Any, plain: list[str]) -> list[str]:
    """Return the columns with their types, and what is wrong with those that could have been meant."""
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
            meant = ": lists of images, or of bare pixels, are no image files"
        words.append(f"{field.name} ({field.type}{meant})")
    return words
