"""Segments: immutable files of vectors, which are mapped, not read, with a table of their images and thumbnails."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.foundation.damage import DAMAGE
from trainables.foundation.files import file_checksum, write_atomically
from trainables.index.errors import IndexFault
from trainables.index.stored.manifest import FileFacts, IndexManifest, SegmentFacts
from trainables.index.stored.shadow import BUILDING, FEWEST_ROWS, SEARCHES, Shadow
from trainables.networks.precision import Precision, decode_vectors, encode_vectors

SEGMENTS = "segments"
TOMBSTONES = "tombstones"
TABLE = "images.parquet"
THUMBNAILS = "thumbnails.bin"
LABEL = "label:"
"""Beginning of the names of label columns."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ImageRow:
    """What a segment keeps of an image besides its vectors; ``thumbnail`` is the bytes of a JPEG file, or none."""

    id: str
    source: str
    stamp: str
    labels: Mapping[str, str]
    thumbnail: bytes = b""


def write_segment(
    folder: Path, number: int, vectors: Tensor, rows: Sequence[ImageRow], precisions: Sequence[Precision]
) -> SegmentFacts:
    """Write fp32 vectors ``(V, N, D)`` and the table of their N images; nothing refers to them yet."""
    writer = SegmentWriter(segment_folder(folder, number))
    for precision in precisions:
        for name, tensor in encode_vectors(vectors, precision).items():
            writer.array(array_name(precision, name), tensor.numpy())
    ends = np.cumsum([len(row.thumbnail) for row in rows], dtype=np.int64)
    writer.file(THUMBNAILS, lambda out: out.write(b"".join(row.thumbnail for row in rows)))
    writer.file(TABLE, lambda out: pq.write_table(_table(rows, ends), out, compression="zstd"))
    return SegmentFacts(number=number, images=len(rows), files=writer.facts)


def write_tombstones(folder: Path, number: int, deleted: Mask) -> None:
    """Write which rows of a segment are deleted, under a number of its own."""
    write_atomically(
        tombstones_path(folder, number), lambda out: np.save(out, np.packbits(deleted)), writer=str(os.getpid())
    )


def tombstones_path(folder: Path, number: int) -> Path:
    """Return the file of tombstones of that number."""
    return folder / TOMBSTONES / f"{number:06}.npy"


def segment_folder(folder: Path, number: int) -> Path:
    """Return where the files of a segment are."""
    return folder / SEGMENTS / f"{number:06}"


def array_name(precision: Precision, name: str) -> str:
    """Return the file name of an array that ``encode_vectors`` returns."""
    return f"{precision}.{name}.npy"


@dataclass
class SegmentWriter:
    """Writes the files of a segment, each in one step, and keeps their facts."""

    folder: Path

    def __post_init__(self) -> None:
        self.facts: dict[str, FileFacts] = {}

    def array(self, name: str, array: NDArray[Any]) -> None:
        """Write an array."""
        self.file(name, lambda out: np.save(out, array))

    def file(self, name: str, write: Callable[[IO[bytes]], object]) -> None:
        """Write a file."""
        path = self.folder / name
        write_atomically(path, write, writer=str(os.getpid()))
        self.facts[name] = FileFacts(bytes=path.stat().st_size, crc32=file_checksum(path))


def _rows_of(array: NDArray[Any], rows: Any) -> NDArray[Any]:
    """Return rows of an array; ``take`` is quicker than an index of numbers."""
    return array[rows] if isinstance(rows, slice) else np.take(array, rows, axis=0)


def _bytes_of(path: Path) -> NDArray[np.uint8]:
    """Return the bytes of a file, mapped; an empty one cannot be."""
    return np.memmap(path, dtype=np.uint8, mode="r") if path.stat().st_size else np.empty(0, dtype=np.uint8)


def _table(rows: Sequence[ImageRow], ends: NDArray[np.int64]) -> Any:
    labels = sorted({name for row in rows for name in row.labels})
    text = pa.string()
    columns = {
        "id": pa.array([row.id for row in rows], text),
        "source": pa.array([row.source for row in rows], text),
        "stamp": pa.array([row.stamp for row in rows], text),
        "thumbnail_end": pa.array(ends),
        **{LABEL + name: pa.array([row.labels.get(name) for row in rows], text) for name in labels},
    }
    return pa.table(columns)


