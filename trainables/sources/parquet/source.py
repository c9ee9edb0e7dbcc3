"""Images in the Hugging Face Parquet layout: files per split, an image column, one column per task."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainables.foundation.files import file_hash
from trainables.sources.parquet.arrow_types import may_be_fractions, whole_numbers
from trainables.sources.parquet.cells import label_shards, rows_of
from trainables.sources.parquet.files import open_parquet, read_columns, row_count
from trainables.sources.parquet.schema import TASK_RULE, check_alike, read_schema, task_columns
from trainables.sources.parquet.shards import count_rows, find_shards, has_shards, unused_files
from trainables.sources.reading.cells import LabelledColumn, split_task
from trainables.sources.reading.decoding import decoding_pool
from trainables.sources.reading.missing import MISSING, MissingValues
from trainables.sources.reading.pixels import DECODER_VERSION, UndecodableImageError, decode_image, stored_sides
from trainables.sources.source import (
    SPLITS,
    UNLABELLED,
    CorruptImage,
    ImageSource,
    Labels,
    Pixels,
    ReadRequest,
    SourceConfig,
)

_BATCH_ROWS = 256


class ParquetImages(SourceConfig):
    """A folder in the Hugging Face Parquet image layout: ``{train,validation,test}-*.parquet``.

    ``missing``: texts that mark a missing value in text columns.
    """

    kind: Literal["parquet"] = "parquet"
    path: Path
    missing: tuple[str, ...] = MISSING

    def open(self, request: ReadRequest) -> ImageSource:
        """Return the images in the files."""
        return ParquetSource(request, self)

    def count_images(self) -> int:
        """Return the number of rows of all files."""
        return count_rows(self.path)

    def known_tasks(self) -> tuple[str, ...]:
        """Return the columns other than the image column."""
        return task_columns(find_shards(self.path)["train"][0])

    @classmethod
    def detect(cls, folder: Path) -> ParquetImages | None:
        """Return the source if there are Parquet files in the folders searched for splits."""
        return cls(path=folder) if has_shards(folder) else None


class ParquetSource(ImageSource):
    """The files of a folder, checked against the tasks: complete shards, one image column, a column for each task.

    Raises:
        ValueError: a split, shard or column is missing or of the wrong type; the message gives file, column and rule.
    """

    def __init__(self, request: ReadRequest, source: ParquetImages) -> None:
        self._request = request
        self._source = source
        self._shards = find_shards(source.path)
        self._schemas = {path: read_schema(path, request.tasks) for split in SPLITS for path in self._shards[split]}
        self._columns = check_alike(self._schemas)
        plain = {name: column.names for name, column in self._columns.items() if column.holds in ("numbers", "nothing")}
        self._names = {task: plain[task] for task in request.tasks if task in plain}
        self._paths = list(self._schemas)
        self._missing = {task: MissingValues(source.missing) for task in request.tasks}

    def identity(self) -> dict[str, Any]:
        """Hash each file; the identity depends on the order of shards in a split, but not on folder or file names."""
        return {
            "kind": "parquet",
            "decoder": DECODER_VERSION,
            "image_size": self._request.image_size,
            "fit": self._request.fit,
            "tasks": list(self._request.tasks),
            "files": {split: self._hashes(self._shards[split]) for split in SPLITS},
            **self._own_missing(),
        }

    def _hashes(self, paths: Sequence[Path]) -> list[str]:
        hashes: dict[str, Path] = {}
        for path in paths:
            other = hashes.setdefault(file_hash(path), path)
            if other != path and row_count(path):
                raise ValueError(f"{path}: is the same file as {other.name}, so its images would occur twice; keep one")
        return [file_hash(path) for path in paths]

    def _own_missing(self) -> dict[str, Any]:
        """Return the study's missing-value markers, if they change any label compared with the default ones."""
        if set(self._source.missing) == set(MISSING):
            return {}
        usual = self._labelled({task: MissingValues(MISSING) for task in self._request.tasks})
        same = all(
            column.classes == usual[task].classes and np.array_equal(column.labels, usual[task].labels)
            for task, column in self._from_cells.items()
        )
        return {} if same else {"missing": sorted(set(self._source.missing))}

    def classes(self) -> dict[str, tuple[str, ...]]:
        """Return ClassLabel and boolean names as declared; for all other columns, the values found in any split."""
        return {task: self._classes_of(task) for task in self._request.tasks}

    def labels(self, split: str) -> Labels:
        """Return the class indices of a split; null and -1 become -1."""
        columns = []
        for task in self._request.tasks:
            if task not in self._names:
                columns.append(rows_of(self._from_cells[task].labels, self._row_counts, self._shards[split]))
                continue
            labels = np.concatenate([self._raw_labels[path][task] for path in self._shards[split]])
            if self._names[task] is None:
                labelled = labels >= 0
                labels[labelled] = np.searchsorted(self._values[task], labels[labelled])
            columns.append(labels)
        return np.stack(columns, axis=1)

    def name(self, split: str, row: int) -> str:
        """Return the file of an image and its row in that file."""
        for path in self._shards[split]:
            if row < self._row_counts[path]:
                return f"{path.name}:{row}"
            row -= self._row_counts[path]
        raise IndexError(f"split {split!r} has no such row")

    def sample(self, count: int) -> Iterator[bytes]:
        """Yield the first training images."""
        first = next(path for path in self._shards["train"] if self._row_counts[path])
        for entry in next(_batches(first, self._schemas[first].image_column))[:count]:
            data = entry.get("bytes") if isinstance(entry, dict) else entry
            if data:
                yield data

    def _classes_of(self, task: str) -> tuple[str, ...]:
        if task not in self._names:
            return self._from_cells[task].classes
        return self._names[task] or tuple(str(value) for value in self._values[task])

    def notes(self) -> tuple[str, ...]:
        """Return files that belong to no split, and texts treated as missing values."""
        unused = unused_files(self._source.path)
        notes = [f"Parquet files outside the splits are ignored: {', '.join(unused)}"] if unused else []
        missing = [self._missing[task].note(split_task(task, list(self._columns))[0]) for task in self._from_cells]
        return (*notes, *dict.fromkeys(note for note in missing if note))

    def images(self, split: str) -> Iterator[Pixels | CorruptImage]:
        """Decode batch by batch in threads (Pillow releases the GIL), in row order."""
        with decoding_pool() as pool:
            for path in self._shards[split]:
                yield from self._decode_shard(pool, split, path)

    def pixel_counts(self, split: str) -> Iterator[int]:
        """Read the headers of the images batch by batch in threads."""
        with decoding_pool() as pool:
            for path in self._shards[split]:
                for entries in _batches(path, self._schemas[path].image_column):
                    yield from pool.map(lambda entry: math.prod(stored_sides(_stored(entry)[1] or b"")), entries)

    def _decode_shard(self, pool: ThreadPoolExecutor, split: str, path: Path) -> Iterator[Pixels | CorruptImage]:
        row = 0
        column = self._schemas[path].image_column
        for entries in _batches(path, column):
            where = [(split, path.name, f"row {row + offset}") for offset in range(len(entries))]
            yield from pool.map(self._decode, entries, where)
            row += len(entries)

    def _decode(self, entry: dict[str, Any] | bytes | None, where: tuple[str, str, str]) -> Pixels | CorruptImage:
        stored, data = _stored(entry)
        if not data:
            return CorruptImage(*where, path=stored, reason="the file stores no bytes for this image")
        try:
            return decode_image(data, self._request.image_size, self._request.fit, self._request.max_pixels)
        except UndecodableImageError as error:
            return CorruptImage(*where, path=stored, reason=str(error))

    @functools.cached_property
    def _raw_labels(self) -> dict[Path, dict[str, Labels]]:
        return {path: _read_labels(path, self._names) for path in self._paths}

    @functools.cached_property
    def _values(self) -> dict[str, Labels]:
        """The values of plain integer columns over all splits, so that a class has the same index in each."""
        plain = [task for task, names in self._names.items() if names is None]
        found = {task: np.concatenate([labels[task] for labels in self._raw_labels.values()]) for task in plain}
        return {task: np.unique(labels[labels >= 0]) for task, labels in found.items()}

    @functools.cached_property
    def _from_cells(self) -> dict[str, LabelledColumn]:
        """The tasks from text columns, lists and single values of a column, over all files."""
        return self._labelled(self._missing)

    def _labelled(self, missing: dict[str, MissingValues]) -> dict[str, LabelledColumn]:
        names = {name: column.names for name, column in self._columns.items()}
        tasks = [task for task in self._request.tasks if task not in self._names]
        return {task: label_shards(self._paths, task, names, missing[task]) for task in tasks}

    @functools.cached_property
    def _row_counts(self) -> dict[Path, int]:
        return {path: row_count(path) for path in self._paths}


