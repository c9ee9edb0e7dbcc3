"""Images in the Hugging Face Parquet layout: files per split, an image column, one column a task."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainables.config import DataConfig, ParquetImages
from trainables.data.cells import LabelledColumn
from trainables.data.decoding import decoding_pool
from trainables.data.parquet_cells import label_shards, rows_of
from trainables.data.pixels import DECODER_VERSION, UndecodableImageError, decode_image
from trainables.data.shards import find_shards
from trainables.data.source import SPLITS, UNLABELLED, CorruptImage, ImageSource, Labels, Pixels
from trainables.data.table_schema import check_alike, read_schema
from trainables.file_hash import file_hash

_BATCH_ROWS = 256


class ParquetSource(ImageSource):
    """The files of a folder, checked against the tasks: complete shards, one image column, a column for every task.

    Raises:
        ValueError: a split, shard or column is missing, or of the wrong type; the message names file, column and rule.
    """

    def __init__(self, data: DataConfig, source: ParquetImages) -> None:
        self._data = data
        self._shards = find_shards(source.path)
        self._schemas = {path: read_schema(path, data.tasks) for split in SPLITS for path in self._shards[split]}
        self._names = check_alike(self._schemas)
        self._paths = list(self._schemas)

    def identity(self) -> dict[str, Any]:
        """Hash every file; neither folder nor file names take part, the order of shards in a split does."""
        return {
            "kind": "parquet",
            "decoder": DECODER_VERSION,
            "image_size": self._data.image_size,
            "fit": self._data.fit,
            "tasks": list(self._data.tasks),
            "files": {split: [file_hash(path) for path in self._shards[split]] for split in SPLITS},
        }

    def classes(self) -> dict[str, tuple[str, ...]]:
        """Return ClassLabel and boolean names as declared, and the values found in any split for all other columns."""
        return {task: self._classes_of(task) for task in self._data.tasks}

    def labels(self, split: str) -> Labels:
        """Return the class indices of a split; null and -1 become -1."""
        columns = []
        for task in self._data.tasks:
            if task not in self._names:
                columns.append(rows_of(self._from_cells[task].labels, self._row_counts, self._shards[split]))
                continue
            labels = np.concatenate([self._raw_labels[path][task] for path in self._shards[split]])
            if self._names[task] is None:
                labelled = labels >= 0
                labels[labelled] = np.searchsorted(self._values[task], labels[labelled])
            columns.append(labels)
        return np.stack(columns, axis=1)

    def _classes_of(self, task: str) -> tuple[str, ...]:
        if task not in self._names:
            return self._from_cells[task].classes
        return self._names[task] or tuple(str(value) for value in self._values[task])

    def images(self, split: str) -> Iterator[Pixels | CorruptImage]:
        """Decode batch by batch in threads (Pillow releases the interpreter lock), in row order."""
        with decoding_pool() as pool:
            for path in self._shards[split]:
                yield from self._decode_shard(pool, split, path)

    def _decode_shard(self, pool: ThreadPoolExecutor, split: str, path: Path) -> Iterator[Pixels | CorruptImage]:
        row = 0
        column = self._schemas[path].image_column
        for entries in _batches(path, column):
            where = [(split, path.name, row + offset) for offset in range(len(entries))]
            yield from pool.map(self._decode, entries, where)
            row += len(entries)

    def _decode(self, entry: dict[str, Any] | None, where: tuple[str, str, int]) -> Pixels | CorruptImage:
        stored = (entry or {}).get("path") or ""
        data = (entry or {}).get("bytes")
        if not data:
            # A path alone is not followed: a table from elsewhere must not choose which files are read here.
            return CorruptImage(*where, path=stored, reason="no bytes are stored for this image")
        try:
            return decode_image(data, self._data.image_size, self._data.fit)
        except UndecodableImageError as error:
            return CorruptImage(*where, path=stored, reason=str(error))

    @functools.cached_property
    def _raw_labels(self) -> dict[Path, dict[str, Labels]]:
        return {path: _read_labels(path, self._names) for path in self._paths}

    @functools.cached_property
    def _values(self) -> dict[str, Labels]:
        """The values of plain integer columns over all splits, so that a class has one index everywhere."""
        plain = [task for task, names in self._names.items() if names is None]
        found = {task: np.concatenate([labels[task] for labels in self._raw_labels.values()]) for task in plain}
        return {task: np.unique(labels[labels >= 0]) for task, labels in found.items()}

    @functools.cached_property
    def _from_cells(self) -> dict[str, LabelledColumn]:
        """The tasks of text columns, of lists, and of single values of a column, over all files."""
        cells = self._schemas[self._paths[0]].cells
        return {task: label_shards(self._paths, task, cells) for task in self._data.tasks if task not in self._names}

    @functools.cached_property
    def _row_counts(self) -> dict[Path, int]:
        return {path: pq.read_metadata(path).num_rows for path in self._paths}


def _batches(path: Path, column: str) -> Iterator[list[dict[str, Any] | None]]:
    """Yield a column in pieces; one row group's share of it is the most that is in memory."""
    try:
        # Pre-buffering, on by default, would read all row groups ahead and so hold the whole file.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[column]):
                    yield batch.column(0).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: column {column!r} cannot be read: {error}") from error


def _read_labels(path: Path, names: dict[str, tuple[str, ...] | None]) -> dict[str, Labels]:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=list(names))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: columns {list(names)} cannot be read: {error}") from error
    columns = {}
    for task, known in names.items():
        try:
            column = table.column(task).cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise ValueError(f"{path}: column {task!r}: labels must fit 64-bit integers: {error}") from error
        values: Labels = pc.fill_null(column, UNLABELLED).to_numpy().astype(np.int64)
        above = np.iinfo(np.int64).max if known is None else len(known) - 1
        wrong = np.flatnonzero((values < UNLABELLED) | (values > above))
        if wrong.size:
            rule = "-1 (unlabelled) or more" if known is None else f"-1 (unlabelled) to {above} ({len(known)} classes)"
            raise ValueError(f"{path}: column {task!r}, row {wrong[0]}: labels must be {rule}, got {values[wrong[0]]}")
        columns[task] = values
    return columns
