"""``index.json``: what is in an index. It names numbers, not paths, and is replaced in one step."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from pydantic import Field

from trainables.foundation.files import write_text_atomically
from trainables.foundation.locks.lock import Guard, LockHeldError, locked
from trainables.foundation.manifest import read_versioned
from trainables.foundation.section import Section
from trainables.index.errors import IndexFault
from trainables.networks.precision import Precision, vector_bytes

MANIFEST = "index.json"
VERSION: Literal[1] = 1
PACK = "pack"
"""The folder of packs inside an index."""

MOST_BYTES = 2**28
LOCK = ".lock"


class FileFacts(Section):
    """Bytes of a file and their CRC-32."""

    bytes: int = Field(ge=0)
    crc32: str = Field(pattern=r"^[0-9a-f]{8}$")


class SegmentFacts(Section):
    """An immutable part of the index.

    ``tombstones``: the number of the file that marks its deleted rows, and how many they are; None if there are none.
    """

    number: int = Field(ge=1)
    images: int = Field(ge=1)
    files: dict[str, FileFacts]
    tombstones: int | None = None
    deleted: int = Field(0, ge=0)

    @property
    def version(self) -> tuple[int, int | None]:
        """Tells the segment, and its deletions, from all others of the index."""
        return self.number, self.tombstones


class ListFacts(Section):
    """Lists for approximate search: the number of their folder, and of the segments whose rows they hold."""

    number: int = Field(ge=1)
    segments: tuple[int, ...]


class IndexManifest(Section):
    """An index.

    ``vectors`` V of length ``size`` D are stored per image at each of ``precisions``: the one that is scanned, and, if
    there are two, the finer one by which the best are scored again. ``thumbnails``: longest side in pixels, 0 for none.
    ``sources``: the folders and files that were added, for people and to resume.
    ``lists``: by ``ROW:BRANCH``, which tasks that need the same vectors share.
    ``next``: the number that the next segment, file of tombstones or lists take.
    """

    version: Literal[1] = VERSION
    model: str
    tasks: tuple[str, ...] = Field(min_length=1)
    vectors: int = Field(ge=1)
    size: int = Field(ge=1)
    precisions: tuple[Precision, ...] = Field(min_length=1, max_length=2)
    thumbnails: int = Field(ge=0, le=1024)
    lists: dict[str, ListFacts] = Field(default_factory=dict)
    sources: tuple[str, ...] = ()
    next: int = Field(1, ge=1)
    segments: tuple[SegmentFacts, ...] = ()

    @property
    def layout(self) -> tuple[object, ...]:
        """What stays as long as it is the same index."""
        return self.model, self.tasks, self.vectors, self.size, self.precisions, self.thumbnails

    @property
    def vector_bytes(self) -> int:
        """Bytes of all stored vectors of an image."""
        return self.vectors * sum(vector_bytes(self.size, precision) for precision in self.precisions)

    def __len__(self) -> int:
        """Return the number of images that are not deleted."""
        return sum(segment.images - segment.deleted for segment in self.segments)


def read_index(folder: Path) -> IndexManifest:
    """Return the manifest of an index.

    Raises:
        IndexFault: There is none, it is damaged or of another version, or a value breaks a rule.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise IndexFault(f"{folder}: not an index of images (it holds no {MANIFEST}); to write one: modstudy index")
    try:
        return read_versioned(
            path, IndexManifest, version=VERSION, most_bytes=MOST_BYTES, again="index the images again"
        )
    except ValueError as error:
        raise IndexFault(str(error)) from error


def write_index(folder: Path, manifest: IndexManifest) -> None:
    """Replace the manifest in one step."""
    write_text_atomically(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")


class OneWriter:
    """Holds the lock of an index's only writer for the length of a block; readers need none."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._held = ExitStack()

    def __enter__(self) -> None:
        """Take the lock.

        Raises:
            IndexFault: Another process or thread is writing.
        """
        try:
            self._held.enter_context(locked(self._folder / LOCK, 0, Guard(self._folder)))
        except LockHeldError:
            raise IndexFault(f"{self._folder}: is being written by another process; wait for it, or end it") from None

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self._held.close()
