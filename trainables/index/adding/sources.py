"""Images to index, with their ids, sources and labels: from a folder, a list of files, or Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainables.index.errors import IndexFault
from trainables.sources.parquet.files import open_parquet
from trainables.sources.parquet.schema import TaskColumn, read_schema, task_columns
from trainables.sources.reading.text_files import TextTable, read_lines, read_table
from trainables.sources.table.columns import delimiter_of, image_columns, images_folder, is_image_name

FOLDER = "folder"
"""The label that images of a folder get: the folder they are in, below the one that was given."""

_BATCH_ROWS = 64
_TABLES = (".csv", ".tsv")
_LISTS = (".txt", ".lst", ".list")


@dataclass(frozen=True)
class SourceImage:
    """An image to index.

    Attributes:
        id: Unique in the index.
        content: The path of its file, or the bytes of one.
        source: Where it is from, for people: its path, or ``table.parquet:row``. None: the path.
        labels: What is known of it, as text; searches can be narrowed by them.
        stamp: Changes when the image changes; an image of the same id and stamp is not read again.
    """

    id: str
    content: Path | bytes
    source: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    stamp: str = ""

    def read(self) -> bytes:
        """Return the bytes of the file.

        Raises:
            OSError: It cannot be read.
        """
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    @property
    def shown_source(self) -> str:
        """Return ``source``, or the path."""
        if self.source is None:
            return "" if isinstance(self.content, bytes) else str(self.content)
        return self.source


def read_images(place: str | Path, *, name: str | None = None) -> Iterator[SourceImage]:
    """Yield the images of a place, in a fixed order, without reading them all into memory.

    A folder is searched with all folders below it, or, if it holds Parquet files (also in ``data/``), those are read;
    a list has one path a line (.txt), or is a CSV file with a column of paths, whose other columns become labels.

    Args:
        place: A folder, a list, or a Parquet file.
        name: Beginning of the ids; by default the name of the folder or file.

    Raises:
        IndexFault: There is no such place, or it holds no images.
    """
    path = Path(place).expanduser()
    own = name if name is not None else path.resolve().name
    if path.is_dir():
        tables = _parquet_files(path)
        yield from _some(_of_tables(tables, own) if tables else _of_folder(path, own), path)
    elif path.suffix.lower() == ".parquet" and path.is_file():
        yield from _some(_of_tables([path], own), path)
    elif path.is_file() and path.suffix.lower() in (*_TABLES, *_LISTS):
        yield from _some(_of_list(path, own), path)
    elif path.is_file() and is_image_name(path.name):
        yield _file(path, path.name, {})
    else:
        what = "no such folder or file" if not path.exists() else "neither a folder, a list (.txt, .csv) nor Parquet"
        raise IndexFault(f"{path}: {what}; give a folder of images, a list of their paths, or Parquet files")


def _some(images: Iterator[SourceImage], path: Path) -> Iterator[SourceImage]:
    """Yield images; a place without any is most often a mistake."""
    first = next(images, None)
    if first is None:
        raise IndexFault(f"{path}: holds no images; files of images end in .jpg, .png, .webp and the like")
    yield first
    yield from images


def _of_folder(folder: Path, name: str) -> Iterator[SourceImage]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        inside = Path(place).relative_to(folder)
        labels = {} if inside == Path() else {FOLDER: inside.as_posix()}
        for file in sorted(files):
            if is_image_name(file) and not file.startswith("."):
                yield _file(Path(place, file), (Path(name) / inside / file).as_posix(), labels)


def _of_list(path: Path, name: str) -> Iterator[SourceImage]:
    try:
        files, labels = _listed(path)
    except ValueError as error:
        raise IndexFault(str(error)) from error
    home = images_folder(files, path.parent)
    for row, file in enumerate(files):
        known = {column: cells[row] for column, cells in labels.items() if cells[row]}
        yield _file(home / file, f"{name}/{file}", known)


def _listed(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Return the paths of a list, and the other columns."""
    if path.suffix.lower() in _LISTS:
        return [line.strip() for line in read_lines(path) if line.strip()], {}
    table: TextTable = read_table(path, delimiter_of(path))
    found = image_columns(table)
    if len(found) != 1:
        raise IndexFault(f"{path}: one column should hold the paths of images, found {', '.join(found) or 'none'}")
    return table.columns[found[0]], {column: cells for column, cells in table.columns.items() if column != found[0]}


def _file(path: Path, name: str, labels: Mapping[str, str]) -> SourceImage:
    try:
        status = path.stat()
        stamp = f"{status.st_size}-{status.st_mtime_ns}"
    except OSError:  # reading will say why
        stamp = ""
    return SourceImage(name, path, str(path.absolute()), labels, stamp)


def _parquet_files(folder: Path) -> list[Path]:
    return sorted(
        path for place in (folder, folder / "data") for path in place.glob("*.parquet") if not path.name.startswith(".")
    )


def _of_tables(paths: Sequence[Path], name: str) -> Iterator[SourceImage]:
    for path in paths:
        own = name if len(paths) == 1 and path.name == name else f"{name}/{path.name}"
        try:
            schema = read_schema(path, task_columns(path))
            yield from _of_table(path, own, schema.image_column, schema.columns)
        except (ValueError, pa.ArrowException) as error:
            raise IndexFault(str(error)) from error


def _of_table(path: Path, name: str, image: str, columns: Mapping[str, TaskColumn]) -> Iterator[SourceImage]:
    status = path.stat()
    stamp, numbers = f"{status.st_size}-{status.st_mtime_ns}", count()
    with open_parquet(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=[image, *columns]):
            for row in batch.to_pylist():
                entry, number = row.pop(image), next(numbers)
                labels = {key: text for key, cell in row.items() if (text := _text(cell, columns[key].names))}
                content = (entry or {}).get("bytes") if isinstance(entry, dict) or entry is None else entry
                yield SourceImage(f"{name}:{number}", content or b"", f"{path.absolute()}:{number}", labels, stamp)


def _text(cell: Any, names: tuple[str, ...] | None) -> str:
    """Return a cell as text; empty if it is unlabelled: null or -1."""
    if isinstance(cell, list):
        return ",".join(filter(None, (_text(one, names) for one in cell)))
    if cell is None or cell == -1:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if names is not None and isinstance(cell, int) and 0 <= cell < len(names):
        return names[cell]
    return str(cell)
