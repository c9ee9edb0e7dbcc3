"""An index at one moment: its manifest and its opened segments. A search takes one snapshot and reads nothing else.

Nothing of it changes, so any number of threads may share it. Its files are open from the start, because a writer
deletes what the next manifest does not name; the exception are lists, without which a search is exact.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import pyarrow.compute as pc

from trainables.index.errors import IndexFault, UnknownImage
from trainables.index.lists import Lists, is_stale, read_lists
from trainables.index.stored.manifest import IndexManifest, read_index
from trainables.index.stored.segments import LABEL, Segment


class Snapshot:
    """What an index held when its manifest was read.

    Attributes:
        folder: Of the index.
        manifest: As it was read.
        segments: Those that the manifest names.
    """

    def __init__(self, folder: Path, manifest: IndexManifest, known: Iterable[Segment] = ()) -> None:
        """Open the segments; those of ``known`` that are the same are taken over with all that they keep in memory.

        Raises:
            IndexFault: A file is missing or damaged.
        """
        self.folder = folder
        self.manifest = manifest
        opened = {segment.facts.version: segment for segment in known}
        self.segments = tuple(
            opened[facts.version]
            if facts.version in opened and opened[facts.version].facts == facts
            else Segment(folder, facts, manifest)
            for facts in manifest.segments
        )
        self._lists: dict[str, Lists | None] = {}

    @classmethod
    def current(cls, folder: Path, known: Iterable[Segment] = ()) -> Self:
        """Return what an index holds now, also while another process writes it.

        Raises:
            IndexFault: The folder is no index, or a file of it is missing or damaged.
        """
        manifest, kept = read_index(folder), tuple(known)
        while True:
            try:
                return cls(folder, manifest, kept)
            except IndexFault:  # a writer may have deleted a file since the manifest was read: then that is new, too
                before, manifest = manifest, read_index(folder)
                if manifest == before:
                    raise

    @functools.cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels of all images."""
        names = {name for segment in self.segments for name in segment.table.column_names if name.startswith(LABEL)}
        return tuple(sorted(name.removeprefix(LABEL) for name in names))

    def find(self, name: str) -> tuple[Segment, int]:
        """Return segment and row of an image.

        Raises:
            UnknownImage: No image has this id.
        """
        for segment in self.segments:
            for row in pc.indices_nonzero(pc.equal(segment.table.column("id"), name)).to_pylist():
                if segment.alive[row]:
                    return segment, int(row)
        raise UnknownImage(f"{self.folder}: holds no image {name!r}; ids are those that a search prints")

    def lists(self, key: str) -> Lists | None:
        """Return the lists of what the manifest names by ``key``; None if they are stale, or a writer deleted them.

        Raises:
            IndexFault: A file is damaged.
        """
        if key not in self._lists:
            self._lists[key] = self._read_lists(key)
        return self._lists[key]

    def _read_lists(self, key: str) -> Lists | None:
        facts = self.manifest.lists[key]
        if is_stale(facts, self.manifest):
            return None
        try:
            return read_lists(self.folder, facts, self.manifest)
        except IndexFault:
            if read_index(self.folder).lists.get(key) == facts:
                raise
            return None