class Segment:
    """A segment of an index, opened for reading; its vectors stay on disk until they are scanned.

    All of its files are mapped, so that it can be read to its end when a writer has deleted them. Threads may share it.

    Attributes:
        facts: What the manifest says.
        alive: Which rows are not deleted (N,).
    """

    def __init__(self, folder: Path, facts: SegmentFacts, manifest: IndexManifest) -> None:
        """Check that the files are there with all of their bytes.

        Raises:
            IndexFault: One is missing or truncated, or has another shape or type than the manifest says.
        """
        self.facts = facts
        self._folder = segment_folder(folder, facts.number)
        self._manifest = manifest
        for name, file in facts.files.items():
            self._check_size(self._folder / name, file.bytes)
        self._arrays = {precision: self._mapped(precision) for precision in manifest.precisions}
        try:
            self._table_file = pa.memory_map(str(self._path(TABLE)))
            self._thumbnails = _bytes_of(self._path(THUMBNAILS))
        except OSError as error:
            raise IndexFault(f"{self._folder}: cannot be opened ({error}); copy the folder again") from error
        self.alive = np.ones(facts.images, dtype=np.bool_) if facts.tombstones is None else ~self._deleted(folder)
        self.norms: dict[str, NDArray[np.float32]] = {}
        self._shadows: dict[int, Shadow] = {}
        self._searches: dict[int, int] = {}
        self._counting = threading.Lock()

    def __len__(self) -> int:
        """Return the number of rows, deleted ones included."""
        return self.facts.images

    @property
    def scanned(self) -> Precision:
        """The precision of the copy that is scanned."""
        return self._manifest.precisions[0]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays of vectors by the name of their file, ``(V, N, ...)`` each."""
        return {
            array_name(precision, name): tensor.numpy()
            for precision, arrays in self._arrays.items()
            for name, tensor in arrays.items()
        }

    def stored(self, row: int) -> dict[str, Tensor]:
        """Return the arrays of one of the V rows of the copy that is scanned, ``(N, ...)`` each."""
        return {name: tensor[row] for name, tensor in self._arrays[self.scanned].items()}

    def shadow(self, row: int) -> Shadow | None:
        """Return the copy of fp32 vectors by which searches are quick; None until it is made, and if it is small."""
        if self.scanned != "fp32" or len(self) < FEWEST_ROWS:
            return None
        if row not in self._shadows:
            with self._counting:
                self._searches[row] = self._searches.get(row, 0) + 1
                due = self._searches[row] == SEARCHES + 1
            if due:
                threading.Thread(target=self._add_shadow, args=(row,), name=BUILDING, daemon=True).start()
        return self._shadows.get(row)

    def _add_shadow(self, row: int) -> None:
        self._shadows[row] = Shadow(self.stored(row)["vectors"])

    def decoded(self, row: int, rows: Any = slice(None), precision: Precision | None = None) -> Tensor:
        """Return stored vectors as fp32 ``(N, D)``, those of the finest copy by default."""
        wanted = precision or self._manifest.precisions[-1]
        arrays = self._arrays[wanted]
        parts = {name: torch.from_numpy(_rows_of(arrays[name][row].numpy(), rows))[None] for name in arrays}
        return decode_vectors(parts, wanted, self._manifest.size)[0]

    @functools.cached_property
    def table(self) -> Any:
        """The table of images, read when it is first needed."""
        try:
            return pq.read_table(self._table_file)
        except (pa.ArrowException, *DAMAGE) as error:
            raise IndexFault(f"{self._folder / TABLE}: cannot be read ({error}); copy the folder again") from error

    def row(self, row: int) -> dict[str, Any]:
        """Return id, source and labels of an image."""
        found: dict[str, Any] = self.table.slice(row, 1).to_pylist()[0]
        return found

    def thumbnail(self, row: int) -> bytes:
        """Return the thumbnail of an image, JPEG; empty if none is kept."""
        ends = self.table.column("thumbnail_end")
        start, end = (ends[row - 1].as_py() if row else 0), ends[row].as_py()
        return bytes(self._thumbnails[start:end])

    def damaged(self) -> list[Path]:
        """Return the files whose checksum is not that of the manifest."""
        return [
            self._folder / name
            for name, file in self.facts.files.items()
            if file_checksum(self._folder / name) != file.crc32
        ]

    def _check_size(self, path: Path, expected: int) -> None:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise IndexFault(
                f"{path}: missing, and the index names it; copy the folder again, or index anew"
            ) from error
        if size != expected:
            raise IndexFault(f"{path}: {size} bytes, and the index says {expected}; copy the folder again")

    def _path(self, name: str) -> Path:
        path = self._folder / name
        if name not in self.facts.files:
            raise IndexFault(f"{path}: not named by the index; copy the folder again, or index anew")
        return path

    def _mapped(self, precision: Precision) -> dict[str, Tensor]:
        shape = (self._manifest.vectors, len(self), self._manifest.size)
        like = encode_vectors(torch.empty(shape, device="meta"), precision)
        return {name: self._map(array_name(precision, name), tensor) for name, tensor in like.items()}

    def _map(self, name: str, like: Tensor) -> Tensor:
        path = self._path(name)
        try:
            # "c": a tensor needs memory that may be written to, and such pages are never written back
            found = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
        except DAMAGE as error:
            raise IndexFault(f"{path}: not an array ({error}); copy the folder again, or index anew") from error
        if (found.shape, found.dtype) != (like.shape, like.dtype):
            raise IndexFault(
                f"{path}: should be {like.dtype} {list(like.shape)}, is {found.dtype} {list(found.shape)}; copy the"
                " folder again, or index anew"
            )
        return found

    def _deleted(self, folder: Path) -> Mask:
        path = tombstones_path(folder, self.facts.tombstones or 0)
        try:
            bits = np.load(path, allow_pickle=False)
            deleted: Mask = np.unpackbits(bits, count=len(self)).astype(np.bool_)
        except DAMAGE as error:
            raise IndexFault(f"{path}: cannot be read ({error}); copy the folder again") from error
        if len(deleted) != len(self) or int(deleted.sum()) != self.facts.deleted:
            raise IndexFault(f"{path}: marks other rows than the index says; copy the folder again")
        return deleted