def _stored(entry: dict[str, Any] | bytes | None) -> tuple[str, bytes | None]:
    """Return the path stored with an image, and its bytes.

    A path without bytes is not followed: an untrusted table must not choose which local files are read.
    """
    return (entry.get("path") or "", entry.get("bytes")) if isinstance(entry, dict) else ("", entry)


def _batches(path: Path, column: str) -> Iterator[list[dict[str, Any] | bytes | None]]:
    """Yield a column in chunks, holding at most one row group of it in memory."""
    with open_parquet(path) as file:
        try:
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[column]):
                    yield batch.column(0).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: column {column!r} cannot be read: {error}") from error


def _read_labels(path: Path, names: dict[str, tuple[str, ...] | None]) -> dict[str, Labels]:
    table = read_columns(path, list(names))
    columns = {}
    for task, known in names.items():
        try:
            column = whole_numbers(table.column(task))
        except pa.ArrowInvalid as error:
            if may_be_fractions(table.column(task).type):
                kind = f"{table.column(task).type} with values that are not integers or too large"
                raise ValueError(f"{path}: column {task!r}: {TASK_RULE}, is {kind}") from error
            raise ValueError(f"{path}: column {task!r}: labels must fit 64-bit integers: {error}") from error
        values: Labels = pc.fill_null(column, UNLABELLED).to_numpy().astype(np.int64)
        above = np.iinfo(np.int64).max if known is None else len(known) - 1
        wrong = np.flatnonzero((values < UNLABELLED) | (values > above))
        if wrong.size:
            rule = "-1 (unlabelled) or more" if known is None else f"-1 (unlabelled) to {above} ({len(known)} classes)"
            raise ValueError(f"{path}: column {task!r}, row {wrong[0]}: labels must be {rule}, got {values[wrong[0]]}")
        columns[task] = values
    return columns
