"""Embeds images into new segments, each committed by one replacement of the manifest.

A writer that is killed at any moment leaves the index as its last manifest says; called again with the same images, it
passes over those that are in the index and goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.index.adding.embedding import Embedder, Skipped
from trainables.index.adding.sources import SourceImage
from trainables.index.errors import IndexFault
from trainables.index.lists import LISTS, is_stale, lists_folder, write_lists
from trainables.index.stored.compacting import joined, small_ones
from trainables.index.stored.manifest import MANIFEST, IndexManifest, SegmentFacts, write_index
from trainables.index.stored.segments import (
    SEGMENTS,
    TOMBSTONES,
    ImageRow,
    Mask,
    Segment,
    segment_folder,
    tombstones_path,
    write_segment,
    write_tombstones,
)
from trainables.index.views import TaskView
from trainables.sources.reading.decoding import decoding_pool

SEGMENT_IMAGES = 2048
"""Images of a segment: what a killed writer has to embed again at most."""

SEGMENT_BYTES = 2**26
"""Most bytes of fp32 vectors that a segment holds in memory before it is written."""

FEW, MANY = 8, 64
"""Small segments that are not joined at the end of adding, and while it goes on."""

_READ_AHEAD = 64

Place = tuple[int, int]
"""Which segment of the manifest, and which of its rows."""


@dataclass
class Added:
    """What came of adding images; ``replaced`` are among ``added``, ``unchanged`` were in the index already."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    skipped: list[Skipped] = field(default_factory=list)


Progress = Callable[[Added], None]


@dataclass(frozen=True)
class _Known:
    """An image that is in the index."""

    place: Place
    stamp: str
    source: str


@dataclass
class _Pending:
    """The images of the segment to come, and the places of those that they replace."""

    rows: list[ImageRow] = field(default_factory=list)
    vectors: list[Tensor] = field(default_factory=list)


