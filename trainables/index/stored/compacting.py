"""Rewrites an index in few, large segments without its deleted rows, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trainables.index.stored.manifest import IndexManifest, SegmentFacts
from trainables.index.stored.segments import TABLE, THUMBNAILS, Segment, SegmentWriter, segment_folder

ROWS = 262_144
"""Rows of a compacted segment, and a few more."""

_PIECE = 8192


@dataclass(frozen=True)
class _Part:
    """The rows of a segment that stay."""

    segment: Segment
    rows: NDArray[np.int64]


def joined(folder: Path, manifest: IndexManifest, segments: Sequence[Segment]) -> IndexManifest:
    """Write the rows of the last segments that are not deleted into new ones, and return the manifest that names these.

    Args:
        folder: Of the index.
        manifest: What it holds.
        segments: The last of its segments, opened; they may be all.
    """
    number, facts = manifest.next, []
    for parts in _together(segments):
        facts.append(_written(folder, number, parts))
        number += 1
    kept = manifest.segments[: len(manifest.segments) - len(segments)]
    return manifest.model_copy(update={"next": number, "segments": (*kept, *facts)})


def small_ones(manifest: IndexManifest, most: int) -> int:
    """Return how many of the last segments are small and in no list, 0 if they are at most ``most``."""
    listed = max((len(facts.segments) for facts in manifest.lists.values()), default=0)
    count = 0
    for segment in reversed(manifest.segments[listed:]):
        if segment.images >= ROWS:
            break
        count += 1
    return count if count > most else 0


def _together(segments: Sequence[Segment]) -> Iterator[list[_Part]]:
    parts: list[_Part] = []
    for segment in segments:
        rows = np.flatnonzero(segment.alive)
        if len(rows):
            parts.append(_Part(segment, rows))
        if sum(len(part.rows) for part in parts) >= ROWS:
            yield parts
            parts = []
    if parts:
        yield parts


def _written(folder: Path, number: int, parts: Sequence[_Part]) -> SegmentFacts:
    writer = SegmentWriter(segment_folder(folder, number))
    for name in parts[0].segment.arrays:
        arrays = [(part.segment.arrays[name], part.rows) for part in parts]
        writer.file(name, partial(_join_arrays, arrays))
    writer.file(THUMBNAILS, lambda out: _join_thumbnails(out, parts))
    writer.file(TABLE, lambda out: pq.write_table(_joined_table(parts), out, compression="zstd"))
    return SegmentFacts(number=number, images=sum(len(part.rows) for part in parts), files=writer.facts)


def _join_arrays(arrays: Sequence[tuple[NDArray[Any], NDArray[np.int64]]], out: IO[bytes]) -> None:
    """Write arrays ``(V, N, ...)`` as one, of the rows that stay."""
    first = arrays[0][0]
    shape = (first.shape[0], sum(len(rows) for _, rows in arrays), *first.shape[2:])
    header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    for vector in range(shape[0]):
        for array, rows in arrays:
            for start in range(0, len(rows), _PIECE):
                out.write(np.ascontiguousarray(array[vector][rows[start : start + _PIECE]]).tobytes())


def _join_thumbnails(out: IO[bytes], parts: Sequence[_Part]) -> None:
    for part in parts:
        for row in part.rows:
            out.write(part.segment.thumbnail(int(row)))


def _joined_table(parts: Sequence[_Part]) -> Any:
    tables, lengths = [], []
    for part in parts:
        ends = part.segment.table.column("thumbnail_end").to_numpy()
        lengths.append(np.diff(ends, prepend=0)[part.rows])
        tables.append(part.segment.table.take(pa.array(part.rows)))
    joined = pa.concat_tables(tables, promote_options="default")
    place = joined.column_names.index("thumbnail_end")
    return joined.set_column(place, "thumbnail_end", pa.array(np.cumsum(np.concatenate(lengths))))
