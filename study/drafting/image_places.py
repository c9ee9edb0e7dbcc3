"""Identifies the image source at a path, or explains what to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from study.definition.validation import error_context
from study.errors import UserError
from trainables.foundation.files import write_text_atomically
from trainables.foundation.objects.address import address_of
from trainables.sources.registry import detect_source
from trainables.sources.remote.mirror import mirror
from trainables.sources.remote.place import checked_address, node_cache
from trainables.sources.source import SourceConfig

if TYPE_CHECKING:
    from trainables.sources.table.class_folders import ClassFolders


def source_of(data: Path, place: Path) -> SourceConfig:
    """Return the source in a folder or a CSV file.

    Args:
        data: as given: a path or a URL.
        place: where that is on this machine.

    Raises:
        UserError: there is none; the message describes what is there and what to do.
    """
    from trainables.sources.table.source import TableImages

    if place.is_file():
        if place.suffix.lower() not in (".csv", ".tsv"):
            raise UserError(f"{data}: is a file; name its folder: --data {place.parent}")
        with error_context(""):
            found = TableImages.of(place)
        if found is None:
            raise UserError(f"{data}: no column names image files (values such as 00.jpg)")
        return as_given(data, place, found)
    try:
        return as_given(data, place, detect_source(place))
    except ValueError as error:
        raise UserError(f"{' '.join(str(error).split())}{_what_is_there(place)}") from None


def _what_is_there(folder: Path) -> str:
    """Return the end of a message: what is in a folder that is not a data set, and what to do."""
    from trainables.sources.table.columns import is_image_name

    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not inside:
        return "; it is empty"
    for path in inside:
        if path.is_dir():
            try:
                kind = detect_source(path).kind
            except ValueError:
                continue
            return f"; {path} contains data of kind {kind}: use that folder"
    images = sum(is_image_name(path.name) for path in inside)
    if images:
        return (
            f"; it contains {images:,} images and nothing that labels them: put a CSV file into it with one row "
            f"per image and one column per task, or sort them into one folder per class{_tables_beside(folder)}"
        )
    tables = [path.name for path in inside if path.suffix.lower() in (".csv", ".tsv")]
    if tables:
        return f"; no column of {' or '.join(tables)} names image files (values such as 00.jpg)"
    return f"; it holds {', '.join(path.name for path in inside[:5])}{', ...' if len(inside) > 5 else ''}"


def _tables_beside(folder: Path) -> str:
    """Return the end of a message that names tables beside a folder, as one that belongs to it may be."""
    tables = sorted(path for path in folder.parent.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    tables.sort(key=lambda path: path.stem != folder.name)
    return f"; if {tables[0]} labels them, name that file in place of the folder" if tables else ""


def class_folders(folder: Path) -> ClassFolders | None:
    """Return folders that are classes, if the folder holds no other kind of data."""
    from trainables.sources.table.class_folders import find_class_folders

    try:
        detect_source(folder)
    except ValueError:
        with error_context(""):
            return find_class_folders(folder)
    return None


def as_given(data: Path, place: Path, source: SourceConfig) -> SourceConfig:
    """Return the source as a study file is to name it: by the URL, if it was found in the mirror of one."""
    url = address_of(data)
    if url is None:
        return source
    return source.moved(place.parent, url.rpartition("/")[0]) if place.is_file() else source.moved(place, url)


def existing_place(data: Path) -> Path:
    """Return where the images are; what is at a URL is fetched, with a table all that is beside it.

    Raises:
        UserError: nothing is there.
    """
    with error_context(""):
        url = checked_address(data)
        if url is not None:
            if data.suffix.lower() not in (".csv", ".tsv"):
                return mirror(url, node_cache())
            home, _, name = url.rpartition("/")
            if not (place := mirror(home, node_cache()) / name).is_file():
                raise UserError(f"{url}: no such object")
            return place
    folder = data.expanduser().resolve()
    if not folder.exists():
        raise UserError(f"{data}: no such folder")
    return folder


@contextmanager
def class_table(table: Path, data: Path, folders: ClassFolders) -> Iterator[SourceConfig]:
    """Write the table of images and their classes, one row per image, and yield the source that reads it.

    If the block raises, the file is as it was before.

    Args:
        table: the file.
        data: the folder of the images as given: a path or a URL.
        folders: the classes found there.
    """
    from trainables.sources.table.source import TableImages

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(folders.header)
    writer.writerows(folders.rows)
    before = table.read_text(encoding="utf-8") if table.is_file() else None
    write_text_atomically(table, text.getvalue())
    try:
        found = TableImages(path=table, images=folders.folder, image_column=folders.header[0])
        yield as_given(data, folders.folder, found)
    except BaseException:
        if before is None:
            table.unlink()
        else:
            write_text_atomically(table, before)
        raise