class IndexWriter:
    """Adds images to an index and deletes them; to be used under its lock.

    Attributes:
        manifest: As it was last written.
    """

    def __init__(self, folder: Path, manifest: IndexManifest) -> None:
        """Open the segments, and remove what a killed writer left.

        Raises:
            IndexFault: A file of the index is missing or damaged.
        """
        self._folder = folder
        self.manifest = manifest
        sweep(folder, manifest)
        self._open()

    def _open(self) -> None:
        """Note which images the segments hold, and which rows are deleted."""
        segments = [Segment(self._folder, facts, self.manifest) for facts in self.manifest.segments]
        self._deleted: list[Mask] = [~segment.alive for segment in segments]
        self._known: dict[str, _Known] = {}
        for index, segment in enumerate(segments):
            columns = [segment.table.column(name).to_pylist() for name in ("id", "stamp", "source")]
            for row, (name, stamp, source) in enumerate(zip(*columns, strict=True)):
                if segment.alive[row]:
                    self._known[name] = _Known((index, row), stamp, source)

    def add(
        self,
        images: Iterable[SourceImage],
        embedder: Embedder,
        *,
        strict: bool = False,
        progress: Progress | None = None,
    ) -> Added:
        """Embed images and commit them segment by segment; an image whose stamp has changed replaces the old one.

        Raises:
            IndexFault: Two images have one id; or, if ``strict``, an image cannot be used.
        """
        done, pending, rest = Added(), _Pending(), iter(images)
        most = max(1, min(SEGMENT_IMAGES, SEGMENT_BYTES // (4 * self.manifest.vectors * self.manifest.size)))
        with decoding_pool() as pool:
            while chunk := list(islice(rest, min(_READ_AHEAD, most - len(pending.rows)))):
                rows, vectors, skipped = embedder.embed(list(self._new(chunk, pending, done)), pool)
                if strict and skipped:
                    raise IndexFault(f"{skipped[0].id}: {skipped[0].reason}; without --strict it is left out")
                pending.rows += rows
                pending.vectors.append(vectors)
                done.skipped += skipped
                if len(pending.rows) >= most:
                    self._commit(pending, done)
                    pending = _Pending()
                    self._join(small_ones(self.manifest, MANY))
                if progress is not None:
                    progress(done)
        self._commit(pending, done)
        self._join(small_ones(self.manifest, FEW))
        return done

    def note_source(self, source: str) -> None:
        """Note in the manifest that images of a place are added."""
        if source not in self.manifest.sources:
            self.manifest = self.manifest.model_copy(update={"sources": (*self.manifest.sources, source)})
            write_index(self._folder, self.manifest)

    def delete(self, ids: Iterable[str]) -> int:
        """Mark images as deleted, in one step, and return their number.

        Raises:
            IndexFault: An id is unknown; then none is deleted.
        """
        wanted = list(dict.fromkeys(ids))
        for name in wanted:
            if name not in self._known:
                raise IndexFault(f"{self._folder}: holds no image {name!r}; ids are those that a search prints")
        if wanted:
            self._replace(self.manifest.next, self.manifest.segments, [self._known[name].place for name in wanted])
        for name in wanted:
            del self._known[name]
        return len(wanted)

    def compact(self) -> None:
        """Rewrite the index in few segments without what was deleted; readers that are open keep what they have."""
        self._join(len(self.manifest.segments), lists={})  # their rows move

    def _join(self, count: int, **changes: Any) -> None:
        """Join the last segments, so that a search has few to look through, and change the manifest with them."""
        if count:
            last = self.manifest.segments[-count:]
            segments = [Segment(self._folder, facts, self.manifest) for facts in last]
            self._put(joined(self._folder, self.manifest, segments).model_copy(update=changes))
            self._open()

    def build_lists(self, views: Mapping[str, TaskView]) -> int:
        """Build the lists of tasks, by their key, where there are none or stale ones; returns how many were built."""
        segments = [Segment(self._folder, facts, self.manifest) for facts in self.manifest.segments]
        built = 0
        for key, view in views.items():
            known = self.manifest.lists.get(key)
            if segments and (known is None or is_stale(known, self.manifest)):
                number = self.manifest.next
                facts = write_lists(self._folder, number, segments, view)
                lists = {**self.manifest.lists, key: facts}
                self._put(self.manifest.model_copy(update={"next": number + 1, "lists": lists}))
                built += 1
        return built

    def _put(self, manifest: IndexManifest) -> None:
        self.manifest = manifest
        write_index(self._folder, manifest)
        sweep(self._folder, manifest)

    def _new(self, chunk: Sequence[SourceImage], pending: _Pending, done: Added) -> Iterator[SourceImage]:
        """Yield the images that are not in the index, or are there with another stamp."""
        seen = {row.id: row.source for row in pending.rows}
        for image in chunk:
            known = self._known.get(image.id)
            source = seen.get(image.id) if known is None else known.source
            if source is not None and source != image.shown_source:
                raise IndexFault(
                    f"{image.shown_source}: its id {image.id!r} is that of {source or 'another image'}; ids must"
                    " differ: name this source with --name"
                )
            if image.id in seen or (known is not None and known.stamp == image.stamp):
                done.unchanged += 1
            else:
                seen[image.id] = image.shown_source
                yield image

    def _commit(self, pending: _Pending, done: Added) -> None:
        if not pending.rows:
            return
        number, index = self.manifest.next, len(self.manifest.segments)
        vectors = torch.cat(pending.vectors, dim=1)
        facts = write_segment(self._folder, number, vectors, pending.rows, self.manifest.precisions)
        replaced = [self._known[row.id].place for row in pending.rows if row.id in self._known]
        self._deleted.append(np.zeros(len(pending.rows), dtype=np.bool_))
        self._replace(number + 1, (*self.manifest.segments, facts), replaced)
        done.added += len(pending.rows)
        done.replaced += len(replaced)
        for place, row in enumerate(pending.rows):
            self._known[row.id] = _Known((index, place), row.stamp, row.source)

    def _replace(self, number: int, segments: Sequence[SegmentFacts], deleted: Sequence[Place]) -> None:
        """Write tombstones for rows, and then the manifest."""
        new = list(segments)
        for index in sorted({index for index, _ in deleted}):
            self._deleted[index][[row for other, row in deleted if other == index]] = True
            write_tombstones(self._folder, number, self._deleted[index])
            count = int(self._deleted[index].sum())
            new[index] = new[index].model_copy(update={"tombstones": number, "deleted": count})
            number += 1
        self._put(self.manifest.model_copy(update={"next": number, "segments": tuple(new)}))


def sweep(folder: Path, manifest: IndexManifest) -> None:
    """Delete files that the manifest does not name: leftovers of killed writers, and tombstones that were replaced."""
    segments = {segment_folder(folder, segment.number) for segment in manifest.segments}
    for path in (folder / SEGMENTS).glob("*"):
        if path not in segments:
            shutil.rmtree(path)
    tombs = {tombstones_path(folder, one.tombstones) for one in manifest.segments if one.tombstones is not None}
    for path in (folder / TOMBSTONES).glob("*"):
        if path not in tombs:
            path.unlink()
    lists = {lists_folder(folder, facts.number) for facts in manifest.lists.values()}
    for path in (folder / LISTS).glob("*"):
        if path not in lists:
            shutil.rmtree(path)
    sweep_temporary(folder)


def sweep_temporary(folder: Path) -> None:
    """Delete the manifest that a killed writer did not complete."""
    for path in folder.glob(f".{MANIFEST}.*.tmp"):
        path.unlink()
